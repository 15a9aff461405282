//! Lists that are full: a million prefixes of IPv4 and of IPv6 each.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Instant;

use packet_io::xdp::{Action, List, ListEntry, Prefix, Reason, XdpError};

use crate::packets::{UDP, V4, V6, ethernet, ipv4, ipv6, udp};
use crate::verdicts::{open, reason};

/// What `XdpConfig::new` has room for, of each family.
const ALL: u32 = 1_000_000;

/// A host of 10.0.0.0/8, each number another one, in an order that is none of addresses.
fn v4(number: u32) -> ListEntry {
    let host = number.wrapping_mul(7_919) % 0x0100_0000;
    denied(Prefix::new(Ipv4Addr::from_bits(0x0a00_0000 | host).into(), 32).unwrap())
}

/// A site of 2001:db8::/32 with its /64.
fn v6(number: u32) -> ListEntry {
    let network = u128::from(0x2001_0db8_u32) << 96 | u128::from(number.wrapping_mul(3_001)) << 64;
    denied(Prefix::new(Ipv6Addr::from_bits(network).into(), 64).unwrap())
}

fn denied(prefix: Prefix) -> ListEntry {
    ListEntry { list: List::Source, prefix, action: Action::Deny }
}

fn packet_from(entry: ListEntry) -> Vec<u8> {
    let payload = udp(1000, 2000, b"x");
    match entry.prefix.address() {
        std::net::IpAddr::V4(address) => {
            let mut packet = ethernet(V4, &ipv4(UDP, &payload));
            packet[26..30].copy_from_slice(&address.octets());
            packet
        }
        std::net::IpAddr::V6(address) => {
            let mut packet = ethernet(V6, &ipv6(UDP, &payload));
            packet[22..38].copy_from_slice(&address.octets());
            packet
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "it tells the time that it takes")]
pub(crate) fn check() {
    let (mut port, _queues) = open();
    let began = Instant::now();
    let state = port.program_mut().state_mut();
    state.list_all((0..ALL).map(v4)).unwrap();
    state.list_all((0..ALL).map(v6)).unwrap();
    eprintln!(
        "2 x {ALL} prefixes in {:.1} s; the kernel has {} MiB for them",
        began.elapsed().as_secs_f64(),
        kernel_bytes() >> 20
    );
    for number in [0, 1, 4_711, ALL - 1] {
        assert_eq!(reason(&mut port, &packet_from(v4(number))), Reason::DropDeniedSource, "{number}");
        assert_eq!(reason(&mut port, &packet_from(v6(number))), Reason::DropDeniedSource, "{number}");
    }
    // The next one has no room, and is let through; a change of one that is there needs none.
    for next in [v4(ALL), v6(ALL)] {
        let full = port.program_mut().state_mut().list(next.list, next.prefix, Action::Deny);
        assert!(matches!(full, Err(XdpError::Full { entries: ALL, .. })), "{full:?}");
        assert_eq!(reason(&mut port, &packet_from(next)), Reason::Redirect);
    }
    for there in [v4(5), v6(5)] {
        let state = port.program_mut().state_mut();
        assert!(state.unlist(there.list, there.prefix).unwrap());
        state.list(there.list, there.prefix, Action::Allow).unwrap();
        assert_eq!(reason(&mut port, &packet_from(there)), Reason::Redirect);
    }
}

/// What the kernel says that its tries take, bytes; it counts them so since 6.4.
fn kernel_bytes() -> u64 {
    let folder = fs::read_dir("/proc/self/fdinfo").unwrap();
    let texts = folder.filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok());
    let tries = texts.filter(|text| text.contains("map_type:\t11\n"));
    tries
        .filter_map(|text| text.split("memlock:").nth(1)?.split_whitespace().next()?.parse::<u64>().ok())
        .sum()
}
