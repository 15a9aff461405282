//! A file of prefixes that changes while the data plane runs.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::network::{DataPlane, Namespace, capture, number};

/// Packets that are sent each time, all from 10.0.0.0/8.
const PACKETS: u32 = 200;
/// By when a change of the file is in force: it is looked at every second.
const IN_FORCE: Duration = Duration::from_secs(4);
/// Longest that something is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

const CONFIGURATION: &str = r#"
version = 1
[boot]
backend = "af_xdp"
flow_memory = "16MiB"
[boot.memory]
hugepages = false
[boot.xdp]
watchdog = "30s"
[[boot.ports]]
name = "tap"
device = "ta"
[[live.lists.list]]
"#;

/// Makes the file another one at once, as an operator's script should.
fn replace(list: &Path, text: &str) {
    let next = list.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, list).unwrap();
}

pub(crate) fn check() {
    let Some(namespace) = Namespace::new("lists") else { return };
    namespace.veth("ta", "tb", 1500);
    let folder = tempfile::tempdir().unwrap();
    let (capture, list) = (capture(folder.path(), PACKETS), folder.path().join("deny.txt"));
    fs::write(&list, "203.0.113.0/24 # nobody of these packets\n").unwrap();
    let send = || {
        let mut replay = namespace.command("tcpreplay");
        replay.args(["-q", "-i", "tb", "--pps=2000"]).arg(&capture);
        assert!(replay.output().unwrap().status.success());
        sleep(Duration::from_millis(200));
    };

    let configuration = format!("{CONFIGURATION}file = \"{}\"\n", list.display());
    let plane = DataPlane::start(&namespace, folder.path(), &configuration, "AF_XDP on ta, native mode");
    send();
    replace(&list, "203.0.113.0/24\n10.0.0.0/8\n");
    sleep(IN_FORCE);
    send();
    // What is wrong is told, and what was in force stays.
    replace(&list, "10.0.0.0/8\n10.0.0.0/33\n");
    let began = Instant::now();
    while !plane.said().contains("deny.txt:2: \"10.0.0.0/33\" is no prefix") {
        assert!(began.elapsed() < PATIENCE, "{}", plane.said());
        sleep(Duration::from_millis(50));
    }
    send();
    replace(&list, "");
    sleep(IN_FORCE);
    send();

    let (status, summary) = plane.end();
    assert!(!status.success(), "it tells that something was wrong: {summary}");
    assert_eq!(number(&summary, "xdp.tap.drop.denied_source.packets "), u64::from(2 * PACKETS), "{summary}");
    assert_eq!(number(&summary, "received "), u64::from(2 * PACKETS), "{summary}");
}
