//! Every feature of the capture formats, in both byte orders, from files put together field by field.

use crate::crafted::{ORDERS, Order, padded, read, read_up_to, read_whole};
use packet_io::replay::{CaptureReader, CaptureWriter, Fault, ReplayError};
use packet_io::{Link, PacketMeta};

fn meta(timestamp_ns: u64, wire_len: u32, link_type: u16) -> PacketMeta {
    PacketMeta { timestamp_ns, wire_len, link: Link::new(link_type), ..PacketMeta::default() }
}

fn only_fault(errors: &[ReplayError]) -> (u64, u64, Fault) {
    let [ReplayError::Damaged { offset, packet, fault, .. }] = errors else { panic!("{errors:?}") };
    (*offset, *packet, *fault)
}

#[test]
fn pcap_in_microseconds_and_nanoseconds() {
    for order in ORDERS {
        for (magic, unit) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1)] {
            let file =
                [order.pcap(magic, 113), order.record((7, 42), b"first"), order.record((8, 0), b"")].concat();
            let first = meta(7_000_000_000 + 42 * unit, 5, 113);
            assert_eq!(
                read_whole(&file),
                [(b"first".to_vec(), first), (vec![], meta(8_000_000_000, 0, 113))]
            );
        }
    }
}

#[test]
fn a_pcap_packet_cut_by_the_snap_length_keeps_its_wire_length() {
    for order in ORDERS {
        let cut = [order.u32(&[0, 0, 3, 1_500]), b"abc".to_vec()].concat();
        let file = [order.pcap(0xa1b2_c3d4, 1), cut].concat();
        assert_eq!(read_whole(&file), [(b"abc".to_vec(), meta(0, 1_500, 1))]);
    }
}

#[test]
fn the_modified_pcap_has_a_longer_record_header() {
    for order in ORDERS {
        let record = [order.u32(&[1, 2, 3, 3]), order.u32(&[9, 0x0800_0400]), b"abc".to_vec()].concat();
        let file = [order.pcap(0xa1b2_cd34, 1), record.clone(), record].concat();
        assert_eq!(read_whole(&file), vec![(b"abc".to_vec(), meta(1_000_002_000, 3, 1)); 2]);
    }
}

#[test]
fn the_upper_half_of_the_link_type_is_the_check_sequence() {
    for order in ORDERS {
        // Two units of two bytes, said to be known.
        let file = [order.pcap(0xa1b2_c3d4, 0x2400_0001), order.record((0, 0), b"framecrc!")].concat();
        assert_eq!(read_whole(&file), [(b"frame".to_vec(), meta(0, 5, 1))]);
        // The same, said to be unknown; reserved bits are passed over.
        let file = [order.pcap(0xa1b2_c3d4, 0x2345_0001), order.record((0, 0), b"framecrc!")].concat();
        assert_eq!(read_whole(&file), [(b"framecrc!".to_vec(), meta(0, 9, 1))]);
    }
}

#[test]
fn old_pcap_versions_have_their_lengths_the_other_way_round() {
    for order in ORDERS {
        let swapped = [order.u32(&[0, 0, 60, 3]), b"abc".to_vec()].concat();
        let straight = [order.u32(&[0, 0, 3, 60]), b"abc".to_vec()].concat();
        let expected = [(b"abc".to_vec(), meta(0, 60, 1))];
        for (version, record) in
            [((2, 2), &swapped), ((543, 0), &swapped), ((2, 3), &swapped), ((2, 3), &straight)]
        {
            let file = [order.pcap_of_version(0xa1b2_c3d4, version, 1), record.clone()].concat();
            assert_eq!(read_whole(&file), expected, "{version:?}");
        }
        let file = [order.pcap_of_version(0xa1b2_c3d4, (3, 0), 1), straight].concat();
        assert_eq!(only_fault(&read(&file).errors), (0, 1, Fault::PcapVersion { major: 3, minor: 0 }));
    }
}

