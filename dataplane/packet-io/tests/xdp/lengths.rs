//! Packets up to the MTU, received and sent, with the room around them that tunnels need.

use std::time::Duration;

use packet_io::af_xdp::{self, AfXdpBuf, AfXdpQueue, CopyChoice, PortConfig};
use packet_io::xdp::{Mode, ModeChoice};
use packet_io::{Burst, PacketBuf, PacketIo, PacketMeta};

use crate::network::{ip, veth};

/// What a tunnel puts before a packet: Ethernet, IPv6, UDP, ESP and its IV.
const BEFORE: usize = 14 + 40 + 8 + 8 + 8;
/// What it puts behind: padding, and ESP's check value.
const BEHIND: usize = 21;
/// Ethernet header.
const LINK: usize = 14;
/// Polls, with a pause after each, after which a packet is lost.
const PATIENCE: usize = 2000;

/// Packets of many lengths at MTUs on both sides of what one frame holds, and of what drivers take in one piece.
pub(crate) fn check(mode: ModeChoice) {
    for (number, mtu) in [1500_u32, 1790, 3000, 3600, 3790, 3818, 4000, 9000].into_iter().enumerate() {
        if mtu > in_one_piece(mode) && has_no_pieces() {
            eprintln!("SKIPPED: an MTU of {mtu} needs frames in several pieces, which kernel 6.6 has");
            continue;
        }
        let (one, other) = (format!("a{number}"), format!("b{number}"));
        veth(&one, &other, mtu);
        let config = |name: &str| {
            let mut config = PortConfig { copy: CopyChoice::Copy, ..PortConfig::new(name) };
            (config.xdp.mode, config.xdp.watchdog) = (mode, None);
            config
        };
        let (ports, mut queues) = af_xdp::open(&[config(&one)], 1).unwrap();
        let (peers, mut others) = af_xdp::open(&[config(&other)], 1).unwrap();
        let wanted = if mode == ModeChoice::Native { Mode::Native } else { Mode::Generic };
        assert_eq!(ports[0].program().mode(), Some(wanted), "MTU {mtu}");
        let (mut here, mut there) = (queues.remove(0).remove(0), others.remove(0).remove(0));
        let longest = mtu as usize + LINK;
        let mut sent = 0;
        for len in lengths(longest) {
            there_and_back(&mut here, &mut there, len, longest);
            sent += 1;
        }
        let stats = here.stats();
        assert_eq!((stats.rx_packets, stats.tx_packets), (sent, sent), "MTU {mtu}");
        assert_eq!((stats.rx_errors, stats.tx_errors, stats.rx_no_buffer), (0, 0, 0), "MTU {mtu}");
        drop((here, there, ports, peers));
        ip(&format!("link del {one}"));
    }
}

/// Largest MTU whose frames veth gives in one piece.
fn in_one_piece(mode: ModeChoice) -> u32 {
    if mode == ModeChoice::Native { 3506 } else { 3818 }
}

/// Whether the kernel is older than 6.6.
fn has_no_pieces() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next().unwrap(), numbers.next().unwrap()) < (6, 6)
}

/// Lengths from the shortest to the longest frame, and all around the bounds of frames.
fn lengths(longest: usize) -> impl Iterator<Item = usize> {
    let bounds = [1792, 2048, 3840, 4096, 4096 + 3840, 8192, longest];
    let around = bounds.into_iter().flat_map(|bound| bound - 80..=bound);
    (60..longest).step_by(97).chain(around).filter(move |&len| len <= longest)
}

/// Sends a packet, which comes back longer by the headers of a tunnel where the MTU has room for them.
fn there_and_back(here: &mut AfXdpQueue, there: &mut AfXdpQueue, len: usize, longest: usize) {
    let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
    let made = here.make(&bytes).unwrap();
    send(here, made);
    let mut buf = received(there, len);
    assert!(buf.bytes() == bytes, "{len} bytes came otherwise than they were sent");
    let (storage, at) = buf.storage_mut();
    assert!(
        at.start >= BEFORE && storage.len() - at.end >= BEHIND,
        "{len} bytes: room {at:?} of {}",
        storage.len()
    );
    let mut expected = bytes;
    if len + BEFORE + BEHIND <= longest {
        storage[at.start - BEFORE..at.start].fill(0xaa);
        storage[at.end..at.end + BEHIND].fill(0xbb);
        assert!(buf.place(at.start - BEFORE..at.end + BEHIND));
        expected = [[0xaa; BEFORE].as_slice(), &expected, &[0xbb; BEHIND]].concat();
    }
    send(there, buf);
    let back = received(here, expected.len());
    assert!(back.bytes() == expected, "{} bytes came back otherwise", expected.len());
}

fn send(queue: &mut AfXdpQueue, buf: AfXdpBuf) {
    let mut burst = Burst::new();
    burst.push(buf, PacketMeta::default()).unwrap();
    for _ in 0..PATIENCE {
        queue.transmit(&mut burst);
        if burst.is_empty() {
            return;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    panic!("a packet is not taken");
}

fn received(queue: &mut AfXdpQueue, len: usize) -> AfXdpBuf {
    let mut burst = Burst::new();
    for _ in 0..PATIENCE {
        queue.receive(&mut burst);
        if let Some((buf, meta)) = burst.drain(1).next() {
            assert_eq!(meta.wire_len as usize, len);
            return buf;
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    panic!("{len} bytes did not come: {:?}", queue.stats());
}
