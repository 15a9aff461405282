//! The data plane on kernel interfaces: real XDP programs and AF_XDP sockets, on virtual Ethernet.

#![cfg(all(feature = "dpdk", feature = "xdp"))]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and measure time"
)]

mod equality;
mod failover;
mod lists;
mod network;
mod overload;
#[path = "../records/mod.rs"]
mod records;
mod shunting;

use std::fs;
use std::time::{Duration, Instant};

use sample::load;
use sample::pcap::PcapWriter;

use network::{DataPlane, Namespace, number};

/// Packets that an in-line pair forwards.
const PACKETS: u32 = 2000;

const CONFIGURATION: &str = r#"
version = 1
[boot]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
[boot.xdp]
watchdog = "30s"
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
fn flows_that_the_kernel_counts_in_native_mode_have_exact_records() {
    shunting::check_records("native");
}

#[test]
fn flows_that_the_kernel_counts_in_generic_mode_have_exact_records() {
    shunting::check_records("generic");
}

#[test]
fn a_flow_that_only_the_kernel_hears_lives_and_is_forwarded() {
    shunting::check_inline();
}

#[test]
fn a_lost_memif_is_replaced_by_the_kernels_interface() {
    failover::check_memif();
}

#[test]
fn an_interface_that_was_replaced_is_taken_by_af_xdp() {
    failover::check_af_packet();
}

#[test]
fn a_list_follows_its_file_while_the_data_plane_runs() {
    lists::check();
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
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("load.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&capture).unwrap()).unwrap();
    load::random_udp(100, PACKETS, &mut writer).unwrap();
    writer.finish().unwrap();
    // Room for all packets: a sender whose machine stood still sends what is due all at once.
    let room = "rx_descriptors = 4096\ntx_descriptors = 4096\n";
    let configuration = format!(
        "{CONFIGURATION}{room}mode = \"inline\"\npeer = \"other\"\n\
         [[boot.ports]]\nname = \"other\"\ndevice = \"tb\"\n{room}mode = \"inline\"\npeer = \"tap\"\n"
    );
    let plane = DataPlane::start(&namespace, folder.path(), &configuration, "AF_XDP on tb, native mode");
    let mut replay = namespace.command("tcpreplay");
    replay.args(["-q", "-i", "client", "--pps=5000"]).arg(&capture);
    assert!(replay.output().unwrap().status.success());
    std::thread::sleep(Duration::from_millis(200));
    let summary = plane.stop();
    assert_eq!(number(&summary, "forwarded "), u64::from(PACKETS), "{summary}");
    assert_eq!(number(&summary, "not taken by the port "), 0, "{summary}");
    let link = namespace.ip("-s -j link show server");
    let link: serde_json::Value = serde_json::from_str(&link).unwrap();
    assert_eq!(link[0]["stats64"]["rx"]["packets"], PACKETS, "{link}");
}

#[test]
fn overload_is_counted_by_cause_and_keeps_the_host_reachable() {
    overload::check();
}

#[test]
fn flows_that_end_all_at_once_keep_their_records() {
    overload::check_ends();
}

#[test]
fn what_the_ring_of_af_packet_has_no_room_for_is_counted() {
    overload::check_af_packet();
}
