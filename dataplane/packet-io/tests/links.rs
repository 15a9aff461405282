//! A program that links with this crate but uses no DPDK port does not load DPDK, whatever features the workspace
//! switched on: the linker is asked to name only the libraries that are used.
#![cfg(feature = "dpdk")]

use packet_io::replay::{Replay, ReplayOptions};

#[test]
fn a_program_without_a_port_does_not_load_dpdk() {
    let none = Replay::open(Vec::<String>::new(), ReplayOptions::default());
    assert!(none.is_err(), "only called so that the crate is linked");
    let loaded = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(loaded.contains("libc.so"), "{loaded}");
    assert!(!loaded.contains("librte_"), "{loaded}");
}