#[test]
fn pcapng_with_several_interfaces_of_different_link_types() {
    for order in ORDERS {
        let nanoseconds = order.option(9, &[9]);
        let file = [
            order.section(),
            order.interface(1, 0, &[order.option(2, b"eth0"), nanoseconds, order.option(0, b"")].concat()),
            order.interface(101, 0, &[]),
            order.enhanced(1, 5_000_001, b"raw", &[]),
            order.enhanced(0, (1 << 32) + 7, b"ethernet", &[]),
        ]
        .concat();
        let contents = read(&file);
        assert!(contents.errors.is_empty(), "{:?}", contents.errors);
        assert_eq!(contents.interfaces, ["eth0", "capture#1"]);
        let raw = PacketMeta { interface: 1, ..meta(5_000_001_000, 3, 101) };
        let ethernet = meta((1 << 32) + 7, 8, 1);
        assert_eq!(contents.packets, [(b"raw".to_vec(), raw), (b"ethernet".to_vec(), ethernet)]);
    }
}

#[test]
fn timestamp_resolution_and_offset_are_taken_per_interface() {
    for order in ORDERS {
        let options = |resolution: u8, offset: i64| {
            [order.option(9, &[resolution]), order.option(14, &order.i64(offset))].concat()
        };
        let file = [
            order.section(),
            order.interface(1, 0, &options(0x80 | 10, 0)),
            order.interface(1, 0, &options(3, 1_000_000_000)),
            order.interface(1, 0, &options(12, -1)),
            order.interface(1, 0, &options(0, i64::MAX)),
            order.enhanced(0, 1_536, b"", &[]),
            order.enhanced(1, 25, b"", &[]),
            order.enhanced(2, 500, b"", &[]),
            order.enhanced(3, u64::MAX, b"", &[]),
        ]
        .concat();
        let times: Vec<u64> = read_whole(&file).iter().map(|(_, meta)| meta.timestamp_ns).collect();
        assert_eq!(times, [1_500_000_000, 1_000_000_000_025_000_000, 0, u64::MAX]);
    }
}

#[test]
fn simple_packets_belong_to_the_first_interface_and_its_snap_length() {
    for order in ORDERS {
        let file = [
            order.section(),
            order.interface(1, 6, &[]),
            order.interface(101, 0, &[]),
            order.simple(5, b"whole"),
            order.enhanced(1, 9, b"timed", &[]),
            order.simple(1_500, &padded(b"cut at")),
        ]
        .concat();
        let packets = read_whole(&file);
        assert_eq!(packets[0], (b"whole".to_vec(), meta(0, 5, 1)));
        // The third has the time of the second, having none of its own.
        assert_eq!(packets[2], (b"cut at".to_vec(), meta(9_000, 1_500, 1)));
    }
}

#[test]
fn the_old_packet_block_is_read() {
    for order in ORDERS {
        let fields = [order.u16(1), order.u16(0xffff), order.u32(&[0, 3, 4, 64])].concat();
        let file = [
            order.section(),
            order.interface(1, 0, &[]),
            order.interface(101, 0, &[]),
            order.block(2, &[fields, b"data".to_vec()].concat()),
        ]
        .concat();
        let expected = PacketMeta { interface: 1, ..meta(3_000, 64, 101) };
        assert_eq!(read_whole(&file), [(b"data".to_vec(), expected)]);
    }
}

#[test]
fn unknown_blocks_and_options_are_passed_over() {
    for order in ORDERS {
        let strange = [order.option(999, b"x"), order.option(2_988, b"custom")].concat();
        let file = [
            order.section(),
            order.block(4, b"names"),
            order.interface(
                1,
                0,
                &[strange.clone(), order.option(2, b"a"), order.option(9, b"too long")].concat(),
            ),
            order.block(0xbad, &[7; 301]),
            order.block(10, &vec![1; 500_000]),
            order.enhanced(0, 1, b"packet", &strange),
            order.block(5, &[0; 12]),
        ]
        .concat();
        assert_eq!(read_whole(&file), [(b"packet".to_vec(), meta(1_000, 6, 1))]);
    }
}

#[test]
fn a_new_section_may_change_the_byte_order_and_starts_without_interfaces() {
    let part = |order: Order, name: &[u8]| {
        [order.section(), order.interface(1, 0, &order.option(2, name)), order.enhanced(0, 1, name, &[])]
            .concat()
    };
    let file =
        [part(Order::Little, b"eth0"), part(Order::Big, b"eth1"), part(Order::Little, b"eth0")].concat();
    let contents = read(&file);
    assert!(contents.errors.is_empty(), "{:?}", contents.errors);
    let numbers: Vec<u16> = contents.packets.iter().map(|(_, meta)| meta.interface).collect();
    assert_eq!((numbers, contents.interfaces), (vec![0, 1, 0], vec!["eth0".to_owned(), "eth1".to_owned()]));

    let file =
        [part(Order::Little, b"eth0"), Order::Big.section(), Order::Big.enhanced(0, 1, b"x", &[])].concat();
    let contents = read(&file);
    assert_eq!(contents.packets.len(), 1);
    assert_eq!(only_fault(&contents.errors).2, Fault::UnknownInterface { id: 0, known: 0 });
}

