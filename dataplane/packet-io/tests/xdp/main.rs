//! The XDP program and AF_XDP sockets, for real: in network namespaces, on virtual Ethernet.
#![cfg(feature = "xdp")]
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, clippy::print_stderr, reason = "tests")]

mod contract;
mod network;
#[path = "../packet_io_contract/mod.rs"]
mod packet_io_contract;

use network::alone;
use packet_io::xdp::ModeChoice;

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
