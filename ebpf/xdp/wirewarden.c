// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What is cheapest in the kernel: keep the host's own traffic its own, drop what is denied, count what is settled, and
 * hand the rest to the AF_XDP socket of its queue. Nothing is lost here without a count by its reason. */
#include "parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
} settings SEC(".maps");

/* When the owner was last known to be alive, CLOCK_MONOTONIC_COARSE. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} heartbeat SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, REASONS);
	__type(key, __u32);
	__type(value, struct count);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

/* The port that shunted packets are forwarded to. */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} peer SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct address);
	__type(value, __u32);
} own_addresses SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct service);
	__type(value, __u32);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm_v4);
	__type(value, __u32);
} v4_source SEC(".maps"), v4_destination SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1000000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lpm_v6);
	__type(value, __u32);
} v6_source SEC(".maps"), v6_destination SEC(".maps");

/* When a source's next packet is due (generic cell rate algorithm, ITU-T I.371), CLOCK_MONOTONIC. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct address);
	__type(value, __u64);
} rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct flow_key);
	__type(value, struct shunt);
} shunts SEC(".maps");

static __always_inline int count(__u32 reason, __u32 len, int action)
{
	struct count *count = bpf_map_lookup_elem(&counters, &reason);

	if (count) {
		count->packets += 1;
		count->bytes += len;
	}
	return action;
}

static __always_inline int is_stalled(const struct settings *set)
{
	__u32 zero = 0;
	__u64 *beat = bpf_map_lookup_elem(&heartbeat, &zero);

	return beat && bpf_ktime_get_coarse_ns() > *beat + set->stall_ns;
}

static __always_inline int is_ip(const struct parsed *parsed)
{
	return parsed->kind == PARSED_IPV4 || parsed->kind == PARSED_IPV6;
}

/* ARP, and the five messages of neighbour discovery (RFC 4861, 4). */
static __always_inline int is_neighbour(const struct parsed *parsed)
{
	if (parsed->kind == PARSED_NOT_IP)
		return parsed->ethertype == ETHERTYPE_ARP;
	return parsed->kind == PARSED_IPV6 && parsed->protocol == PROTOCOL_ICMPV6 && !parsed->is_fragment &&
	       parsed->icmp_type >= 133 && parsed->icmp_type <= 137;
}

static __always_inline int is_service(const struct parsed *parsed)
{
	struct service service = { .protocol = parsed->protocol, .port = parsed->destination_port };
	__u32 *sides = bpf_map_lookup_elem(&services, &service);

	if (sides && *sides & SERVICE_LOCAL)
		return 1;
	service.port = parsed->source_port;
	sides = bpf_map_lookup_elem(&services, &service);
	return sides && *sides & SERVICE_REMOTE;
}

/* Whether a packet is the host's own, and by which reason; REASONS where it is not. */
static __always_inline __u32 host_reason(const struct settings *set, const struct parsed *parsed)
{
	if (set->flags & SETTING_PROTECT_NEIGHBOURS && is_neighbour(parsed))
		return REASON_PASS_NEIGHBOUR;
	if (!(set->flags & (SETTING_PROTECT_SERVICES | SETTING_PASS_OWN)) || !is_ip(parsed))
		return REASONS;
	struct address address = { .halves = { parsed->destination[0], parsed->destination[1] } };
	if (!bpf_map_lookup_elem(&own_addresses, &address))
		return REASONS;
	if (set->flags & SETTING_PROTECT_SERVICES && is_service(parsed))
		return REASON_PASS_SERVICE;
	return set->flags & SETTING_PASS_OWN ? REASON_PASS_OWN : REASONS;
}

static __always_inline void copy_v4(struct lpm_v4 *key, const __u64 *address)
{
	__u32 low = bpf_htonl((__u32)address[1]);

	key->prefix_len = 32;
	__builtin_memcpy(key->address, &low, 4);
}

