//! Time of one call of `Headers::parse`, by kind of packet: the best of many bursts, all in cache.
//!
//! Cycles come from the time of a chain of dependent multiplications (three cycles each on current x86-64 cores) and
//! rotations (one).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a benchmark measures, prints and stops at the first surprise"
)]

#[path = "../tests/packets/builder.rs"]
#[expect(dead_code, reason = "made for the tests")]
mod builder;

use builder::{Ends, INNER};
use std::hint::black_box;
use std::time::Instant;
use wire::{Checksums, Headers, LinkType, ParseOptions};

const FRAMES: usize = 256;
const BURST: usize = 32;
const ROUNDS: usize = 2_000;

fn main() {
    let per_cycle = nanoseconds_per_cycle();
    let plain = ParseOptions::default();
    let enforce = ParseOptions { checksums: Checksums::Enforce, ..plain };
    println!("{:<34}{:>8}{:>9}", "packet", "ns", "cycles");
    for (name, make) in KINDS {
        let frames: Vec<Vec<u8>> = (0..FRAMES).map(|index| make(&mut Random(index as u64 + 1))).collect();
        report(name, measure(&frames, &plain), per_cycle);
    }
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|index| udp4(&mut Random(index as u64 + 1))).collect();
    report("udp/ipv4 64 B, checksums", measure(&frames, &enforce), per_cycle);
}

/// A name and what makes one frame of it.
type Kind = (&'static str, fn(&mut Random) -> Vec<u8>);

const KINDS: &[Kind] = &[
    ("udp/ipv4 64 B", udp4),
    ("tcp/ipv4 64 B", tcp4),
    ("tcp/ipv4 1514 B", tcp4_long),
    ("udp/ipv6", udp6),
    ("udp/ipv4, one tag", |random| tagged(udp4(random))),
    ("mixed tcp, udp, ipv4, ipv6", mixed),
    ("icmp (general path)", |random| {
        let ends = random.ends();
        builder::frame(ends, &builder::ip(ends, 1, &builder::icmp(8, 0, &[0; 32])))
    }),
    ("vxlan (general path)", |random| {
        let header = [8, 0, 0, 0, 0, 0, 7, 0];
        builder::carried_by_udp(4789, &builder::join(&[&header, &udp4(random)]))
    }),
    ("gtp-u (general path)", |random| {
        let inner = builder::inner_udp(random.ends());
        let len = u16::try_from(inner.len()).unwrap().to_be_bytes();
        let header = [0x30, 0xff, len[0], len[1], 0, 0, 0, 9];
        builder::carried_by_udp(2152, &builder::join(&[&header, &inner]))
    }),
];

fn udp4(random: &mut Random) -> Vec<u8> {
    let ends = random.ends();
    builder::frame(ends, &builder::ip(ends, 17, &builder::udp(ends, random.port(), random.port(), &[7; 18])))
}

fn tcp4(random: &mut Random) -> Vec<u8> {
    let ends = random.ends();
    builder::frame(
        ends,
        &builder::ip(ends, 6, &builder::tcp(ends, random.port(), random.port(), &[], &[7; 6])),
    )
}

fn tcp4_long(random: &mut Random) -> Vec<u8> {
    let ends = random.ends();
    let segment = builder::tcp(ends, random.port(), random.port(), &[1; 12], &[7; 1448]);
    builder::frame(ends, &builder::ip(ends, 6, &segment))
}

fn udp6(random: &mut Random) -> Vec<u8> {
    let mut address = || {
        let mut octets = [0; 16];
        octets.fill_with(|| random.byte());
        octets
    };
    let ends = Ends::V6(address(), address());
    builder::frame(ends, &builder::ip(ends, 17, &builder::udp(ends, random.port(), random.port(), &[7; 18])))
}

fn mixed(random: &mut Random) -> Vec<u8> {
    match random.byte() % 4 {
        0 => udp4(random),
        1 => udp6(random),
        2 => tcp4(random),
        _ => tcp4_long(random),
    }
}

fn tagged(mut frame: Vec<u8>) -> Vec<u8> {
    let after = frame.split_off(14);
    let (macs, ethertype) = frame.split_at(12);
    builder::join(&[macs, &[0x81, 0, 0, 5], ethertype, &after])
}

fn measure(frames: &[Vec<u8>], options: &ParseOptions) -> f64 {
    let mut headers = vec![Headers::default(); BURST];
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for burst in frames.chunks(BURST) {
            for (headers, frame) in headers.iter_mut().zip(burst) {
                let wire_len = u32::try_from(frame.len()).unwrap();
                let result = headers.parse(black_box(frame), wire_len, LinkType::Ethernet, options);
                assert!(result.is_ok(), "{result:?}");
            }
            black_box(&mut headers);
        }
        best = best.min(start.elapsed().as_nanos() as f64 / frames.len() as f64);
    }
    best
}

fn report(name: &str, nanoseconds: f64, per_cycle: f64) {
    println!("{name:<34}{nanoseconds:>8.1}{:>9.0}", nanoseconds / per_cycle);
}

fn nanoseconds_per_cycle() -> f64 {
    const STEPS: u32 = 10_000;
    let mut best = f64::INFINITY;
    for _ in 0..500 {
        let factor = black_box(0x9e37_79b9_7f4a_7c15_u64);
        let mut value = black_box(3_u64);
        let start = Instant::now();
        for _ in 0..STEPS {
            value = value.wrapping_mul(factor).rotate_left(1);
        }
        black_box(value);
        best = best.min(start.elapsed().as_nanos() as f64 / f64::from(STEPS) / 4.0);
    }
    best
}

/// Xorshift (Marsaglia 2003): reproducible, and enough to keep branches from being learned.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_be_bytes()[2]
    }

    fn port(&mut self) -> u16 {
        u16::from_be_bytes([self.byte() | 0x80, self.byte()])
    }

    fn ends(&mut self) -> Ends {
        let Ends::V4([first, ..], _) = INNER else { panic!("IPv4 addresses") };
        let mut address = || [first, self.byte(), self.byte(), self.byte()];
        Ends::V4(address(), address())
    }
}
