//! Wrong configurations: each mistake is reported at its line, under its key, with what mends it.

#![expect(clippy::panic, reason = "a test that cannot go on panics")]

use api::{Config, ConfigErrors};

/// A configuration, and of its one mistake: line, key, a part of the reason, a part of the mend.
struct Case {
    toml: &'static str,
    line: u32,
    key: &'static str,
    reason: &'static str,
    mend: &'static str,
}

const fn case(
    toml: &'static str,
    line: u32,
    key: &'static str,
    reason: &'static str,
    mend: &'static str,
) -> Case {
    Case { toml, line, key, reason, mend }
}

#[test]
fn each_mistake_is_reported_at_its_line_with_its_key_and_mend() {
    let cases = [DOCUMENT, VALUES, UNITS, CORES_AND_MEMORY, PORTS, PEERS, LIVE].concat_all();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for case in cases {
        let errors = mistakes(case.toml);
        let [error] = errors.iter().as_slice() else {
            panic!("not one mistake but these:\n{errors}\nin{}", case.toml)
        };
        let said = format!("{error}\nof{}", case.toml);
        assert_eq!((error.line, error.key.as_str()), (case.line, case.key), "{said}");
        assert!(error.problem.to_string().contains(case.reason), "reason not `{}`: {said}", case.reason);
        assert!(error.mend().contains(case.mend), "mend not `{}`: {said}", case.mend);
    }
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once_in_the_order_of_lines() {
    let errors = mistakes(
        "version = 1\n[boot]\nbackend = \"dpkd\"\ncores = [1, 1, 5000]\n[boot.memory]\nmib = \"512\"\n\
         [[boot.ports]]\nname = \"lan\"\ndevice = \"0000:03:00.9\"\nqueue = 1\n[live.flow.timeouts]\n\
         tcp_new = \"1h\"\n[[live.output.eve]]\n",
    );
    let places: Vec<(u32, &str)> = errors.iter().map(|error| (error.line, error.key.as_str())).collect();
    assert_eq!(
        places,
        [
            (3, "boot.backend"),
            (4, "boot.cores[1]"),
            (4, "boot.cores[2]"),
            (6, "boot.memory.mib"),
            (9, "boot.ports[0].device"),
            (10, "boot.ports[0].queue"),
            (12, "live.flow.timeouts.tcp_new"),
            (13, "live.output.eve[0].path"),
        ]
    );
}

#[test]
fn a_broken_line_does_not_hide_the_mistakes_of_others() {
    let errors =
        mistakes("version = 1\n[boot]\ncores = [1,, 2]\nbackend = \"dpdk\n[live.defrag]\ntimeot = \"3s\"\n");
    let lines: Vec<u32> = errors.iter().map(|error| error.line).collect();
    assert!(lines.contains(&3) && lines.contains(&4) && lines.contains(&6), "{errors}");
}

#[test]
fn a_mistake_names_file_line_column_and_the_nearest_key() {
    let errors = mistakes("version = 1\nboot = { memory = { mbi = 64 } }\n");
    assert_eq!(
        errors.to_string(),
        "bad.toml:2:21: boot.memory.mbi: no such key; did you mean `boot.memory.mib`?"
    );
    assert_eq!(errors.iter().next().and_then(|error| error.nearest()), Some("boot.memory.mib"));
}

#[test]
fn a_hostile_file_costs_bounded_work_and_says_a_bounded_amount() {
    let mut many = String::from("version = 1\n");
    for n in 0..60_000 {
        many.push_str(&format!("unknown{n} = 1\n"));
    }
    assert_eq!(mistakes(&many).count(), 1000);
    let nested = format!("version = 1\nx = {}", "[".repeat(100_000));
    assert!(mistakes(&nested).count() <= 1000);
    let long = "#".repeat(2 << 20);
    assert_eq!(mistakes(&long).count(), 1);
}

fn mistakes(toml: &str) -> ConfigErrors {
    match Config::from_toml(toml, "bad.toml") {
        Err(errors) => errors,
        Ok(config) => panic!("read without a mistake: {config:?}\nfrom{toml}"),
    }
}

trait ConcatAll {
    fn concat_all(self) -> Vec<&'static Case>;
}

impl<const N: usize> ConcatAll for [&'static [Case]; N] {
    fn concat_all(self) -> Vec<&'static Case> {
        self.into_iter().flatten().collect()
    }
}