static __always_inline void copy_v6(struct lpm_v6 *key, const __u64 *address)
{
	__u64 high = bpf_cpu_to_be64(address[0]), low = bpf_cpu_to_be64(address[1]);

	key->prefix_len = 128;
	__builtin_memcpy(key->address, &high, 8);
	__builtin_memcpy(key->address + 8, &low, 8);
}

static __always_inline __u32 listed(void *v4, void *v6, const struct parsed *parsed, const __u64 *address)
{
	__u32 *action;

	if (parsed->kind == PARSED_IPV4) {
		struct lpm_v4 key;
		copy_v4(&key, address);
		action = bpf_map_lookup_elem(v4, &key);
	} else {
		struct lpm_v6 key;
		copy_v6(&key, address);
		action = bpf_map_lookup_elem(v6, &key);
	}
	return action ? *action : 0;
}

/* Why a list has a packet dropped; REASONS where none does. */
static __always_inline __u32 list_reason(const struct settings *set, const struct parsed *parsed)
{
	if (!is_ip(parsed))
		return REASONS;
	if (set->flags & (SETTING_LIST_SOURCES | SETTING_DENY_OTHER_SOURCES)) {
		__u32 action = listed(&v4_source, &v6_source, parsed, parsed->source);
		if (action == LIST_DENY)
			return REASON_DROP_DENIED_SOURCE;
		if (!action && set->flags & SETTING_DENY_OTHER_SOURCES)
			return REASON_DROP_UNLISTED_SOURCE;
	}
	if (set->flags & (SETTING_LIST_DESTINATIONS | SETTING_DENY_OTHER_DESTINATIONS)) {
		__u32 action = listed(&v4_destination, &v6_destination, parsed, parsed->destination);
		if (action == LIST_DENY)
			return REASON_DROP_DENIED_DESTINATION;
		if (!action && set->flags & SETTING_DENY_OTHER_DESTINATIONS)
			return REASON_DROP_UNLISTED_DESTINATION;
	}
	return REASONS;
}

/* Whether a source sends faster than it may. IPv6 sources are counted by their /64, the least that a site has
 * (RFC 6177). */
static __always_inline int is_too_fast(const struct settings *set, const struct parsed *parsed)
{
	struct address source = { .halves = { parsed->source[0], parsed->kind == PARSED_IPV4 ? parsed->source[1] : 0 } };
	__u64 now = bpf_ktime_get_ns();
	__u64 *due = bpf_map_lookup_elem(&rates, &source);

	if (!due) {
		__u64 first = now + set->rate_interval_ns;
		bpf_map_update_elem(&rates, &source, &first, BPF_ANY);
		return 0;
	}
	/* Another core may count a packet of the same source at the same time: then it is tried again, three times at
	 * most, and let through uncounted after that. */
	for (int attempt = 0; attempt < 4; attempt++) {
		__u64 before = *(volatile __u64 *)due;
		__u64 start = before > now ? before : now;
		if (start - now > set->rate_burst_ns)
			return 1;
		if (__sync_val_compare_and_swap(due, before, start + set->rate_interval_ns) == before)
			return 0;
	}
	return 0;
}

/* Whether a connection was reset, opened anew, or ended by both sides: what follows is user space's to see. */
static __always_inline int is_over(__u32 tcp_flags)
{
	const __u32 fin = TCP_FIN | TCP_FIN << SHUNT_UPPER_FLAGS;

	return tcp_flags & (TCP_SYN | TCP_RST | (TCP_SYN | TCP_RST) << SHUNT_UPPER_FLAGS) || (tcp_flags & fin) == fin;
}

