//! Wrong configurations as an operator writes them: `wirewarden check` names the line, the key and the remedy of every
//! mistake, all of a file at once.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// What it is about, the file without its first line (`version = 1`), and of each mistake the line, the key and a part
/// of the remedy.
type Bad = (&'static str, &'static str, &'static [(u64, &'static str, &'static str)]);

#[test]
fn each_of_forty_bad_configurations_names_line_key_and_remedy() {
    assert!(BAD.len() >= 40, "{} configurations", BAD.len());
    for (name, body, mistakes) in BAD {
        let text = format!("version = 1\n{body}");
        let output = check(&text, &["-o", "json"]);
        assert_eq!(output.status.code(), Some(2), "{name}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = report["mistakes"].as_array().unwrap();
        assert_eq!(found.len(), mistakes.len(), "{name}: {report:#}");
        for (mistake, (line, key, remedy)) in found.iter().zip(*mistakes) {
            assert_eq!(
                (mistake["line"].as_u64(), mistake["key"].as_str()),
                (Some(*line), Some(*key)),
                "{name}"
            );
            let mend = mistake["mend"].as_str().unwrap();
            assert!(mend.contains(remedy), "{name}: `{remedy}` is not in `{mend}`");
        }
    }
}

#[test]
fn all_mistakes_of_a_file_are_printed_at_once() {
    // Every body that has tables of its own only, one after the other, would repeat tables: so one file of many keys.
    let text = "version = 1\n[boot]\nbackend = \"dpkd\"\ncores = [1, 1]\nmain_core = 1\nflow_memory = \"2GiB\"\n\
                flow_capacity = 4096\n[boot.memory]\nmib = 513\n[live.flow]\ntunnel_depth = 12\n\
                [live.flow.timeouts]\nicmp = \"30\"\nudp_new = \"9m\"\n[live.defrag]\nmax_fragment = 8\n";
    let output = check(text, &[]);
    assert_eq!(output.status.code(), Some(2));
    let shown = String::from_utf8(output.stdout).unwrap();
    for (line, key) in [
        (3, "boot.backend"),
        (4, "boot.cores[1]"),
        (5, "boot.main_core"),
        (7, "boot.flow_capacity"),
        (9, "boot.memory.mib"),
        (11, "live.flow.tunnel_depth"),
        (13, "live.flow.timeouts.icmp"),
        (14, "live.flow.timeouts.udp_new"),
        (16, "live.defrag.max_fragment"),
    ] {
        let place = format!("-:{line}:");
        let told = shown.lines().find(|shown| shown.starts_with(&place));
        assert!(
            told.is_some_and(|told| told.contains(&format!(": {key}: "))),
            "{key} in line {line}:\n{shown}"
        );
    }
    let remedies = shown.lines().filter(|line| line.trim_start().starts_with("= "));
    assert_eq!(remedies.count(), 9, "{shown}");
    assert!(shown.ends_with("-: 9 mistakes\n"), "{shown}");
}

fn check(text: &str, arguments: &[&str]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wirewarden"))
        .args(["check", "-"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[rustfmt::skip]
static BAD: &[Bad] = &[
    ("a table that is not closed", "[boot\ncores = [1]\n", &[(2, "", "syntax"), (3, "cores", "`boot.cores`")]),
    ("text without its end", "[boot]\nbackend = \"auto\n", &[(3, "", "syntax")]),
    ("a key twice", "[boot]\ncores = [1]\ncores = [2]\n", &[(4, "", "syntax")]),
    ("a table that does not exist", "[boots]\n", &[(2, "boots", "`boot`")]),
    ("a table of another place", "[boot.flow]\n", &[(2, "boot.flow", "")]),
    ("a misspelt key", "[boot]\nbackand = \"auto\"\n", &[(3, "boot.backand", "did you mean `boot.backend`?")]),
    ("a key of another table", "[boot]\nhugepages = true\n", &[(3, "boot.hugepages", "`boot.memory.hugepages`")]),
    ("two misspelt keys", "[boot]\ncore = [1]\nmaincore = 2\n",
        &[(3, "boot.core", "`boot.cores`"), (4, "boot.maincore", "`boot.main_core`")]),
    ("a misspelt word", "[boot]\nbackend = \"dpkd\"\n", &[(3, "boot.backend", "did you mean \"dpdk\"?")]),
    ("a word that is not known", "[boot]\nbackend = \"netmap\"\n", &[(3, "boot.backend", "write one of")]),
    ("a number where text belongs", "[boot]\nbackend = 5\n", &[(3, "boot.backend", "write for example `\"auto\"`")]),
    ("a number where a list belongs", "[boot]\ncores = 3\n", &[(3, "boot.cores", "[1, 2]")]),
    ("a core that no machine has", "[boot]\ncores = [1, 4096]\n", &[(3, "boot.cores[1]", "from 0 to 1023")]),
    ("a long exception port", "[boot]\nexception_port = \"wirewarden-port0\"\n",
        &[(3, "boot.exception_port", "at most 15 characters")]),
    ("an exception port that is a port", "[boot]\nexception_port = \"eth1\"\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n",
        &[(3, "boot.exception_port", "choose another name")]),
    ("a negative core", "[boot]\nmain_core = -1\n", &[(3, "boot.main_core", "from 0 to 1023")]),
    ("a core twice", "[boot]\ncores = [2, 3, 2]\n", &[(3, "boot.cores[2]", "name each worker core once")]),
    ("a worker on the main core", "[boot]\ncores = [2, 3]\nmain_core = 3\n",
        &[(4, "boot.main_core", "take 3 out of `boot.cores`")]),
    ("a size without a unit", "[boot]\nflow_memory = \"512\"\n", &[(3, "boot.flow_memory", "\"256MiB\"")]),
    ("a size that is too small", "[boot]\nflow_memory = \"64KiB\"\n",
        &[(3, "boot.flow_memory", "from \"1MiB\" to \"1TiB\"")]),
    ("two sizes of one table", "[boot]\nflow_memory = \"1GiB\"\nflow_capacity = 4096\n",
        &[(4, "boot.flow_capacity", "keep either")]),
    ("few flows", "[boot]\nflow_capacity = 12\n", &[(3, "boot.flow_capacity", "1024 to 4294967295")]),
    ("a time without a unit", "[boot]\nstop_when_idle = \"5\"\n", &[(3, "boot.stop_when_idle", "\"30s\"")]),
    ("a page size that does not exist", "[boot.memory]\nhugepage_size = \"4MiB\"\n",
        &[(3, "boot.memory.hugepage_size", "\"2MiB\"")]),
    ("memory of no whole pages", "[boot.memory]\nmib = 1001\n", &[(3, "boot.memory.mib", "write `mib = 1002`")]),
    ("memory below the least", "[boot.memory]\nmib = 8\n", &[(3, "boot.memory.mib", "from 64 to 1048576")]),
    ("a switch that is text", "[boot.memory]\nin_memory = \"yes\"\n", &[(3, "boot.memory.in_memory", "`true`")]),
    ("a port without a device", "[[boot.ports]]\nname = \"wan\"\n", &[(2, "boot.ports[0].device", "add `device = ")]),
    ("a port without anything", "[[boot.ports]]\nqueues = 1\n",
        &[(2, "boot.ports[0].name", "add `name = "), (2, "boot.ports[0].device", "add `device = ")]),
    ("a name with a space", "[[boot.ports]]\nname = \"my port\"\ndevice = \"eth1\"\n",
        &[(3, "boot.ports[0].name", "letters, digits")]),
    ("a PCI address that is none", "[[boot.ports]]\nname = \"a\"\ndevice = \"0000:03:00.8\"\n",
        &[(4, "boot.ports[0].device", "0000:03:00.0")]),
    ("one device for two ports", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n[[boot.ports]]\nname = \"b\"\n\
        device = \"eth1\"\n", &[(7, "boot.ports[1].device", "give each port its own device")]),
    ("one name for two ports", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n[[boot.ports]]\nname = \"a\"\n\
        device = \"eth2\"\n", &[(6, "boot.ports[1].name", "give each port its own name")]),
    ("more queues than workers", "[boot]\ncores = [1]\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nqueues = 4\n",
        &[(7, "boot.ports[0].queues", "write `queues = 1` or less")]),
    ("descriptors of no power of two", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nrx_descriptors = 3000\n",
        &[(5, "boot.ports[0].rx_descriptors", "write 4096")]),
    ("a jumbo frame too large", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmtu = 16000\n",
        &[(5, "boot.ports[0].mtu", "68 to 9702")]),
    ("inline without a peer", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\n",
        &[(5, "boot.ports[0].mode", "add `peer = ")]),
    ("its own peer", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\nmode = \"inline\"\npeer = \"a\"\n",
        &[(6, "boot.ports[0].peer", "of the other [[boot.ports]]")]),
    ("a tap with a peer", "[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\npeer = \"b\"\n",
        &[(5, "boot.ports[0].peer", "mode = \"inline\"")]),
    ("a device of another backend", "[boot]\nbackend = \"dpdk\"\n[[boot.ports]]\nname = \"a\"\ndevice = \"eth1\"\n",
        &[(6, "boot.ports[0].device", "boot.backend = \"auto\"")]),
    ("a handshake that outlives the connection", "[live.flow.timeouts]\ntcp_new = \"1h\"\n",
        &[(3, "live.flow.timeouts.tcp_new", "tcp_new = \"10m\"")]),
    ("a timeout longer than any", "[live.flow.timeouts]\nother = \"30d\"\n",
        &[(3, "live.flow.timeouts.other", "\"7d\"")]),
    ("a stream larger than all", "[live.stream]\nreassembly_memory = \"1MiB\"\nper_direction = \"8MiB\"\n",
        &[(4, "live.stream.per_direction", "per_direction = \"1MiB\"")]),
    ("an overlap that is not known", "[live.stream]\noverlap = \"second\"\n",
        &[(3, "live.stream.overlap", "\"first\"")]),
    ("fragments without end", "[live.defrag]\nmax_fragments = 100000\n",
        &[(3, "live.defrag.max_fragments", "2 to 8192")]),
    ("no payload to look at", "[live.classify]\nmax_payloads = 0\n",
        &[(3, "live.classify.max_payloads", "1 to 64")]),
    ("an output without a path", "[[live.output.eve]]\ntypes = [\"flow\"]\n",
        &[(2, "live.output.eve[0].path", "add `path = ")]),
    ("two outputs into one file", "[[live.output.eve]]\npath = \"a.json\"\n[[live.output.eve]]\npath = \"a.json\"\n",
        &[(5, "live.output.eve[1].path", "write to another file")]),
    ("mistakes in three tables", "[boot]\ncores = \"all\"\n[live.flow]\neviction = \"lru\"\n[live.defrag]\n\
        timeout = \"2h\"\n",
        &[(3, "boot.cores", "[1, 2]"), (5, "live.flow.eviction", "write one of"),
          (7, "live.defrag.timeout", "from \"1s\" to \"5m\"")]),
];
