//! Files that nobody wrote: never a panic, never more memory than a few blocks, never more packets than bytes allow.

#![expect(unsafe_code, reason = "an allocator that measures")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use packet_io::replay::{CaptureReader, ReplayError};
use proptest::prelude::*;

use crate::crafted::{ORDERS, Order};

/// Counts what the current thread holds.
struct Measured;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static MOST: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    HELD.set(HELD.get() + bytes);
    MOST.set(MOST.get().max(HELD.get()));
}

// SAFETY: all work is done by the system's allocator, with the arguments as they came.
unsafe impl GlobalAlloc for Measured {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static MEASURED: Measured = Measured;

/// What a reader may hold at most: two blocks, tables of interfaces and names, a decompressor.
const BOUND: isize = 6 << 20;

/// Reads everything, keeps nothing; gives packets, bytes of them, and errors.
fn drained(input: impl Read) -> (u64, u64, u64) {
    let before = HELD.get();
    MOST.set(before);
    let mut reader = CaptureReader::new(input);
    let (mut packets, mut bytes, mut errors) = (0, 0, 0);
    loop {
        match reader.next() {
            Ok(Some(packet)) => {
                assert!(packet.meta.wire_len as usize >= packet.bytes.len());
                packets += 1;
                bytes += packet.bytes.len() as u64;
            }
            Ok(None) => break,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                errors += 1;
            }
        }
    }
    assert!(MOST.get() - before < BOUND, "held {} bytes", MOST.get() - before);
    (packets, bytes, errors)
}

/// Files with a bit of everything, small enough that a few changes hit what matters.
fn sound_files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for order in ORDERS {
        for magic in [0xa1b2_c3d4, 0xa1b2_3c4d] {
            files.push(
                [order.pcap(magic, 1), order.record((1, 2), &[1; 60]), order.record((3, 4), b"x")].concat(),
            );
        }
        let options =
            [order.option(2, b"eth0"), order.option(9, &[0x80 | 20]), order.option(14, &order.i64(-5))];
        files.push(
            [
                order.section(),
                order.interface(1, 64, &options.concat()),
                order.enhanced(0, u64::MAX / 3, &[7; 61], &order.option(2, &order.u32(&[4 << 5]))),
                order.simple(90, &[8; 64]),
                order.block(5, &[0; 12]),
                order.enhanced(0, 5, b"last", &[]),
            ]
            .concat(),
        );
    }
    files
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(data).unwrap();
    packed.finish().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_behind_any_mark(mark in 0..8_usize, rest in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let marks = [
            ORDERS[0].pcap(0xa1b2_c3d4, 1), ORDERS[1].pcap(0xa1b2_cd34, 1), ORDERS[0].section(), ORDERS[1].section(),
            vec![0x1f, 0x8b, 0x08], vec![0x28, 0xb5, 0x2f, 0xfd], vec![0x50, 0x2a, 0x4d, 0x18], vec![],
        ];
        let file = [&marks[mark][..], &rest].concat();
        let (packets, bytes, errors) = drained(&file[..]);
        // A file without a byte is an error, too.
        prop_assert!(errors <= file.len().max(1) as u64 && (mark >= 4 || packets * 12 + bytes <= file.len() as u64));
    }

    #[test]
    fn sound_files_with_a_few_wrong_bytes(
        which in 0..6_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = sound_files().swap_remove(which);
        for (at, value) in changes {
            let at = at.index(file.len());
            file[at] = value;
        }
        let (packets, bytes, _) = drained(&file[..]);
        prop_assert!(packets * 12 + bytes <= file.len() as u64);
        drained(&file[..cut.index(file.len())]);
    }

    #[test]
    fn extreme_values_in_every_field(which in 0..6_usize, word in any::<prop::sample::Index>(), value in prop::sample::select(
        vec![0, 1, 3, 4, 8, 11, 12, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff, 262_144, 266_240, 266_241],
    )) {
        let mut file = sound_files().swap_remove(which);
        let at = word.index(file.len() / 4) * 4;
        for order in ORDERS {
            file[at..at + 4].copy_from_slice(&order.u32(&[value]));
            drained(&file[..]);
        }
    }

    #[test]
    fn packed_files_with_a_few_wrong_bytes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let plain: Vec<u8> = sound_files().swap_remove(2);
        for mut packed in [gzip(&plain), zstd::encode_all(&plain[..], 3).unwrap()] {
            for (at, value) in &changes {
                let at = at.index(packed.len());
                packed[at] = *value;
            }
            drained(&packed[..]);
        }
    }
}

/// A stream of zeros behind a start, packed: about a thousandth of the size.
fn bomb(start: &[u8], zeros: u64) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(start).unwrap();
    io::copy(&mut io::repeat(0).take(zeros), &mut packed).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_bomb_of_empty_packets_is_streamed() {
    const ZEROS: u64 = 64 << 20;
    let packed = bomb(&Order::Little.pcap(0xa1b2_c3d4, 1), ZEROS);
    assert!((packed.len() as u64) < ZEROS / 200);
    assert_eq!(drained(&packed[..]), (ZEROS / 16, 0, 0));
}

#[test]
fn a_bomb_in_a_block_that_is_passed_over_is_streamed() {
    const ZEROS: u32 = 64 << 20;
    let order = Order::Little;
    let start = [order.section(), order.u32(&[0xbad, ZEROS + 12])].concat();
    assert_eq!(drained(&bomb(&start, u64::from(ZEROS))[..]), (0, 0, 1));
}

#[test]
fn a_zstd_window_above_the_limit_is_refused() {
    // A frame that asks for a window of 2 GiB (RFC 8878 section 3.1.1.1.2).
    let packed = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 0x01, 0x00, 0x00];
    let error = CaptureReader::new(&packed[..]).next().unwrap_err();
    assert!(matches!(error, ReplayError::Read { .. }), "{error}");
}