#[test]
fn the_check_sequence_of_pcapng_is_taken_off_by_interface_or_by_packet() {
    for order in ORDERS {
        let flags = |fcs: u32| order.option(2, &order.u32(&[fcs << 5 | 1]));
        let file = [
            order.section(),
            order.interface(1, 0, &order.option(13, &[32])),
            order.enhanced(0, 0, b"frame1234", &[]),
            order.enhanced(0, 0, b"frame12", &flags(2)),
            order.enhanced(0, 0, b"frame1234", &flags(0)),
        ]
        .concat();
        assert_eq!(read_whole(&file), vec![(b"frame".to_vec(), meta(0, 5, 1)); 3]);
    }
}

#[test]
fn a_packet_with_options_longer_than_any_buffer_is_read() {
    for order in ORDERS {
        let comments: Vec<u8> = (0..20).flat_map(|_| order.option(1, &[b'c'; 65_000])).collect();
        let file = [
            order.section(),
            order.interface(1, 0, &comments),
            order.enhanced(0, 1, b"first", &comments),
            order.enhanced(0, 2, b"second", &[]),
        ]
        .concat();
        assert_eq!(
            read_whole(&file),
            [(b"first".to_vec(), meta(1_000, 5, 1)), (b"second".to_vec(), meta(2_000, 6, 1)),]
        );
    }
}

#[test]
fn a_faulty_packet_in_a_sound_block_does_not_end_the_file() {
    for order in ORDERS {
        let good = order.enhanced(0, 1, b"good", &[]);
        let start = [order.section(), order.interface(1, 0, &[])].concat();
        let lying = order.block(6, &[order.u32(&[0, 0, 0, 400, 400]), vec![0; 8]].concat());
        let long = order.enhanced(0, 0, &[0; 2_000], &[]);
        for (bad, fault) in [
            (order.enhanced(3, 0, b"x", &[]), Fault::UnknownInterface { id: 3, known: 1 }),
            (lying, Fault::PacketBeyondBlock { captured: 400, block: 40 }),
            (long, Fault::PacketTooLong { len: 2_000, limit: 1_000 }),
            (order.block(6, &[0; 4]), Fault::BlockTooShort { block_type: 6, len: 16 }),
            (order.block(2, &[]), Fault::BlockTooShort { block_type: 2, len: 12 }),
            (order.block(3, &[]), Fault::BlockTooShort { block_type: 3, len: 12 }),
            (order.block(1, &[]), Fault::BlockTooShort { block_type: 1, len: 12 }),
        ] {
            let file = [&start[..], &good, &bad, &good].concat();
            let contents = read_up_to(&file, 1_000);
            assert_eq!(contents.packets.len(), 2, "{fault}");
            assert_eq!(only_fault(&contents.errors), ((start.len() + good.len()) as u64, 2, fault));
        }
    }
}

#[test]
fn damage_that_hides_the_next_record_ends_the_file_there() {
    for order in ORDERS {
        let start = [order.section(), order.interface(1, 0, &[])].concat();
        let good = order.enhanced(0, 1, b"good", &[]);
        let with_lengths = |head: u32, tail: u32| {
            let mut block = good.clone();
            let end = block.len() - 4;
            block.splice(4..8, order.u32(&[head]));
            block.splice(end.., order.u32(&[tail]));
            block
        };
        let len = good.len() as u32;
        let no_magic = order.block(0x0a0d_0d0a, &[1; 16]);
        let version = [order.u32(&[0x1a2b_3c4d]), order.u16(9), order.u16(1), vec![0xff; 8]].concat();
        for (bad, fault) in [
            (with_lengths(0, 0), Fault::BlockLength { len: 0 }),
            (with_lengths(8, 8), Fault::BlockLength { len: 8 }),
            (with_lengths(len + 1, len), Fault::BlockLength { len: len + 1 }),
            (with_lengths(u32::MAX, len), Fault::BlockLength { len: u32::MAX }),
            (with_lengths(len, len + 4), Fault::BlockLengthsDiffer { head: len, tail: len + 4 }),
            (no_magic, Fault::ByteOrderMagic { magic: 0x0101_0101 }),
            (order.block(0x0a0d_0d0a, &version), Fault::SectionVersion { major: 9, minor: 1 }),
        ] {
            let contents = read(&[&start[..], &good, &bad, &good].concat());
            assert_eq!(contents.packets.len(), 1, "{fault}");
            assert_eq!(only_fault(&contents.errors), ((start.len() + good.len()) as u64, 2, fault));
        }
        let good = order.record((0, 0), b"good");
        let bad = [order.u32(&[0, 0, u32::MAX, u32::MAX]), vec![0; 64]].concat();
        let contents = read(&[order.pcap(0xa1b2_c3d4, 1), good.clone(), bad, good].concat());
        let fault = Fault::PacketTooLong { len: u32::MAX, limit: packet_io::replay::MAX_PACKET };
        assert_eq!((contents.packets.len(), only_fault(&contents.errors)), (1, (44, 2, fault)));
    }
}

