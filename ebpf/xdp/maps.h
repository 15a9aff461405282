/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the XDP program and user space say to each other. `ebpf/maps` has the same in Rust; a test compares both. */
#ifndef WIREWARDEN_MAPS_H
#define WIREWARDEN_MAPS_H

#include <linux/types.h>

/* Both directions of a flow have one key: the lower (address, port) comes first. Addresses are 128-bit numbers in host
 * order, most significant half first; IPv4 is IPv4-mapped IPv6 (RFC 4291, 2.5.5.2). */
struct flow_key {
	__u64 lower[2];
	__u64 upper[2];
	__u16 lower_port;
	__u16 upper_port;
	__u8 protocol;
	__u8 kind; /* 4 or 6 */
	__u16 outer_vlan;
	__u16 inner_vlan;
	__u16 zero[3];
};

/* What becomes of the packets of a flow that user space needs no more of. */
enum shunt_action {
	SHUNT_DROP = 0,
	SHUNT_PASS = 1,    /* to the host */
	SHUNT_FORWARD = 2, /* out of the peer port */
};

/* A settled flow: its packets are counted here and go no further than `action` says. */
struct shunt {
	__u64 packets[2]; /* sent by the lower, by the upper end */
	__u64 bytes[2];
	__u64 last_ns; /* CLOCK_MONOTONIC_COARSE of the last packet */
	__u32 action;
	__u32 tcp_flags; /* control bits seen so far: of the lower end, and above SHUNT_UPPER_FLAGS of the upper end */
};

#define SHUNT_UPPER_FLAGS 8

/* What a list says of a prefix; the longest prefix that matches decides. */
enum list_action {
	LIST_DENY = 1,
	LIST_ALLOW = 2, /* an exception to a shorter denied prefix, or to a list that denies what is not on it */
};

struct lpm_v4 {
	__u32 prefix_len;
	__u8 address[4];
};

struct lpm_v6 {
	__u32 prefix_len;
	__u8 address[16];
};

/* An address of this host, in the form of `flow_key`. */
struct address {
	__u64 halves[2];
};

/* A service of this host that is never kept from it; port 0 stands for fragments, which have none. */
struct service {
	__u8 protocol;
	__u8 zero;
	__u16 port;
};

enum service_side {
	SERVICE_LOCAL = 1,  /* the port is this host's */
	SERVICE_REMOTE = 2, /* the port is the other end's: this host is the client */
};

/* Bits of `settings.flags`. */
enum setting {
	SETTING_PROTECT_NEIGHBOURS = 1 << 0,  /* ARP and neighbour discovery go to the host */
	SETTING_PROTECT_SERVICES = 1 << 1,    /* the services of the list go to the host */
	SETTING_PASS_OWN = 1 << 2,            /* everything addressed to the host goes to it */
	SETTING_LIST_SOURCES = 1 << 3,        /* there are lists of sources */
	SETTING_LIST_DESTINATIONS = 1 << 4,
	SETTING_DENY_OTHER_SOURCES = 1 << 5,  /* sources on no list are denied */
	SETTING_DENY_OTHER_DESTINATIONS = 1 << 6,
	SETTING_SHUNT = 1 << 7,               /* there may be shunted flows */
	SETTING_KEY_VLAN = 1 << 8,            /* VLAN ids are part of a flow's identity */
	SETTING_WATCHDOG = 1 << 9,            /* all packets go to the host when the heartbeat stops */
};

struct settings {
	__u32 flags;
	__u32 sample;           /* flows are taken whose hash is at most this; UINT32_MAX is all of them */
	__u64 rate_interval_ns; /* time that one packet of a source costs; 0 is no limit */
	__u64 rate_burst_ns;    /* how far ahead of its time a source may be */
	__u64 stall_ns;         /* age of the heartbeat from which on the owner is taken for dead */
};

/* What became of a packet, and why. The order is the order of the tests in the program. */
enum reason {
	REASON_PASS_OWNER_STALLED,
	REASON_PASS_NEIGHBOUR,
	REASON_PASS_SERVICE,
	REASON_PASS_OWN,
	REASON_DROP_DENIED_SOURCE,
	REASON_DROP_DENIED_DESTINATION,
	REASON_DROP_UNLISTED_SOURCE,
	REASON_DROP_UNLISTED_DESTINATION,
	REASON_DROP_RATE,
	REASON_SHUNT_DROP,
	REASON_SHUNT_PASS,
	REASON_SHUNT_FORWARD,
	REASON_DROP_SAMPLED_OUT,
	REASON_REDIRECT,           /* to the AF_XDP socket of its queue, key read */
	REASON_REDIRECT_NOT_IP,
	REASON_REDIRECT_FRAGMENT,
	REASON_REDIRECT_UNREAD,    /* headers that only user space reads: labels, LLC, too deep */
	REASON_REDIRECT_MALFORMED,
	REASON_PASS_NO_SOCKET,
	REASONS,
};

struct count {
	__u64 packets;
	__u64 bytes;
};

/* What the parser read, as the test program writes it down. */
enum parsed_kind {
	PARSED_NOT_IP = 0,
	PARSED_IPV4 = 4,
	PARSED_IPV6 = 6,
	PARSED_UNREAD = 0xfe,
	PARSED_MALFORMED = 0xff,
};

struct parsed {
	__u64 source[2];
	__u64 destination[2];
	__u32 network_offset;
	__u32 transport_offset;
	__u32 payload_offset;
	__u16 source_port;
	__u16 destination_port;
	__u16 ethertype;
	__u16 outer_vlan;
	__u16 inner_vlan;
	__u8 kind;
	__u8 protocol;
	__u8 is_fragment;
	__u8 tcp_flags;
	__u8 icmp_type;
	__u8 zero[5];
};

/* What `parse_probe` says of a packet. */
struct probe {
	struct parsed parsed;
	struct flow_key key;
	__u32 side;
	__u32 hash;
};

#endif