static DOCUMENT: &[Case] = &[
    case("[boot]\n", 1, "version", "missing", "version = 1"),
    case("version = 2\n[boot]\nnew_key = 1\n", 1, "version", "version 2", "version = 1"),
    case("version = \"1\"\n", 1, "version", "text where a whole number belongs", "`0`"),
    case("version = 1\nversion = 1\n", 2, "", "duplicate key", "syntax"),
    case("version = 1\n[boot\n", 2, "", "not TOML", "syntax"),
    case("version = 1\n[bot]\n", 2, "bot", "no such key", "`boot`"),
    case("version = 1\n[live.flows]\n", 2, "live.flows", "no such key", "`live.flow`"),
    case("version = 1\nboot = 5\n", 2, "boot", "a whole number where a table belongs", "[boot]"),
    case("version = 1\n[weather]\nx = 1\n", 2, "weather", "no such key", "valid here: version, boot, live"),
    case("version = 1\n[live.flow.timeout]\nicmp = \"3s\"\n", 2, "live.flow.timeout", "no such", "timeouts"),
];

static VALUES: &[Case] = &[
    case("version = 1\n[boot]\nbackand = \"dpdk\"\n", 3, "boot.backand", "no such key", "`boot.backend`"),
    case("version = 1\n[boot]\nBackend = \"dpdk\"\n", 3, "boot.Backend", "no such key", "`boot.backend`"),
    case("version = 1\n[boot]\nmib = 64\n", 3, "boot.mib", "no such key", "`boot.memory.mib`"),
    case("version = 1\n[boot]\nzebra = 1\n", 3, "boot.zebra", "no such key", "valid here: backend, cores"),
    case("version = 1\n[boot]\nbackend = \"dpkd\"\n", 3, "boot.backend", "none of its values", "\"dpdk\""),
    case(
        "version = 1\n[boot]\nbackend = \"pcap\"\n",
        3,
        "boot.backend",
        "none of",
        "\"af_xdp\", \"af_packet\"",
    ),
    case("version = 1\n[boot]\nbackend = true\n", 3, "boot.backend", "true or false where text", "\"auto\""),
    case("version = 1\n[boot]\nbackend = \"\"\n", 3, "boot.backend", "empty", "between the quotes"),
    case("version = 1\n[boot]\ncores = 4\n", 3, "boot.cores", "where a list belongs", "[1, 2]"),
    case("version = 1\n[boot]\ncores = [1, \"2\"]\n", 3, "boot.cores[1]", "text where", "`0`"),
    case("version = 1\n[boot]\ncores = [1, 1024]\n", 3, "boot.cores[1]", "1024 is out", "0 to 1023"),
    case("version = 1\n[boot]\ncores = [-1]\n", 3, "boot.cores[0]", "-1 is out", "0 to 1023"),
    case("version = 1\n[boot]\ncores = [1.5]\n", 3, "boot.cores[0]", "with a fraction", "`0`"),
    case("version = 1\n[boot]\nmain_core = 1979-05-27\n", 3, "boot.main_core", "a date or time", "`0`"),
    case(
        "version = 1\n[boot]\nflow_capacity = 10\n",
        3,
        "boot.flow_capacity",
        "10 is out",
        "1024 to 4294967295",
    ),
    case(
        "version = 1\n[boot.memory]\nhugepages = 1\n",
        3,
        "boot.memory.hugepages",
        "true or false",
        "`true`",
    ),
    case("version = 1\n[boot.memory]\nhugepages = \"no\"\n", 3, "boot.memory.hugepages", "text", "`true`"),
    case(
        "version = 1\n[boot.memory]\nhugepage_size = \"4KiB\"\n",
        3,
        "boot.memory.hugepage_size",
        "`4KiB` is none",
        "\"2MiB\"",
    ),
    case(
        "version = 1\n[boot.memory]\nmib = 99999999999999999999\n",
        3,
        "boot.memory.mib",
        "out of",
        "64 to 1048576",
    ),
];