#[test]
fn a_block_that_claims_gigabytes_is_told_as_cut_short() {
    for order in ORDERS {
        let claim = [order.u32(&[0xbad, 0xffff_fffc]), vec![0; 100]].concat();
        let file = [order.section(), claim].concat();
        let (offset, packet, fault) = only_fault(&read(&file).errors);
        assert_eq!((offset, packet), (order.section().len() as u64, 1));
        assert_eq!(fault, Fault::Truncated { missing: 0xffff_fffc - 4 - 108 });
    }
}

#[test]
fn more_interfaces_than_any_capture_has_are_refused_without_growing() {
    let order = Order::Little;
    let mut file = order.section();
    for _ in 0..20_000 {
        file.extend_from_slice(&order.interface(1, 0, &[]));
    }
    file.extend_from_slice(&order.enhanced(16_383, 1, b"known", &[]));
    file.extend_from_slice(&order.enhanced(16_384, 1, b"unknown", &[]));
    let contents = read(&file);
    assert_eq!(contents.packets.len(), 1);
    assert_eq!(contents.errors.len(), 20_000 - 16_384 + 1);
    assert!(contents.interfaces.len() <= 4_096);
}

#[test]
fn what_is_no_capture_is_told_so() {
    for start in [&b""[..], b"a", b"\n\r\r", b"{\"a\":1}", b"\xd4\xc3\xb2\xa2aaaaaaaaaaaa"] {
        let contents = read(start);
        let [error @ ReplayError::NotACapture { .. }] = &contents.errors[..] else {
            panic!("{:?}", contents.errors)
        };
        assert!(error.to_string().contains("not a capture file"), "{error}");
    }
}

#[test]
fn packets_longer_than_a_read_and_at_the_limit_are_whole() {
    let order = Order::Little;
    let packet: Vec<u8> = (0..packet_io::replay::MAX_PACKET).map(|at| at as u8).collect();
    let mut pcap = order.pcap(0xa1b2_c3d4, 1);
    let mut pcapng = [order.section(), order.interface(1, 0, &[])].concat();
    for len in [packet.len(), 1, packet.len() - 1, packet.len(), 65_535, packet.len()] {
        pcap.extend_from_slice(&order.record((0, 0), &packet[..len]));
        pcapng.extend_from_slice(&order.enhanced(0, 0, &packet[..len], &[]));
    }
    for file in [pcap, pcapng] {
        let packets = read_whole(&file);
        assert_eq!(packets.len(), 6);
        assert!(packets.iter().all(|(bytes, _)| packet.starts_with(bytes)));
    }
}

#[test]
fn what_the_writer_wrote_is_read_back() {
    let mut writer = CaptureWriter::new(Vec::new(), 147).unwrap();
    let expected: Vec<(Vec<u8>, PacketMeta)> = (0..1_000_u32)
        .map(|number| {
            (number.to_le_bytes().repeat(number as usize % 40), meta(u64::from(number) << 40, 2_000, 147))
        })
        .collect();
    for (bytes, meta) in &expected {
        writer.write(bytes, meta).unwrap();
    }
    let file = writer.finish().unwrap();
    assert_eq!(read_whole(&file), expected);
    let mut reader = CaptureReader::new(&file[..]);
    while reader.next().unwrap().is_some() {}
    assert_eq!((reader.bytes_read(), reader.packets()), (file.len() as u64, 1_000));
}
