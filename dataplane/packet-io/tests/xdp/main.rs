//! The XDP program and AF_XDP sockets, for real: in network namespaces, on virtual Ethernet.
#![cfg(feature = "xdp")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    reason = "tests"
)]

mod agreement;
mod beside;
mod contract;
mod lengths;
mod million;
mod network;
#[path = "../packet_io_contract/mod.rs"]
mod packet_io_contract;
mod packets;
mod tun;
mod verdicts;

use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use network::{alone, ip, veth};
use packet_io::af_xdp::{self, PortConfig};
use packet_io::xdp::{self, ModeChoice, XdpConfig, XdpError, XdpProgram};

#[test]
fn a_socket_in_native_mode_keeps_the_promises_of_every_backend() {
    alone("a_socket_in_native_mode_keeps_the_promises_of_every_backend", || {
        contract::check(ModeChoice::Native);
    });
}

#[test]
fn a_socket_in_generic_mode_keeps_the_promises_of_every_backend() {
    alone("a_socket_in_generic_mode_keeps_the_promises_of_every_backend", || {
        contract::check(ModeChoice::Generic);
    });
}

#[test]
fn what_goes_to_a_host_or_from_our_address_comes_out_of_a_tun_and_answers_go_in() {
    alone("what_goes_to_a_host_or_from_our_address_comes_out_of_a_tun_and_answers_go_in", tun::packets);
}

#[test]
fn addresses_and_rules_of_a_tun_follow_and_those_of_a_killed_program_are_removed() {
    alone("addresses_and_rules_of_a_tun_follow_and_those_of_a_killed_program_are_removed", tun::routes);
}

#[test]
fn a_tun_does_not_take_the_name_of_another_interface() {
    alone("a_tun_does_not_take_the_name_of_another_interface", tun::names);
}

#[test]
fn packets_of_every_length_go_both_ways_in_native_mode_and_have_room() {
    alone("packets_of_every_length_go_both_ways_in_native_mode_and_have_room", || {
        lengths::check(ModeChoice::Native);
    });
}

#[test]
fn packets_of_every_length_go_both_ways_in_generic_mode_and_have_room() {
    alone("packets_of_every_length_go_both_ways_in_generic_mode_and_have_room", || {
        lengths::check(ModeChoice::Generic);
    });
}

#[test]
fn the_parsers_in_the_kernel_and_in_user_space_agree() {
    alone("the_parsers_in_the_kernel_and_in_user_space_agree", agreement::check);
}

#[test]
fn packets_of_every_shape_are_handed_over_for_their_reason() {
    alone("packets_of_every_shape_are_handed_over_for_their_reason", verdicts::check_shapes);
}

#[test]
fn services_of_the_host_are_never_kept_from_it() {
    alone("services_of_the_host_are_never_kept_from_it", verdicts::check_protected);
}

#[test]
fn neighbours_of_an_interface_with_an_address_are_the_hosts() {
    alone("neighbours_of_an_interface_with_an_address_are_the_hosts", verdicts::check_neighbours);
}

#[test]
fn the_longest_prefix_of_a_list_decides() {
    alone("the_longest_prefix_of_a_list_decides", verdicts::check_lists);
}

#[test]
fn a_list_takes_a_million_prefixes_and_says_when_it_is_full() {
    alone("a_list_takes_a_million_prefixes_and_says_when_it_is_full", million::check);
}

#[test]
fn a_source_is_limited_and_flows_are_sampled() {
    alone("a_source_is_limited_and_flows_are_sampled", verdicts::check_limits);
}

#[test]
fn a_settled_flow_is_counted_to_the_byte() {
    alone("a_settled_flow_is_counted_to_the_byte", verdicts::check_shunts);
}

#[test]
fn a_worker_shunts_its_flows_until_they_end() {
    alone("a_worker_shunts_its_flows_until_they_end", verdicts::check_shunts_of_a_worker);
}