static UNITS: &[Case] = &[
    case("version = 1\n[boot]\nflow_memory = \"256\"\n", 3, "boot.flow_memory", "no unit", "\"256MiB\""),
    case(
        "version = 1\n[boot]\nflow_memory = 268435456\n",
        3,
        "boot.flow_memory",
        "a whole number",
        "\"256MiB\"",
    ),
    case("version = 1\n[boot]\nflow_memory = \"256Mb\"\n", 3, "boot.flow_memory", "unknown unit", "MB, MiB"),
    case("version = 1\n[boot]\nflow_memory = \"lots\"\n", 3, "boot.flow_memory", "no whole number", "MiB"),
    case(
        "version = 1\n[boot]\nflow_memory = \"1KiB\"\n",
        3,
        "boot.flow_memory",
        "1KiB is out",
        "\"1MiB\" to \"1TiB\"",
    ),
    case(
        "version = 1\n[boot]\nstop_when_idle = 500\n",
        3,
        "boot.stop_when_idle",
        "a whole number",
        "\"30s\"",
    ),
    case(
        "version = 1\n[boot]\nstop_when_idle = \"0s\"\n",
        3,
        "boot.stop_when_idle",
        "0ms is out",
        "\"1ms\" to",
    ),
    case(
        "version = 1\n[live.flow.timeouts]\nicmp = \"30 sec\"\n",
        3,
        "live.flow.timeouts.icmp",
        "unknown unit",
        "ms, s, m",
    ),
    case(
        "version = 1\n[live.flow.timeouts]\nicmp = \"30\"\n",
        3,
        "live.flow.timeouts.icmp",
        "no unit",
        "\"30s\"",
    ),
    case(
        "version = 1\n[live.flow.timeouts]\nother = \"90d\"\n",
        3,
        "live.flow.timeouts.other",
        "90d is out",
        "\"7d\"",
    ),
    case(
        "version = 1\n[live.defrag]\ntimeout = \"1h\"\n",
        3,
        "live.defrag.timeout",
        "1h is out",
        "\"1s\" to \"5m\"",
    ),
];

static CORES_AND_MEMORY: &[Case] = &[
    case("version = 1\n[boot]\ncores = [1, 2, 1]\n", 3, "boot.cores[2]", "core 1 already", "once"),
    case("version = 1\n[boot]\ncores = [1, 2]\nmain_core = 2\n", 4, "boot.main_core", "core 2", "another"),
    case(
        "version = 1\n[boot]\nflow_memory = \"1GiB\"\nflow_capacity = 5000\n",
        4,
        "boot.flow_capacity",
        "already (line 3)",
        "keep either",
    ),
    case("version = 1\n[boot.memory]\nmib = 513\n", 3, "boot.memory.mib", "not a multiple", "mib = 514"),
    case(
        "version = 1\n[boot.memory]\nmib = 1500\nhugepage_size = \"1GiB\"\n",
        3,
        "boot.memory.mib",
        "hugepage size 1024 MiB",
        "mib = 2048",
    ),
    case(
        "version = 1\n[boot.memory]\nmib = 64\n[[boot.ports]]\nname = \"a\"\ndevice = \"03:00.0\"\n\
         rx_descriptors = 32768\n",
        3,
        "boot.memory.mib",
        "do not hold the packet buffers",
        "boot.memory.mib = 78",
    ),
];

