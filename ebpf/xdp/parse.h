/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ethernet, tags, IPv4 (RFC 791), IPv6 (RFC 8200), TCP (RFC 9293), UDP (RFC 768), UDP-Lite (RFC 3828), SCTP (RFC 9260),
 * ICMP (RFC 792, 4443). What it reads, it reads as the crate `wire` does; what it cannot, it says is unread or
 * malformed, and user space decides. */
#ifndef WIREWARDEN_PARSE_H
#define WIREWARDEN_PARSE_H

#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "maps.h"

#define MOST_TAGS 8
#define MOST_EXTENSIONS 10
/* Headers end within this; it also bounds what the verifier has to follow. */
#define DEEPEST 2048

#define ETHERTYPE_FIRST 0x0600
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_ARP 0x0806
#define ETHERTYPE_IPV6 0x86dd

#define PROTOCOL_ICMP 1
#define PROTOCOL_TCP 6
#define PROTOCOL_UDP 17
#define PROTOCOL_ICMPV6 58
#define PROTOCOL_NONE 59
#define PROTOCOL_SCTP 132
#define PROTOCOL_UDP_LITE 136

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04

/* The packet, the part of it that can be read here, and where the IP packet ends. */
struct cursor {
	void *data;
	void *data_end;
	__u32 offset;
	__u32 end;
};

/* Bytes that can be read here. */
static __always_inline __u32 linear_len(const struct xdp_md *context)
{
	void *start = (void *)(long)context->data, *end = (void *)(long)context->data_end;

	/* The compiler knows that they have 32 bits in the context, and must not keep them as such: they are pointers. */
	asm volatile("" : "+r"(start));
	asm volatile("" : "+r"(end));
	return end - start;
}

/* `len` bytes at the cursor; none where they are not there, or too deep. */
static __always_inline void *peek(const struct cursor *at, __u32 len)
{
	__u32 offset = at->offset;

	if (offset > DEEPEST)
		return 0;
	void *start = at->data + offset;
	if (start + len > at->data_end)
		return 0;
	return start;
}

static __always_inline int is_tag(__u16 ethertype)
{
	return ethertype == 0x8100 || ethertype == 0x88a8 || ethertype == 0x9100 || ethertype == 0x9200;
}

/* EtherTypes behind which only user space finds IP: MPLS, PPPoE, and lengths of LLC frames. */
static __always_inline int is_for_user_space(__u16 ethertype)
{
	return ethertype < ETHERTYPE_FIRST || ethertype == 0x8847 || ethertype == 0x8848 || ethertype == 0x8864 ||
	       ethertype == 0x8903;
}

/* Loads need no alignment on the processors that this is for. */
static __always_inline __u16 be16(const __u8 *bytes)
{
	return bpf_ntohs(*(const __be16 *)bytes);
}

static __always_inline __u32 be32(const __u8 *bytes)
{
	return bpf_ntohl(*(const __be32 *)bytes);
}

static __always_inline __u64 be64(const __u8 *bytes)
{
	return (__u64)be32(bytes) << 32 | be32(bytes + 4);
}

/* Sets what was read of the transport header; true where it can be one. The cursor is at its start. */
static __always_inline void read_transport(const struct cursor *at, struct parsed *parsed)
{
	__u32 left = at->end - at->offset;
	__u32 least = 0;
	__u8 *bytes;

	parsed->transport_offset = at->offset;
	parsed->payload_offset = at->offset;
	switch (parsed->protocol) {
	case PROTOCOL_TCP:
		least = 20;
		break;
	case PROTOCOL_UDP:
	case PROTOCOL_UDP_LITE:
		least = 8;
		break;
	case PROTOCOL_SCTP:
		least = 12;
		break;
	case PROTOCOL_ICMP:
		least = 8;
		break;
	case PROTOCOL_ICMPV6:
		least = 4;
		break;
	default:
		return;
	}
	if (left < least) {
		parsed->kind = PARSED_MALFORMED;
		return;
	}
	bytes = peek(at, 4);
	if (!bytes) {
		parsed->kind = PARSED_UNREAD;
		return;
	}
	if (parsed->protocol == PROTOCOL_ICMP || parsed->protocol == PROTOCOL_ICMPV6) {
		parsed->icmp_type = bytes[0];
		parsed->payload_offset += left < 8 ? left : 8;
		return;
	}
	parsed->source_port = be16(bytes);
	parsed->destination_port = be16(bytes + 2);
	if (parsed->protocol == PROTOCOL_TCP) {
		bytes = peek(at, 20);
		if (!bytes) {
			parsed->kind = PARSED_UNREAD;
			return;
		}
		__u32 header_len = (bytes[12] >> 4) * 4;
		if (header_len < 20 || header_len > left) {
			parsed->kind = PARSED_MALFORMED;
			return;
		}
		parsed->tcp_flags = bytes[13];
		parsed->payload_offset += header_len;
		return;
	}
	parsed->payload_offset += least;
	if (parsed->protocol == PROTOCOL_SCTP)
		return;
	bytes = peek(at, 8);
	if (!bytes) {
		parsed->kind = PARSED_UNREAD;
		return;
	}
	/* 0 is a jumbogram (RFC 2675, 4) or segmentation offload; with UDP-Lite, everything is covered. */
	__u32 len = be16(bytes + 4);
	if (len > left || (len > 0 && len < 8))
		parsed->kind = PARSED_MALFORMED;
}