/// Programs or maps in the kernel, as bpftool lists them: a line that starts with a number for each.
fn loaded(kind: &str) -> usize {
    let output = Command::new("bpftool").args([kind, "show"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let starts = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
    String::from_utf8_lossy(&output.stdout).lines().filter(starts).count()
}

#[test]
fn a_hundred_cycles_leave_nothing_behind() {
    alone("a_hundred_cycles_leave_nothing_behind", || {
        veth("va", "vb", 1500);
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let (before, programs, maps) = (descriptors(), loaded("prog"), loaded("map"));
        for cycle in 0..100 {
            let opened = af_xdp::open(&[PortConfig::new("va")], 1).unwrap();
            assert_eq!(xdp::attachments().unwrap().len(), 1);
            if cycle == 0 {
                assert!(loaded("prog") > 0 && loaded("map") > 0, "bpftool sees nothing of ours");
            }
            drop(opened);
        }
        assert_eq!(xdp::attachments().unwrap(), []);
        assert_eq!(descriptors(), before);
        // The kernel frees them some time after the last reference is gone, and other tests load theirs meanwhile; what each
        // cycle left would be a hundred.
        let is_clean = || loaded("prog") < programs + 50 && loaded("map") < maps + 50;
        for _ in 0..200 {
            if is_clean() {
                break;
            }
            thread::sleep(Duration::from_millis(100));
        }
        assert!(is_clean(), "{} programs, {} maps", loaded("prog"), loaded("map"));
    });
}

/// A BPF file system, for as long as this is there.
struct BpfFileSystem(tempfile::TempDir);

impl BpfFileSystem {
    fn mount() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount").args(["-t", "bpf", "bpf"]).arg(folder.path()).status().unwrap();
        assert!(status.success());
        Self(folder)
    }
}

impl Drop for BpfFileSystem {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn maps_have_names_where_that_is_asked_for_and_no_longer_than_the_program_is_there() {
    const NAME: &str = "maps_have_names_where_that_is_asked_for_and_no_longer_than_the_program_is_there";
    alone(NAME, || {
        veth("va", "vb", 1500);
        let folder = tempfile::tempdir().unwrap();
        let pinned_below = |folder: &Path| XdpConfig { pin: Some(folder.to_owned()), ..XdpConfig::new("va") };
        let error = XdpProgram::load(&pinned_below(folder.path())).unwrap_err().to_string();
        assert!(error.contains("mount -t bpf") && error.contains("/va/"), "{error}");
        assert!(!folder.path().join("va").exists(), "nothing is left behind");

        let bpf = BpfFileSystem::mount();
        let below = bpf.0.path().join("wirewarden");
        let counters = below.join("va/counters");
        let is_a_map =
            || Command::new("bpftool").args(["map", "show", "pinned"]).arg(&counters).output().unwrap();
        // One whose owner was killed: its names are left, and taken by the next.
        let _killed = ManuallyDrop::new(XdpProgram::load(&pinned_below(&below)).unwrap());
        let old = is_a_map();
        assert!(old.status.success(), "{}", String::from_utf8_lossy(&old.stderr));
        let mut program = XdpProgram::load(&pinned_below(&below)).unwrap();
        program.attach().unwrap();
        let new = is_a_map();
        assert!(new.status.success() && new.stdout != old.stdout, "{}", String::from_utf8_lossy(&new.stdout));
        drop(program);
        assert!(!below.join("va").exists());
        assert_eq!(xdp::attachments().unwrap(), []);
        drop(XdpProgram::load(&XdpConfig::new("va")).unwrap());
        assert_eq!(std::fs::read_dir(&below).unwrap().count(), 0, "nobody asked for names");
    });
}

#[test]
#[ignore = "needs a kernel that lets a program replace a function of another: vagrant/qemu.py xdp has one"]
fn programs_beside_ours_go_on_through_the_dispatcher_of_libxdp() {
    const NAME: &str = "programs_beside_ours_go_on_through_the_dispatcher_of_libxdp";
    alone(NAME, || beside::check(NAME));
}

#[test]
fn who_may_not_look_at_programs_is_told_so() {
    const NAME: &str = "who_may_not_look_at_programs_is_told_so";
    const WITHOUT: &str = "WIREWARDEN_TEST_WITHOUT_CAPABILITIES";
    alone(NAME, || {
        if std::env::var_os(WITHOUT).is_some() {
            let seen = xdp::attachments().unwrap();
            assert!(!seen[0].is_known && seen[0].to_string().contains("CAP_SYS_ADMIN"), "{seen:?}");
            // Not that there is none of ours: that cannot be known.
            assert!(matches!(xdp::Attached::open("va"), Err(XdpError::Capability { .. })));
            assert!(matches!(xdp::detach("va"), Err(XdpError::Capability { .. })));
            return;
        }
        veth("va", "vb", 1500);
        let _opened = af_xdp::open(&[PortConfig::new("va")], 1).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-all", "--inh-caps=-all"]).arg(std::env::current_exe().unwrap());
        let status = command.args(["--exact", NAME, "--nocapture"]).env(WITHOUT, "1").status().unwrap();
        assert!(status.success());
        assert!(xdp::attachments().unwrap()[0].is_ours(), "it is still there");
    });
}

#[test]
fn errors_say_what_stands_in_the_way() {
    alone("errors_say_what_stands_in_the_way", || {
        let error = af_xdp::open(&[PortConfig::new("nosuch")], 1).unwrap_err().to_string();
        assert!(error.contains("no interface nosuch"), "{error}");
        veth("va", "vb", 1500);
        let _opened = af_xdp::open(&[PortConfig::new("va")], 1).unwrap();
        let error = af_xdp::open(&[PortConfig::new("va")], 1).unwrap_err().to_string();
        assert!(error.contains("wirewarden") && error.contains("pid"), "{error}");
        let mut seen = xdp::Attached::open("va").unwrap();
        assert!(seen.attachment().is_ours());
        assert_eq!(seen.state().counters().unwrap().total(), 0);
        seen.state_mut().set_sample(10).unwrap();
        assert!(matches!(xdp::Attached::open("vb"), Err(XdpError::NotOurs { .. })));
        xdp::detach("va").unwrap();
        assert_eq!(xdp::attachments().unwrap(), []);
        ip("link del va");
        assert!(matches!(xdp::detach("va"), Err(XdpError::NoInterface { .. })));
    });
}