/* Counts a packet of a settled flow and says what becomes of it; REASONS where user space must see it. */
static __always_inline __u32 shunt_reason(const struct settings *set, const struct parsed *parsed, __u32 len)
{
	struct flow_key key;
	__u32 side = key_of(parsed, set->flags, &key);
	struct shunt *shunt = bpf_map_lookup_elem(&shunts, &key);
	if (!shunt)
		return REASONS;
	if (parsed->protocol == PROTOCOL_TCP) {
		__u32 seen = shunt->tcp_flags;
		__u32 flags = (__u32)parsed->tcp_flags << (side ? SHUNT_UPPER_FLAGS : 0);
		if (is_over(seen))
			return REASONS;
		if ((seen | flags) != seen)
			__sync_fetch_and_or(&shunt->tcp_flags, flags);
		/* The end of a connection is user space's to see, and so is another beginning. */
		if (parsed->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST))
			return REASONS;
	}
	if (side) {
		__sync_fetch_and_add(&shunt->packets[1], 1);
		__sync_fetch_and_add(&shunt->bytes[1], len);
	} else {
		__sync_fetch_and_add(&shunt->packets[0], 1);
		__sync_fetch_and_add(&shunt->bytes[0], len);
	}
	shunt->last_ns = bpf_ktime_get_coarse_ns();
	if (shunt->action == SHUNT_PASS)
		return REASON_SHUNT_PASS;
	return shunt->action == SHUNT_FORWARD ? REASON_SHUNT_FORWARD : REASON_SHUNT_DROP;
}

static __always_inline int hand_over(struct xdp_md *context, const struct parsed *parsed, __u32 len)
{
	__u32 reason = REASON_REDIRECT;

	if (parsed->kind == PARSED_NOT_IP)
		reason = REASON_REDIRECT_NOT_IP;
	else if (parsed->kind == PARSED_UNREAD)
		reason = REASON_REDIRECT_UNREAD;
	else if (parsed->kind == PARSED_MALFORMED)
		reason = REASON_REDIRECT_MALFORMED;
	else if (parsed->is_fragment)
		reason = REASON_REDIRECT_FRAGMENT;
	/* The host gets what no socket takes. */
	int action = bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
	return count(action == XDP_REDIRECT ? reason : REASON_PASS_NO_SOCKET, len, action);
}

static __always_inline int decide(struct xdp_md *context, __u32 len)
{
	__u32 zero = 0;
	struct settings *set = bpf_map_lookup_elem(&settings, &zero);

	if (!set)
		return XDP_PASS;
	if (set->flags & SETTING_WATCHDOG && is_stalled(set))
		return count(REASON_PASS_OWNER_STALLED, len, XDP_PASS);
	struct parsed parsed = {};
	parse(context, len, &parsed);
	__u32 reason = host_reason(set, &parsed);
	if (reason != REASONS)
		return count(reason, len, XDP_PASS);
	reason = list_reason(set, &parsed);
	if (reason != REASONS)
		return count(reason, len, XDP_DROP);
	if (!is_ip(&parsed))
		return hand_over(context, &parsed, len);
	if (set->rate_interval_ns && is_too_fast(set, &parsed))
		return count(REASON_DROP_RATE, len, XDP_DROP);
	if (set->flags & SETTING_SHUNT && !parsed.is_fragment) {
		reason = shunt_reason(set, &parsed, len);
		if (reason == REASON_SHUNT_FORWARD)
			return count(reason, len, bpf_redirect_map(&peer, 0, XDP_DROP));
		if (reason != REASONS)
			return count(reason, len, reason == REASON_SHUNT_PASS ? XDP_PASS : XDP_DROP);
	}
	if (set->sample != 0xffffffff && hash_of(&parsed) > set->sample)
		return count(REASON_DROP_SAMPLED_OUT, len, XDP_DROP);
	return hand_over(context, &parsed, len);
}

/* For drivers that give packets in one piece, and for kernels before 5.18. */
SEC("xdp")
int wirewarden(struct xdp_md *context)
{
	return decide(context, linear_len(context));
}

/* Also for packets in several pieces (jumbo frames). */
SEC("xdp.frags")
int wirewarden_sg(struct xdp_md *context)
{
	return decide(context, bpf_xdp_get_buff_len(context));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
