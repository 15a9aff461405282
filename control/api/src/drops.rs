//! Why packets are dropped, in words, and what to do about it.

/// One cause of drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropCause {
    /// Its name in counters, behind `drop.`; `port.` causes are counted by the port's driver, `worker.` by the worker.
    pub name: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// The next command to type.
    pub next: &'static str,
    /// Why that one.
    pub because: &'static str,
}

/// The cause of a name.
#[must_use]
pub fn cause(name: &str) -> Option<&'static DropCause> {
    CAUSES.iter().find(|cause| cause.name == name)
}

/// Every cause.
pub static CAUSES: &[DropCause] = &[
    // ours: too small, too slow
    drop(
        "port.rx_missed",
        "the port had a packet and the worker had no free descriptor for it: the worker was too slow",
        "wirewarden stats",
        "shows which workers are busy all the time: add cores to boot.cores and queues, or rx_descriptors for short bursts",
    ),
    drop(
        "port.rx_no_buffer",
        "the port had a packet and no packet buffer was free",
        "wirewarden doctor",
        "checks hugepages; then raise boot.memory.mib",
    ),
    drop(
        "port.rx_errors",
        "the card received a damaged frame (CRC, length)",
        "ethtool -S INTERFACE",
        "tells which kind: usually a cable, a transceiver or a duplex mismatch",
    ),
    drop(
        "port.tx_errors",
        "the card could not send a packet",
        "wirewarden stats",
        "shows the port: raise its tx_descriptors, or look at its link",
    ),
    drop(
        "worker.not_forwarded",
        "an inline packet was to be sent on and the other port took no more",
        "wirewarden stats",
        "shows the port that is full: raise its tx_descriptors, or look at its link",
    ),
    drop(
        "flow_table_full",
        "the flow table was full and live.flow.eviction is refuse_new",
        "wirewarden flows --order oldest --limit 20",
        "shows what fills it: raise boot.flow_memory, shorten live.flow.timeouts, or set eviction = \"half_open_first\"",
    ),
    drop(
        "defrag_incomplete",
        "fragments whose datagram was not complete within live.defrag.timeout",
        "wirewarden stats",
        "look for rx_missed first: one lost fragment drops its datagram; else somebody sends half datagrams",
    ),
    drop(
        "defrag_limit",
        "fragments above live.defrag.memory or max_fragments",
        "wirewarden config show",
        "raise live.defrag.memory where fragments are usual; a flood of them is an attack",
    ),
    drop("defrag_invalid", "fragments that contradict their datagram (overlaps, two ends)", FLOWS, SENDER),
    // theirs: frames that cannot be read
    // the tunnel
    drop(
        "policy",
        "a rule of live.tunnel drops it, or none lets it pass",
        RULES,
        "first rule that holds decides, then live.tunnel.otherwise",
    ),
    drop(
        "seal_no_sa",
        "it is to be sealed, and there is no key that is up: dropped rather than sent in the clear",
        TUNNEL,
        "shows whether the peer answers and when its keys came",
    ),
    drop(
        "seal_limit",
        "its key has reached its hard limit of packets or time, and no other came",
        TUNNEL,
        "shows the age of the keys: the exchange with the peer fails",
    ),
    drop(
        "seal_no_peer",
        "it is to be sealed, and no peer has its addresses behind it",
        RULES,
        "add them to `prefixes` of a peer (and `ours`), or a rule that bypasses them",
    ),
    drop(
        "seal_malformed",
        "it is to be sealed, and is no sound IP packet (or has a VLAN tag, which only layer-2 tunnels carry)",
        FLOWS,
        SENDER,
    ),
    drop(
        "seal_not_selected",
        "its addresses are not between `ours` and `prefixes` of the peer that its rule names",
        RULES,
        "make the rule's filter and the peer's prefixes say the same",
    ),
    drop(
        "seal_too_big",
        "sealed it would be larger than the path takes; its sender was told where it can be",
        RULES,
        "raise `mtu` of the peer where the path takes more; docs/tunnel.md has the numbers",
    ),
    drop(
        "seal_no_room",
        "no room in its buffer for what is put around it, or no buffer for fragments",
        "wirewarden stats",
        "raise boot.memory.mib, or lower the MTU inside",
    ),
    drop(
        "no_neighbour",
        "nobody answers for the link-layer address of the next hop",
        RULES,
        "check next_hop, the peer's address, and that the other side is up; the first packets after a start are usual",
    ),
    drop(
        "clear_from_outside",
        "it came in the clear from outside although a rule has it sealed",
        TUNNEL,
        "the far end sends in the clear: look at its rules; else somebody injects",
    ),
    drop(
        "link_frame",
        "it has no IP, or is neighbour discovery, and no layer-2 tunnel carries it",
        RULES,
        "usual; live.tunnel.link_frames = \"pass\" lets them go from side to side in the clear",
    ),
    drop(
        "exception_full",
        "it is for the gateway's own address, and the exception port took no more: the key exchange, or ICMP above 100 a second",
        TUNNEL,
        "somebody floods the gateway's address: narrow `allow` of the peers",
    ),
    drop(
        "handover_full",
        "the worker that has its key took no more packets",
        "wirewarden stats",
        "shows which workers are busy all the time: add cores",
    ),
    drop(
        "open_fragment",
        "it is sealed and came in fragments",
        PATH,
        "a router fragments in spite of DF: lower `mtu` of the peer",
    ),
    drop(
        "open_malformed",
        "it is sealed, and its outer headers are wrong or it is too short",
        PATH,
        "damaged on the way, or made by hand",
    ),
    drop(
        "open_unknown_spi",
        "it is sealed with a key that is not known here (any more)",
        TUNNEL,
        "usual for seconds after a restart; else the far end has keys that this one does not",
    ),
    drop(
        "open_replayed",
        "it was opened before",
        PATH,
        "somebody repeats packets, or the network doubles them",
    ),
    drop(
        "open_too_old",
        "it is older than the newest 16,320 packets",
        PATH,
        "the network holds packets back for long, or somebody repeats old ones",
    ),
    drop("open_not_authentic", "its tag is wrong", PATH, "damaged on the way, or forged"),
    drop("open_bad_padding", "it is authentic, and its padding is wrong", TUNNEL, PEER),
    drop(
        "open_wrong_framing",
        "it is authentic, and holds a protocol that the peer's `framing` does not",
        TUNNEL,
        "give both ends the same `framing`",
    ),
    drop("open_malformed_inner", "it is authentic, and what it holds is no sound packet", TUNNEL, PEER),
    drop(
        "open_not_selected",
        "it is authentic, and its addresses are not between the peer's `prefixes` and `ours`",
        RULES,
        "give both ends the same prefixes, mirrored",
    ),
    drop(
        "open_congestion",
        "the network marked congestion on traffic that cannot say so (RFC 6040)",
        PATH,
        "usual under overload",
    ),
    drop("link_truncated", "the frame ends inside its link-layer header", FLOWS, SENDER),
    drop("tag_truncated", "a VLAN, MPLS or PPPoE header ends with the frame", FLOWS, SENDER),
    drop("too_many_tags", "more stacked tags or labels than are followed", FLOWS, SENDER),
    drop("ipv4_truncated", "the frame ends inside the IPv4 header", MTU, CUT),
    drop("ipv4_bad_header", "IPv4 with a header length below 20 bytes or another version", FLOWS, SENDER),
    drop("ipv4_bad_length", "the IPv4 total length is past the end of the frame", MTU, CUT),
    drop("ipv4_bad_checksum", "the IPv4 header checksum is wrong", CHECKSUM, OFFLOAD),
    drop("ipv6_truncated", "the frame ends inside the IPv6 header", MTU, CUT),
    drop("ipv6_bad_header", "IPv6 with another version", FLOWS, SENDER),
    drop("ipv6_bad_length", "the IPv6 payload length is past the end of the frame", MTU, CUT),
    drop("ipv6_bad_extension", "an IPv6 extension header is longer than its packet", FLOWS, SENDER),
    drop("ipv6_too_many_extensions", "more IPv6 extension headers than are followed", FLOWS, SENDER),
    drop("fragment_too_long", "a fragment reaches past 65,535 bytes", FLOWS, SENDER),
    drop("tcp_truncated", "the packet ends inside the TCP header", MTU, CUT),
    drop("tcp_bad_offset", "the TCP data offset is below 20 bytes or past the packet", FLOWS, SENDER),
    drop("tcp_bad_checksum", "the TCP checksum is wrong", CHECKSUM, OFFLOAD),
    drop("udp_truncated", "the packet ends inside the UDP header", MTU, CUT),
    drop("udp_bad_length", "the UDP length is below 8 or past the packet", FLOWS, SENDER),
    drop("udp_bad_checksum", "the UDP checksum is wrong", CHECKSUM, OFFLOAD),
    drop("sctp_truncated", "the packet ends inside the SCTP header", MTU, CUT),
    drop("sctp_bad_checksum", "the SCTP checksum is wrong", CHECKSUM, OFFLOAD),
    drop("icmp_truncated", "the packet ends inside the ICMP header", MTU, CUT),
    drop("icmp_bad_checksum", "the ICMP checksum is wrong", CHECKSUM, OFFLOAD),
    drop("arp_truncated", "the frame ends inside an ARP packet", FLOWS, SENDER),
    drop("tunnel_truncated", "a tunnel header ends with its packet", FLOWS, SENDER),
    drop(
        "unsupported",
        "no EtherType, protocol number or link type that is read here; counted, and no flow",
        "tcpdump -e -c 20 -i INTERFACE 'not ip and not ip6 and not arp'",
        "shows which: spanning tree and other link-layer control traffic is usual and harmless",
    ),
];