/* Whether a piece of the packet is too far behind its start (RFC 791, 3.2). */
static __always_inline int is_too_long(__u32 offset, __u32 len)
{
	return offset + len > 65535;
}

static __always_inline void read_ipv4(struct cursor *at, struct parsed *parsed)
{
	__u32 frame_left = at->end - at->offset;
	__u8 *header = peek(at, 20);

	if (!header) {
		parsed->kind = frame_left < 20 ? PARSED_MALFORMED : PARSED_UNREAD;
		return;
	}
	__u32 header_len = (header[0] & 15) * 4;
	__u32 total_len = be16(header + 2);
	/* Segmentation offload: the sender's stack leaves the length to the card. */
	if (total_len == 0)
		total_len = frame_left;
	if (header[0] >> 4 != 4 || header_len < 20 || total_len < header_len || total_len > frame_left) {
		parsed->kind = PARSED_MALFORMED;
		return;
	}
	__u32 place = be16(header + 6);
	parsed->kind = PARSED_IPV4;
	parsed->protocol = header[9];
	parsed->source[1] = 0xffff00000000ull | be32(header + 12);
	parsed->destination[1] = 0xffff00000000ull | be32(header + 16);
	parsed->is_fragment = (place & 0x3fff) != 0;
	at->end = at->offset + total_len;
	at->offset += header_len;
	if (parsed->is_fragment) {
		if (is_too_long((place & 0x1fff) * 8, total_len))
			parsed->kind = PARSED_MALFORMED;
		parsed->transport_offset = at->offset;
		parsed->payload_offset = at->offset;
		return;
	}
	read_transport(at, parsed);
}

static __always_inline int is_extension(__u8 protocol)
{
	/* Hop-by-hop options, routing, fragment, destination options, mobility, HIP, Shim6. */
	return protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60 || protocol == 135 ||
	       protocol == 139 || protocol == 140;
}

/* Walks over the extension headers; true where what follows them is a transport header. */
static __always_inline int walk_extensions(struct cursor *at, struct parsed *parsed)
{
#pragma clang loop unroll(disable)
	for (int step = 0; step < MOST_EXTENSIONS; step++) {
		__u8 protocol = parsed->protocol;
		if (!is_extension(protocol))
			return 1;
		__u32 left = at->end - at->offset;
		__u8 *header = peek(at, 8);
		if (left < 8) {
			parsed->kind = PARSED_MALFORMED;
			return 0;
		}
		if (!header) {
			parsed->kind = PARSED_UNREAD;
			return 0;
		}
		/* These are messages of their own where nothing follows. */
		if (protocol >= 135 && header[0] == PROTOCOL_NONE)
			return 1;
		__u32 header_len = protocol == 44 ? 8 : ((__u32)header[1] + 1) * 8;
		if (header_len > left) {
			parsed->kind = PARSED_MALFORMED;
			return 0;
		}
		__u32 place = be16(header + 2);
		parsed->protocol = header[0];
		at->offset += header_len;
		if (protocol == 44 && (place & 0xfff9) != 0) {
			parsed->is_fragment = 1;
			parsed->transport_offset = at->offset;
			parsed->payload_offset = at->offset;
			if (is_too_long(place & 0xfff8, left - header_len))
				parsed->kind = PARSED_MALFORMED;
			return 0;
		}
	}
	parsed->kind = PARSED_MALFORMED;
	return 0;
}