static PORTS: &[Case] = &[
    case("version = 1\n[[boot.ports]]\ndevice = \"eth1\"\n", 2, "boot.ports[0].name", "missing", "name = "),
    case("version = 1\n[[boot.ports]]\nname = \"a\"\n", 2, "boot.ports[0].device", "missing", "device = "),
    case(
        "version = 1\n[boot.ports]\nname = \"a\"\n",
        2,
        "boot.ports",
        "a table where a list",
        "[[boot.ports]]",
    ),
    case("version = 1\n[boot]\nports = [1]\n", 3, "boot.ports[0]", "where a table", "[[boot.ports]]"),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a b\"\ndevice = \"eth1\"\n",
        3,
        "boot.ports[0].name",
        "not a name",
        "letters, digits",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth2\"\n",
        6,
        "boot.ports[1].name",
        "line 3",
        "its own name",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"3:0.0\"\n[[boot.ports]]\nname = \"b\"\n\
         device = \"0000:03:00.0\"\n",
        7,
        "boot.ports[1].device",
        "line 4 already owns",
        "its own device",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"0000:03:00.9\"\n",
        4,
        "boot.ports[0].device",
        "names no device",
        "0000:03:00.0",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"a-very-long-interface\"\n",
        4,
        "boot.ports[0].device",
        "at most 15",
        "eth1",
    ),
    case(
        "version = 1\n[boot]\ncores = [1, 2]\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nqueues = 3\n",
        7,
        "boot.ports[0].queues",
        "3 queues are more than the 2 worker(s)",
        "queues = 2",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nrx_descriptors = 1000\n",
        5,
        "boot.ports[0].rx_descriptors",
        "not a power of two",
        "write 1024",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmtu = 20\n",
        5,
        "boot.ports[0].mtu",
        "20 is out",
        "68 to 9702",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nrx_desc = 64\n",
        5,
        "boot.ports[0].rx_desc",
        "no such key",
        "valid here: name, device",
    ),
    case(
        "version = 1\n[boot]\nbackend = \"dpdk\"\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n",
        6,
        "boot.ports[0].device",
        "a kernel interface, which the backend dpdk cannot",
        "PCI address",
    ),
    case(
        "version = 1\n[boot]\nbackend = \"af_packet\"\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmtu = 9000\n",
        7,
        "boot.ports[0].mtu",
        "1500 bytes at most",
        "write `mtu = 1500`",
    ),
    case(
        "version = 1\n[boot]\nbackend = \"replay\"\n[[boot.ports]]\nname = \"a\"\ndevice = \"net_ring0\"\n",
        6,
        "boot.ports[0].device",
        "a virtual device of DPDK",
        "office.pcap",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n[[boot.ports]]\nname = \"b\"\ndevice = \"./b\"\n",
        7,
        "boot.ports[1].device",
        "one backend cannot open both",
        "one kind",
    ),
];

static PEERS: &[Case] = &[
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\n",
        5,
        "boot.ports[0].mode",
        "has a peer",
        "peer = ",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\npeer = \"b\"\n",
        5,
        "boot.ports[0].peer",
        "forwards nothing",
        "mode = \"inline\"",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"a\"\n",
        6,
        "boot.ports[0].peer",
        "its own peer",
        "the other",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"outside\"\n\
         [[boot.ports]]\nname = \"wan\"\ndevice = \"eth2\"\n",
        6,
        "boot.ports[0].peer",
        "no port is called `outside`",
        "`name` of the other",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"wam\"\n\
         [[boot.ports]]\nname = \"wan\"\ndevice = \"eth2\"\n",
        6,
        "boot.ports[0].peer",
        "no port",
        "did you mean \"wan\"?",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"wan\"\n\
         [[boot.ports]]\nname = \"wan\"\ndevice = \"eth2\"\n",
        6,
        "boot.ports[0].peer",
        "`wan` does not name this port",
        "peer = \"a\"",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"./a.pcap\"\nmode = \"inline\"\npeer = \"b\"\n",
        5,
        "boot.ports[0].mode",
        "no other side",
        "tap",
    ),
    case(
        "version = 1\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"bridge\"\n",
        5,
        "boot.ports[0].mode",
        "none of",
        "\"tap\", \"inline\"",
    ),
];

