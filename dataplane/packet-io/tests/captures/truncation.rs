//! Captures cut at every byte: every packet that is whole is read, and the rest is told with its place.

use std::io::Write;

use crate::crafted::{ORDERS, read};
use packet_io::replay::{Fault, Layer, ReplayError};

/// A part of a file: how many bytes of it make its packet readable, where it has one.
struct Part {
    bytes: Vec<u8>,
    readable_at: Option<usize>,
}

fn whole(bytes: Vec<u8>) -> Part {
    Part { readable_at: Some(bytes.len()), bytes }
}

fn no_packet(bytes: Vec<u8>) -> Part {
    Part { bytes, readable_at: None }
}

/// Cuts the file at every byte and compares with what must be readable then.
fn cut_everywhere(parts: &[Part]) {
    let file: Vec<u8> = parts.iter().flat_map(|part| part.bytes.clone()).collect();
    for cut in 0..=file.len() {
        let (mut start, mut readable, mut record) = (0, 0, None);
        for part in parts {
            readable += usize::from(part.readable_at.is_some_and(|at| start + at <= cut));
            if start < cut && cut < start + part.bytes.len() {
                record = Some(start as u64);
            }
            start += part.bytes.len();
        }
        let contents = read(&file[..cut]);
        assert_eq!(contents.packets.len(), readable, "cut at {cut}");
        match (&contents.errors[..], record) {
            ([ReplayError::NotACapture { .. }], _) if cut < 4 => {}
            ([], None) => {}
            (
                [ReplayError::Damaged { offset, packet, fault: Fault::Truncated { missing }, .. }],
                Some(start),
            ) => {
                assert_eq!((*offset, *packet), (start, readable as u64 + 1), "cut at {cut}");
                assert!(*missing > 0 && cut as u64 + missing <= file.len() as u64, "cut at {cut}: {missing}");
            }
            (errors, _) => panic!("cut at {cut}: {errors:?}"),
        }
    }
}

#[test]
fn a_pcap_file_cut_anywhere() {
    for order in ORDERS {
        cut_everywhere(&[
            no_packet(order.pcap(0xa1b2_3c4d, 1)),
            whole(order.record((1, 2), b"some bytes")),
            whole(order.record((1, 2), b"")),
            whole(order.record((3, 4), &[7; 70])),
        ]);
    }
}

#[test]
fn a_pcapng_file_cut_anywhere() {
    for order in ORDERS {
        // The bytes of a packet are readable before the options and the second length of its block.
        let enhanced = order.enhanced(0, 1, b"thirteenbytes", &order.option(1, b"a comment"));
        let fields = [order.u16(0), order.u16(0), order.u32(&[0, 3, 4, 64])].concat();
        cut_everywhere(&[
            no_packet(order.section()),
            no_packet(order.interface(1, 0, &[order.option(2, b"eth0"), order.option(9, &[9])].concat())),
            Part { readable_at: Some(28 + 13), bytes: enhanced },
            no_packet(order.block(0xbad, &[1; 17])),
            Part { readable_at: Some(12 + 4), bytes: order.simple(4, b"four") },
            Part { readable_at: Some(28 + 4), bytes: order.block(2, &[fields, b"data".to_vec()].concat()) },
            no_packet(order.section()),
        ]);
    }
}

#[test]
fn packed_files_cut_anywhere_give_what_can_be_unpacked() {
    let order = ORDERS[0];
    let mut file = order.pcap(0xa1b2_c3d4, 1);
    for number in 0..200_u32 {
        file.extend_from_slice(&order.record((number, 0), &number.to_le_bytes().repeat(9)));
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&file).unwrap();
    let packings =
        [(Layer::Gzip, gzip.finish().unwrap()), (Layer::Zstd, zstd::encode_all(&file[..], 3).unwrap())];
    for (expected, packed) in &packings {
        assert_eq!(read(packed).packets.len(), 200, "{expected:?}");
        assert!(read(packed).errors.is_empty(), "{expected:?}");
        let mut most = 0;
        for cut in 4..packed.len() {
            let contents = read(&packed[..cut]);
            assert!(contents.packets.len() >= most, "{expected:?} cut at {cut}");
            most = contents.packets.len();
            let [ReplayError::Read { layer, packet, .. }] = &contents.errors[..] else {
                panic!("{expected:?} cut at {cut} of {}: {:?}", packed.len(), contents.errors);
            };
            assert_eq!((layer, *packet), (expected, most as u64 + 1), "cut at {cut}");
        }
    }
}
