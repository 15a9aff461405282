//! The data plane on kernel interfaces: real XDP programs and AF_XDP sockets, on virtual Ethernet.

#![cfg(all(feature = "dpdk", feature = "xdp"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure time"
)]

mod equality;
mod network;
mod overload;

use std::time::{Duration, Instant};

use network::{DataPlane, Namespace, number};

const CONFIGURATION: &str = r#"
version = 1
[boot]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
[[boot.ports]]
name = "tap"
device = "ta"
"#;

#[test]
fn a_port_in_native_mode_and_a_file_give_the_same_records() {
    equality::check("native");
}

#[test]
fn a_port_in_generic_mode_and_a_file_give_the_same_records() {
    equality::check("generic");
}

#[test]
fn a_killed_data_plane_leaves_no_program() {
    let Some(namespace) = Namespace::new("kill") else { return };
    namespace.veth("ta", "tb", 1500);
    let folder = tempfile::tempdir().unwrap();
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let mut plane =
            DataPlane::start(&namespace, folder.path(), CONFIGURATION, "AF_XDP on ta, native mode");
        assert!(namespace.has_program("ta"));
        let killed = Instant::now();
        plane.kill();
        while namespace.has_program("ta") {
            assert!(killed.elapsed() < Duration::from_secs(2), "the program is still there");
        }
        slowest = slowest.max(killed.elapsed());
    }
    eprintln!("gone after {slowest:?} at most");
}

#[test]
fn an_inline_pair_forwards_from_one_interface_to_the_other() {
    let Some(namespace) = Namespace::new("inline") else { return };
    namespace.veth("ta", "client", 1500);
    namespace.veth("tb", "server", 1500);
    for (interface, address) in [("client", 1), ("server", 2)] {
        namespace.ip(&format!("addr add 10.77.0.{address}/24 dev {interface}"));
    }
    // The kernel would answer from one address to the other by itself: only what crosses the pair is seen.
    let folder = tempfile::tempdir().unwrap();
    let configuration = format!(
        "{CONFIGURATION}mode = \"inline\"\npeer = \"other\"\n[[boot.ports]]\nname = \"other\"\ndevice = \"tb\"\nmode = \"inline\"\npeer = \"tap\"\n"
    );
    let plane = DataPlane::start(&namespace, folder.path(), &configuration, "AF_XDP on tb, native mode");
    let arping = namespace
        .command("ping")
        .args(["-c", "3", "-i", "0.2", "-W", "2", "-I", "client", "10.77.0.2"])
        .output();
    let _ = arping.unwrap();
    let summary = plane.stop();
    // Each request for the address is broadcast, and forwarded.
    assert!(number(&summary, "forwarded ") > 0, "{summary}");
    assert_eq!(number(&summary, "not taken by the port "), 0, "{summary}");
}

#[test]
fn overload_is_counted_by_cause_and_keeps_the_host_reachable() {
    overload::check();
}