static LIVE: &[Case] = &[
    case(
        "version = 1\n[live.flow.timeouts]\ntcp_new = \"11m\"\n",
        3,
        "live.flow.timeouts.tcp_new",
        "longer than tcp_established (10m)",
        "tcp_new = \"10m\"",
    ),
    case(
        "version = 1\n[live.flow.timeouts]\ntcp_established = \"5s\"\ntcp_new = \"2s\"\n",
        3,
        "live.flow.timeouts.tcp_established",
        "tcp_closed (10s) is longer",
        "tcp_closed = \"5s\"",
    ),
    case(
        "version = 1\n[live.flow.timeouts]\nudp_new = \"10m\"\nudp_established = \"6m\"\n",
        3,
        "live.flow.timeouts.udp_new",
        "longer than udp_established (6m)",
        "udp_new = \"6m\"",
    ),
    case(
        "version = 1\n[live.flow]\neviction = \"random\"\n",
        3,
        "live.flow.eviction",
        "none of",
        "\"refuse_new\"",
    ),
    case("version = 1\n[live.flow]\ntunnel_depth = 9\n", 3, "live.flow.tunnel_depth", "9 is out", "0 to 8"),
    case(
        "version = 1\n[live.flow]\nchecksum = \"ignore\"\n",
        3,
        "live.flow.checksum",
        "no such",
        "checksums",
    ),
    case("version = 1\n[live.flow]\nkey_vlan = \"yes\"\n", 3, "live.flow.key_vlan", "text where", "`true`"),
    case("version = 1\n[live.stream]\noverlap = \"frist\"\n", 3, "live.stream.overlap", "none", "\"first\""),
    case("version = 1\n[live.stream]\nsegments = 0\n", 3, "live.stream.segments", "0 is out", "1 to 65535"),
    case(
        "version = 1\n[live.stream]\nreassembly_memory = \"1MiB\"\nper_direction = \"2MiB\"\n",
        4,
        "live.stream.per_direction",
        "larger than reassembly_memory",
        "per_direction = \"1MiB\"",
    ),
    case(
        "version = 1\n[live.defrag]\nmax_fragments = 1\n",
        3,
        "live.defrag.max_fragments",
        "1 is",
        "2 to 8192",
    ),
    case(
        "version = 1\n[live.classify]\nmax_payload = 8\n",
        3,
        "live.classify.max_payload",
        "no",
        "max_payloads",
    ),
    case(
        "version = 1\n[live.classify]\nsignatures_dir = 1\n",
        3,
        "live.classify.signatures_dir",
        "a whole",
        "./",
    ),
    case(
        "version = 1\n[[live.output.eve]]\n",
        2,
        "live.output.eve[0].path",
        "missing",
        "path = \"eve.json\"",
    ),
    case(
        "version = 1\n[live.output.eve]\npath = \"a\"\n",
        2,
        "live.output.eve",
        "a list",
        "[[live.output.eve]]",
    ),
    case(
        "version = 1\n[[live.output.eve]]\npath = \"e\"\n[[live.output.eve]]\npath = \"e\"\n",
        5,
        "live.output.eve[1].path",
        "line 3 already writes",
        "another file",
    ),
    case(
        "version = 1\n[[live.output.eve]]\npath = \"e\"\ntypes = [\"flow\", \"flow\"]\n",
        4,
        "live.output.eve[0].types[1]",
        "already in the list",
        "second",
    ),
    case(
        "version = 1\n[[live.output.eve]]\npath = \"e\"\ncommunity_id_seed = 65536\n",
        4,
        "live.output.eve[0].community_id_seed",
        "65536 is out",
        "0 to 65535",
    ),
    case(
        "version = 1\n[live.output]\nstats_interval = \"1ms\"\n",
        3,
        "live.output.stats_interval",
        "1ms is out",
        "\"100ms\" to \"1d\"",
    ),
    case(
        "version = 1\n[[live.output.eve]]\npath = \"-\"\nrotate_every = \"1h\"\n",
        4,
        "live.output.eve[0].rotate_every",
        "standard output",
        "remove `rotate_every`",
    ),
    case(
        "version = 1\n[[live.output.eve]]\npath = \"e\"\ncompress = \"zstd\"\n",
        4,
        "live.output.eve[0].compress",
        "never does",
        "rotate_size",
    ),
    case(
        "version = 1\n[[live.output.eve]]\npath = \"e\"\nrotate_size = \"1KiB\"\nkeep_files = 2\n",
        4,
        "live.output.eve[0].rotate_size",
        "1KiB is out",
        "\"64KiB\" to \"1TiB\"",
    ),
    case("version = 1\n[live.log]\nlevel = \"wran\"\n", 3, "live.log.level", "none of its", "\"warn\""),
];
