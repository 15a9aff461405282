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
mod contract;
mod network;
#[path = "../packet_io_contract/mod.rs"]
mod packet_io_contract;
mod packets;
mod verdicts;

use network::{alone, ip, veth};
use packet_io::af_xdp::{self, PortConfig};
use packet_io::xdp::{self, ModeChoice, XdpError};

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

#[test]
fn a_hundred_cycles_leave_nothing_behind() {
    alone("a_hundred_cycles_leave_nothing_behind", || {
        veth("va", "vb", 1500);
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        for _ in 0..100 {
            let opened = af_xdp::open(&[PortConfig::new("va")], 1).unwrap();
            assert_eq!(xdp::attachments().unwrap().len(), 1);
            drop(opened);
        }
        assert_eq!(xdp::attachments().unwrap(), []);
        assert_eq!(descriptors(), before);
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
