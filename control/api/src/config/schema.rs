//! Every key of the configuration: what it is, its default and what it means.
//!
//! The reader accepts the keys of this table and no others, and `docs/configuration.md` prints it.

use crate::config::nearest::{distance, nearest};

/// One key of the configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Path from the top of the file, without indices of lists.
    pub path: &'static str,
    /// What may be written.
    pub kind: &'static str,
    /// What holds where the key is absent, as it would be written; a word in parentheses where nothing would.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// Every key, tables before what is in them.
pub static SCHEMA: &[Key] = &[
    key("version", "1", "(required)", "Version of this schema."),
    key("boot", "table", "(empty)", "What a start fixes: a change needs a restart."),
    key(
        "boot.backend",
        "`auto`, `dpdk`, `af_xdp`, `af_packet`, `replay`",
        "\"auto\"",
        "What moves the packets; `auto` follows from the kind of the ports' devices: PCI and virtual devices are DPDK's, an interface is opened by AF_XDP (native, else generic, else by AF_PACKET), a file is replayed. Where DPDK does not start, AF_XDP takes its interfaces, as far as the kernel has them.",
    ),
    key(
        "boot.cores",
        "list of core numbers, 0 to 1023",
        "[]",
        "One worker runs pinned on each of these; empty is one worker that is not pinned.",
    ),
    key(
        "boot.main_core",
        "0 to 1023",
        "(not pinned)",
        "Core of the threads that are not workers (exporters, statistics); none of `boot.cores`.",
    ),
    key(
        "boot.burst",
        "1 to 64",
        "64",
        "Packets that a worker takes from a queue at once: more of them share the cost of asking, fewer stay in the nearest cache.",
    ),
    key(
        "boot.flow_memory",
        "size, 1MiB to 1TiB",
        "\"256MiB\"",
        "Memory of the flow tables, shared out evenly to the workers and taken at the start.",
    ),
    key(
        "boot.flow_capacity",
        "1024 to 4294967295",
        "(from `flow_memory`)",
        "Flows that all workers together keep, instead of `flow_memory`.",
    ),
    key(
        "boot.stop_when_idle",
        "time, 1ms to 1d",
        "(never)",
        "Ends the run when no packet came for this long: for replays and tests.",
    ),
    key(
        "boot.failover",
        "`kernel`, `off`",
        "\"kernel\"",
        "What follows where DPDK loses a port: the run goes on by AF_XDP on the kernel's interfaces of the ports, or it ends.",
    ),
    key(
        "boot.exception_port",
        "name of an interface",
        "(none)",
        "Interface (TUN) that is made with the addresses `live.tunnel.local`, and by which the key exchange gets through a port that the kernel does not have (docs/tunnel.md).",
    ),
    key("boot.memory", "table", "(empty)", "Memory of the packet buffers."),
    key(
        "boot.memory.hugepages",
        "true or false",
        "true",
        "Takes the memory from hugepages; without them DPDK reaches about 0.7 of the speed and PCI devices need an IOMMU.",
    ),
    key(
        "boot.memory.hugepage_size",
        "`2MiB`, `1GiB`",
        "\"2MiB\"",
        "Size of a hugepage, of which `mib` is a multiple.",
    ),
    key("boot.memory.mib", "64 to 1048576", "512", "MiB of packet buffers, all ports together."),
    key(
        "boot.memory.in_memory",
        "true or false",
        "true",
        "Keeps DPDK from leaving files in hugetlbfs; secondary processes cannot attach.",
    ),
    key(
        "boot.xdp",
        "table",
        "(empty)",
        "The kernel's part: the XDP program and the sockets of ports that are kernel interfaces.",
    ),
    key(
        "boot.xdp.mode",
        "`auto`, `native`, `generic`",
        "\"auto\"",
        "Where the program runs: in the driver, or in the kernel's stack (slower, with every driver); `auto` takes the first that is possible.",
    ),
    key(
        "boot.xdp.copy",
        "`auto`, `copy`, `zero_copy`",
        "\"auto\"",
        "Whether packets are copied between the driver's memory and ours; `auto` only where the driver must.",
    ),
    key(
        "boot.xdp.frame_size",
        "`auto`, `2KiB`, `4KiB`",
        "\"auto\"",
        "Memory of each packet; longer ones come in several pieces (kernel 6.6). `auto` follows from the interface's MTU.",
    ),
    key(
        "boot.xdp.busy_poll",
        "true or false",
        "false",
        "Workers do the driver's work, not interrupts (kernel 5.11): less delay, and a core that is never idle.",
    ),
    key(
        "boot.xdp.watchdog",
        "time, 500ms to 1m",
        "\"2s\"",
        "Silence of the data plane after which all packets go to the host, for a process that hangs; one that ends is detached at once.",
    ),
    key(
        "boot.xdp.protect_neighbours",
        "`auto`, `always`, `never`",
        "\"auto\"",
        "ARP and neighbour discovery go to the host; `auto` where the interface has an address.",
    ),
    key(
        "boot.xdp.protect_tcp",
        "list of ports, at most 256",
        "[22]",
        "TCP services of the host that keep reaching it through this interface.",
    ),
    key(
        "boot.xdp.protect_udp",
        "list of ports, at most 256",
        "[]",
        "UDP services of the host that keep reaching it through this interface.",
    ),
    key(
        "boot.xdp.pass_own",
        "true or false",
        "false",
        "Everything that is addressed to the host goes to it: for an interface that carries the host's own traffic.",
    ),
    key(
        "boot.xdp.shunts",
        "1024 to 4194304",
        "65536",
        "Settled flows that the program of each port has room for; 128 bytes each while they are shunted.",
    ),
    key(
        "boot.xdp.prefixes",
        "1024 to 16777216",
        "1000000",
        "Prefixes that each list of each port has room for, IPv4 and IPv6 apart.",
    ),
    key(
        "boot.xdp.pin",
        "path",
        "(none)",
        "Folder in a BPF file system, as `/sys/fs/bpf/wirewarden`, where the program's maps have names while it runs, `INTERFACE/MAP`, for other programs to look at. The attachment never has one: it ends with the data plane.",
    ),
    key("boot.ports", "list of tables, at most 32", "(none)", "Where packets come from and go to."),
    key("boot.ports.name", "name", "(required)", "Name in records, metrics and `peer`."),
    key(
        "boot.ports.device",
        "device",
        "(required)",
        "PCI address (`0000:03:00.0`), virtual device of DPDK with arguments (`net_af_xdp0,iface=eth1`), kernel interface (`eth1`) or capture file (`./office.pcap`).",
    ),
    key(
        "boot.ports.queues",
        "1 to 256",
        "(one per worker)",
        "Receive and transmit queues; not more than workers.",
    ),
    key(
        "boot.ports.rx_descriptors",
        "power of two, 64 to 32768",
        "1024",
        "Descriptors of each receive queue.",
    ),
    key(
        "boot.ports.tx_descriptors",
        "power of two, 64 to 32768",
        "1024",
        "Descriptors of each transmit queue.",
    ),
    key("boot.ports.mtu", "68 to 9702", "1500", "Largest IP packet, bytes; with AF_PACKET at most 1,500."),
    key("boot.ports.promiscuous", "true or false", "true", "Receives frames that are addressed to others."),
    key(
        "boot.ports.mode",
        "`tap`, `inline`",
        "\"tap\"",
        "`tap` only listens; `inline` forwards to `peer` what is not dropped.",
    ),
    key(
        "boot.ports.peer",
        "name of another port",
        "(none)",
        "Other side of an `inline` port; it names this port in turn.",
    ),
    key(
        "boot.ports.failover",
        "name of an interface",
        "(that of the device)",
        "The kernel's interface that takes its place where DPDK loses it; needed where the device does not say one.",
    ),
    key("live", "table", "(empty)", "What a reload may change."),
    key("live.flow", "table", "(empty)", "What a flow is and how long it is kept."),
    key(
        "live.flow.eviction",
        "`half_open_first`, `refuse_new`",
        "\"half_open_first\"",
        "What a full table does: the oldest flow that was heard from one side only makes room, or the new flow is not tracked.",
    ),
    key("live.flow.key_vlan", "true or false", "true", "VLAN ids are part of a flow's identity."),
    key(
        "live.flow.key_tunnel",
        "true or false",
        "true",
        "Ids of VXLAN and GENEVE tunnels are part of a flow's identity.",
    ),
    key("live.flow.tunnel_depth", "0 to 8", "4", "Tunnels that are opened one inside the other."),
    key(
        "live.flow.checksums",
        "`ignore`, `enforce`",
        "\"ignore\"",
        "`enforce` drops packets with a wrong IPv4, TCP or UDP checksum; captures from the sending host have unfinished ones.",
    ),
    key("live.flow.timeouts", "table", "(empty)", "How long a silent flow is kept. Each time is 1s to 7d."),
    key("live.flow.timeouts.tcp_new", "time", "\"1m\"", "TCP before the handshake is complete."),
    key(
        "live.flow.timeouts.tcp_established",
        "time",
        "\"10m\"",
        "TCP after the handshake; not less than `tcp_new`.",
    ),
    key(
        "live.flow.timeouts.tcp_closed",
        "time",
        "\"10s\"",
        "TCP after both FINs or a RST; not more than `tcp_established`.",
    ),
    key("live.flow.timeouts.udp_new", "time", "\"30s\"", "UDP that was not answered."),
    key(
        "live.flow.timeouts.udp_established",
        "time",
        "\"5m\"",
        "UDP that was answered; not less than `udp_new`.",
    ),
    key("live.flow.timeouts.icmp", "time", "\"30s\"", "ICMP and ICMPv6."),
    key("live.flow.timeouts.other", "time", "\"1m\"", "Any other protocol."),
    key("live.stream", "table", "(empty)", "Putting TCP streams in order."),
    key(
        "live.stream.reassembly_memory",
        "size, 1MiB to 1TiB",
        "\"64MiB\"",
        "Memory for bytes that arrived out of order, all workers together.",
    ),
    key(
        "live.stream.per_direction",
        "size, 4KiB to 64MiB",
        "\"256KiB\"",
        "Bytes that one direction of one stream may hold of it.",
    ),
    key("live.stream.segments", "1 to 65535", "256", "Segments that one direction of one stream may hold."),
    key(
        "live.stream.overlap",
        "`first`, `last`",
        "\"first\"",
        "Which of two different bytes at one place of a stream counts.",
    ),
    key("live.stream.midstream", "true or false", "true", "Reads streams whose handshake was not seen."),
    key("live.defrag", "table", "(empty)", "Putting IP fragments together."),
    key(
        "live.defrag.memory",
        "size, 1MiB to 64GiB",
        "\"16MiB\"",
        "Memory for fragments, all workers together.",
    ),
    key(
        "live.defrag.timeout",
        "time, 1s to 5m",
        "\"30s\"",
        "How long the first fragment waits for the last.",
    ),
    key("live.defrag.max_fragments", "2 to 8192", "64", "Fragments that one packet may have."),
    key("live.classify", "table", "(empty)", "Naming what a flow carries."),
    key(
        "live.classify.signatures_dir",
        "path",
        "(built in)",
        "Directory of signatures beside those built in; a file of the same id replaces a built-in one.",
    ),
    key(
        "live.classify.max_payloads",
        "1 to 64",
        "4",
        "Packets with payload, both directions together, after which a flow without a name stays unknown.",
    ),
    key(
        "live.classify.guesses",
        "true or false",
        "true",
        "Names flows that nothing else told after their port or address, marked as guesses.",
    ),
    key(
        "live.shunt",
        "table",
        "(empty)",
        "Settled flows, whose packets are counted where they come in and no longer by a worker.",
    ),
    key(
        "live.shunt.ports",
        "`taps`, `all`, `off`",
        "\"taps\"",
        "On which ports: on those that listen, also on `inline` ones (whose driver must send what the kernel forwards), or on none.",
    ),
    key(
        "live.shunt.taps",
        "`drop`, `pass`",
        "\"drop\"",
        "What becomes of such packets on a port that listens: they end there, as those that a worker has read do, or they are the host's.",
    ),
    key(
        "live.shunt.after_packets",
        "8 to 1000000",
        "32",
        "Packets after nothing of it was of interest any more from which on a flow is shunted.",
    ),
    key(
        "live.shunt.per_second",
        "1 to 1000000",
        "10000",
        "Flows that begin to be shunted in a second, by each worker.",
    ),
    key("live.lists", "table", "(empty)", "Prefixes whose packets are dropped before a worker sees them."),
    key(
        "live.lists.other_sources",
        "`allow`, `deny`",
        "\"allow\"",
        "What becomes of packets from sources on no list.",
    ),
    key(
        "live.lists.other_destinations",
        "`allow`, `deny`",
        "\"allow\"",
        "What becomes of packets to destinations on no list.",
    ),
    key(
        "live.lists.list",
        "list of tables, at most 64",
        "(none)",
        "Prefixes that the same is done about; of several that match, the longest decides.",
    ),
    key(
        "live.lists.list.of",
        "`source`, `destination`",
        "\"source\"",
        "Which address of a packet they are of.",
    ),
    key("live.lists.list.action", "`deny`, `allow`", "\"deny\"", "What becomes of its packets."),
    key(
        "live.lists.list.prefixes",
        "list of prefixes, at most 10000",
        "[]",
        "Addresses, or prefixes as in `192.0.2.0/24`.",
    ),
    key(
        "live.lists.list.file",
        "path",
        "(none)",
        "A file of more, one a line; what follows a `#` is not read.",
    ),
    key("live.log", "table", "(empty)", "What the programs tell of themselves."),
    key(
        "live.log.level",
        "`error`, `warn`, `info`, `debug`, `trace`",
        "\"info\"",
        "The least that the data plane and the daemon log; the daemon's `--log-level` counts before it.",
    ),
    key(
        "live.tunnel",
        "table",
        "(empty)",
        "Traffic that is sealed between two inline ports; without `outside` none is.",
    ),
    key(
        "live.tunnel.outside",
        "name of a port",
        "(none)",
        "The inline port by which sealed packets go; its peer is inside.",
    ),
    key(
        "live.tunnel.local",
        "list of addresses, one of each IP",
        "[]",
        "Our addresses outside: sealed packets come from and to them.",
    ),
    key(
        "live.tunnel.mac",
        "link-layer address",
        "(made of the first of `local`)",
        "Our link-layer address, on both sides.",
    ),
    key(
        "live.tunnel.next_hop",
        "list of addresses, one of each IP",
        "[]",
        "Routers outside by which peers are reached; where there is none of an IP, its peers are on the link.",
    ),
    key(
        "live.tunnel.next_hop_mac",
        "link-layer address",
        "(asked for)",
        "Link-layer address of whatever sealed packets go to next.",
    ),
    key(
        "live.tunnel.inside",
        "list of prefixes, at most 8",
        "[]",
        "Our addresses inside, each with the length of its link's prefix: we answer for them, so hosts can take them as their router.",
    ),
    key(
        "live.tunnel.inside_next_hop",
        "list of addresses, one of each IP",
        "[]",
        "Routers inside by which what is on none of these links is reached.",
    ),
    key(
        "live.tunnel.link_frames",
        "`drop`, `pass`",
        "\"drop\"",
        "What becomes of frames without IP, and of neighbour discovery, that no layer-2 tunnel carries: they end here, or go to the other side in the clear.",
    ),
    key("live.tunnel.udp_port", "1 to 65535", "4500", "UDP port of encapsulated ESP (RFC 3948)."),
    key(
        "live.tunnel.unclassified",
        "`encrypt`, `drop`, `bypass`",
        "\"encrypt\"",
        "What becomes of a flow while it is not known yet what the rules ask, and of fragments.",
    ),
    key(
        "live.tunnel.otherwise",
        "`encrypt`, `drop`, `bypass`",
        "\"drop\"",
        "What becomes of a flow that no rule speaks of.",
    ),
    key(
        "live.tunnel.rules",
        "list of tables, at most 1024",
        "(none)",
        "What becomes of which flows; the first rule that holds decides.",
    ),
    key(
        "live.tunnel.rules.filter",
        "filter",
        "(required)",
        "The flows, as filters choose them: by addresses, classification and crypto class, not by what is only known at the end.",
    ),
    key(
        "live.tunnel.rules.verdict",
        "`encrypt`, `drop`, `bypass`",
        "(required)",
        "They are sealed, end here, or go on in the clear.",
    ),
    key(
        "live.tunnel.rules.peer",
        "name of a peer",
        "(by address)",
        "The peer that they are sealed to; by default the one whose `prefixes` have the longest match.",
    ),
    key(
        "live.tunnel.rules.else",
        "`drop`, `pass`",
        "\"drop\"",
        "What becomes of them while there is no key: they end here (fail closed), or go on in the clear (fail open).",
    ),
    key("live.tunnel.peers", "list of tables, at most 256", "(none)", "Far ends of tunnels."),
    key(
        "live.tunnel.peers.name",
        "name",
        "(required)",
        "Name; that of its certificate where it is not pinned.",
    ),
    key("live.tunnel.peers.address", "address", "(that it sends from)", "Its address outside."),
    key("live.tunnel.peers.endpoint", "address and port", "(it calls)", "Where it is called for keys."),
    key(
        "live.tunnel.peers.prefixes",
        "list of prefixes, at most 16",
        "(required)",
        "What is behind it; a layer-2 peer needs none.",
    ),
    key(
        "live.tunnel.peers.ours",
        "list of prefixes, at most 16",
        "[]",
        "What of ours is reachable through it; empty is everything. Pairs of `ours` and `prefixes` of one IP are at most 16.",
    ),
    key(
        "live.tunnel.peers.framing",
        "`ip`, `etherip`, `gre`",
        "\"ip\"",
        "What is sealed: IP packets, or Ethernet frames in EtherIP or GRE.",
    ),
    key(
        "live.tunnel.peers.mtu",
        "640 to 9702",
        "1500",
        "Bytes of the largest outer packet that passes on the way to it.",
    ),
    key(
        "live.tunnel.peers.roaming",
        "`fixed`, `follow`",
        "\"fixed\"",
        "Whether its address follows its newest authentic packet.",
    ),
    key(
        "live.tunnel.peers.udp_encapsulation",
        "true or false",
        "false",
        "ESP goes in UDP, so that translators let it pass.",
    ),
    key(
        "live.tunnel.peers.keys",
        "list of SHA-384 hashes, at most 4",
        "[]",
        "Its public keys, pinned; without them its certificate is of `exchange.ca`.",
    ),
    key(
        "live.tunnel.peers.classical_keys",
        "list of SHA-384 hashes, at most 4",
        "[]",
        "Its classical public keys, pinned, for `auth = \"mldsa+classical\"`.",
    ),
    key(
        "live.tunnel.peers.allow",
        "list of prefixes, at most 16",
        "[]",
        "Addresses from which it may call for keys; empty is its `address` and `endpoint`.",
    ),
    key("live.tunnel.exchange", "table", "(empty)", "How keys are agreed on."),
    key(
        "live.tunnel.exchange.listen",
        "address and port",
        "(nowhere)",
        "Where the daemon listens for peers that call, TCP.",
    ),
    key(
        "live.tunnel.exchange.identity",
        "path",
        "(none)",
        "Our private keys, each followed by its certificate (`pki issue` writes it); needed for keys.",
    ),
    key(
        "live.tunnel.exchange.ca",
        "path",
        "(none)",
        "Certificates of the authorities that peers' certificates are of.",
    ),
    key(
        "live.tunnel.exchange.crl",
        "path",
        "(none)",
        "Their revocation lists: where they are given, one that has expired refuses everybody.",
    ),
    key("live.tunnel.exchange.backend", "`liboqs`, `aws-lc`", "\"liboqs\"", "The library that computes."),
    key(
        "live.tunnel.exchange.preset",
        "`enterprise`, `healthcare`, `industrial`, `automotive`, `aviation`, `telecom`",
        "\"enterprise\"",
        "Profile, intervals and deadlines of a kind of network.",
    ),
    key(
        "live.tunnel.exchange.profile",
        "`cnsa2`, `balanced`, `constrained`",
        "(that of the preset)",
        "Group and signature.",
    ),
    key(
        "live.tunnel.exchange.auth",
        "`mldsa`, `mldsa+classical`",
        "\"mldsa\"",
        "How peers prove who they are.",
    ),
    key(
        "live.tunnel.exchange.rekey_every",
        "time, 5s to 1d",
        "(that of the preset)",
        "How often there are new keys.",
    ),
    key(
        "live.tunnel.exchange.full_handshake_every",
        "time, 5s to 1d",
        "(that of the preset)",
        "How often there is a full handshake.",
    ),
    key(
        "live.tunnel.exchange.rekey_packets",
        "1000 to 268435456",
        "268435456",
        "Packets on one SA after which there are new keys; after four times as many nothing is sent on it.",
    ),
    key(
        "live.tunnel.exchange.expire_after",
        "time, 10s to 7d",
        "(that of the preset)",
        "How old keys may be that are sent with; twice `rekey_every` at least.",
    ),
    key(
        "live.tunnel.exchange.accepts",
        "1 to 100000",
        "200",
        "Connections for keys in a second, from all addresses.",
    ),
    key("live.tunnel.exchange.accepts_each", "1 to 100000", "10", "The same from one address."),
    key("live.tunnel.exchange.half_open", "1 to 4096", "64", "Handshakes under way at once."),
    key("live.output", "table", "(empty)", "What is told to the world."),
    key(
        "live.output.stats_interval",
        "time, 100ms to 1d",
        "\"10s\"",
        "How often counters are written as `stats` records.",
    ),
    key("live.output.eve", "list of tables, at most 16", "(none)", "Files of EVE JSON, one record per line."),
    key("live.output.eve.path", "path", "(required)", "The file; `-` is standard output."),
    key(
        "live.output.eve.types",
        "list of names, at most 64",
        "[]",
        "Values of `event_type` that are written; empty is all.",
    ),
    key("live.output.eve.community_id_seed", "0 to 65535", "0", "Seed of the Community ID flow hash."),
    key(
        "live.output.eve.rotate_size",
        "size, 64KiB to 1TiB",
        "(never)",
        "Size from which on the file is ended and the next begun.",
    ),
    key(
        "live.output.eve.rotate_every",
        "time, 1s to 7d",
        "(never)",
        "Ends the file at multiples of this time of day (UTC), where anything is in it.",
    ),
    key(
        "live.output.eve.keep_files",
        "1 to 100000",
        "(all)",
        "Files that ended which are kept; the oldest are removed.",
    ),
    key(
        "live.output.eve.keep_size",
        "size, 64KiB to 1TiB",
        "(any)",
        "Size of those files together; the oldest are removed.",
    ),
    key(
        "live.output.eve.compress",
        "`none`, `zstd`",
        "\"none\"",
        "How files that ended are kept; a thread of low priority compresses them.",
    ),
    key(
        "live.output.eve.when_full",
        "`remove_oldest`, `lose_new`",
        "\"remove_oldest\"",
        "What makes room on a full disk: the oldest of the files that ended are removed, or new lines are lost.",
    ),
];

const fn key(path: &'static str, kind: &'static str, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default, meaning }
}

/// The keys that are valid directly in the table `path` (empty for the top of the file).
pub(super) fn keys_of(path: &str) -> Vec<&'static str> {
    SCHEMA.iter().filter(|key| split(key.path).0 == path).map(|key| split(key.path).1).collect()
}

/// Full path of the key that was probably meant by `name` in the table `path`: one of the same table by a slip, or
/// one of another table by the same name.
pub(super) fn nearest_key(path: &str, name: &str) -> Option<String> {
    if let Some(sibling) = nearest(name, keys_of(path)) {
        return Some(if path.is_empty() { sibling.to_owned() } else { format!("{path}.{sibling}") });
    }
    let elsewhere = SCHEMA.iter().map(|key| (distance(name, split(key.path).1), key.path));
    elsewhere
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 1)
        .map(|(_, path)| path.to_owned())
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}