const FLOWS: &str = "wirewarden observe -f 'not tcp and not udp'";
const SENDER: &str =
    "the sender makes frames that break their own rules: find it on the port that counts them";
const RULES: &str = "wirewarden config show | grep -A60 live.tunnel";
const TUNNEL: &str = "wirewarden tunnel show";
const PATH: &str = "wirewarden stats";
const PEER: &str = "the far end is wrong: it had the key";
const MTU: &str = "wirewarden config show | grep mtu";
const CUT: &str =
    "frames are cut: compare boot.ports.mtu with the network's, and the snap length of a mirror port";
const CHECKSUM: &str = "wirewarden config show | grep checksums";
const OFFLOAD: &str = "captures on the sending host have unfinished checksums: set live.flow.checksums = \"ignore\", or turn its offload off";

const fn drop(
    name: &'static str,
    meaning: &'static str,
    next: &'static str,
    because: &'static str,
) -> DropCause {
    DropCause { name, meaning, next, because }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_is_there_once_and_says_what_to_type() {
        for (at, one) in CAUSES.iter().enumerate() {
            assert!(!CAUSES[at + 1..].iter().any(|other| other.name == one.name), "{}", one.name);
            assert!(!one.next.is_empty() && !one.meaning.is_empty() && !one.because.is_empty());
        }
        assert!(cause("no_such_cause").is_none());
    }
}