static __always_inline void read_ipv6(struct cursor *at, struct parsed *parsed)
{
	__u32 frame_left = at->end - at->offset;
	__u8 *header = peek(at, 40);

	if (!header) {
		parsed->kind = frame_left < 40 ? PARSED_MALFORMED : PARSED_UNREAD;
		return;
	}
	__u32 payload_len = be16(header + 4);
	/* A jumbogram (RFC 2675) or segmentation offload; a header alone ends here. */
	if (payload_len == 0 && header[6] != PROTOCOL_NONE)
		payload_len = frame_left - 40;
	if (header[0] >> 4 != 6 || payload_len + 40 > frame_left) {
		parsed->kind = PARSED_MALFORMED;
		return;
	}
	parsed->kind = PARSED_IPV6;
	parsed->protocol = header[6];
	parsed->source[0] = be64(header + 8);
	parsed->source[1] = be64(header + 16);
	parsed->destination[0] = be64(header + 24);
	parsed->destination[1] = be64(header + 32);
	at->end = at->offset + 40 + payload_len;
	at->offset += 40;
	if (walk_extensions(at, parsed))
		read_transport(at, parsed);
}

/* Reads a frame of `len` bytes. Global and not inlined: the verifier follows its branches once, apart from what comes
 * after it. */
__attribute__((noinline)) int parse(struct xdp_md *context, __u32 len, struct parsed *parsed)
{
	if (!parsed)
		return 0;
	struct cursor at = {
		.data = (void *)(long)context->data,
		.data_end = (void *)(long)context->data_end,
		.offset = 0,
		.end = len,
	};
	__u8 *header = peek(&at, 14);

	if (!header) {
		parsed->kind = PARSED_MALFORMED;
		return 0;
	}
	__u16 ethertype = be16(header + 12);
	at.offset = 14;
#pragma clang loop unroll(disable)
	for (int tags = 0; tags < MOST_TAGS && is_tag(ethertype); tags++) {
		__u8 *tag = peek(&at, 4);
		if (!tag) {
			parsed->kind = len < at.offset + 4 ? PARSED_MALFORMED : PARSED_UNREAD;
			return 0;
		}
		__u16 id = be16(tag) & 0x0fff;
		if (tags == 0)
			parsed->outer_vlan = id;
		else if (tags == 1)
			parsed->inner_vlan = id;
		ethertype = be16(tag + 2);
		at.offset += 4;
	}
	parsed->ethertype = ethertype;
	parsed->network_offset = at.offset;
	if (ethertype == ETHERTYPE_IPV4)
		read_ipv4(&at, parsed);
	else if (ethertype == ETHERTYPE_IPV6)
		read_ipv6(&at, parsed);
	else if (is_tag(ethertype) || is_for_user_space(ethertype))
		parsed->kind = PARSED_UNREAD;
	else
		parsed->kind = PARSED_NOT_IP;
	return 0;
}

/* The key of a packet's flow; the end that sent it, 0 for the lower one. */
static __always_inline __u32 key_of(const struct parsed *parsed, __u32 flags, struct flow_key *key)
{
	const __u64 *from = parsed->source, *to = parsed->destination;
	int is_equal = from[0] == to[0] && from[1] == to[1];
	int is_upper = from[0] > to[0] || (from[0] == to[0] && from[1] > to[1]) ||
		       (is_equal && parsed->source_port > parsed->destination_port);

	key->lower[0] = is_upper ? to[0] : from[0];
	key->lower[1] = is_upper ? to[1] : from[1];
	key->upper[0] = is_upper ? from[0] : to[0];
	key->upper[1] = is_upper ? from[1] : to[1];
	key->lower_port = is_upper ? parsed->destination_port : parsed->source_port;
	key->upper_port = is_upper ? parsed->source_port : parsed->destination_port;
	key->protocol = parsed->protocol;
	key->kind = parsed->kind;
	key->outer_vlan = flags & SETTING_KEY_VLAN ? parsed->outer_vlan : 0;
	key->inner_vlan = flags & SETTING_KEY_VLAN ? parsed->inner_vlan : 0;
	key->zero[0] = key->zero[1] = key->zero[2] = 0;
	return is_upper;
}

/* A number for sampling, the same for both directions and for all fragments: of the addresses alone. */
static __always_inline __u32 hash_of(const struct parsed *parsed)
{
	__u64 mixed = (parsed->source[0] ^ parsed->destination[0]) * 0x9e3779b97f4a7c15ull;

	mixed ^= parsed->source[1] ^ parsed->destination[1];
	mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
	mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
	return (__u32)(mixed >> 32);
}

#endif
