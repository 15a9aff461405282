use proptest::prelude::*;

use super::*;

fn chunk(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len() + 4).unwrap();
    let mut bytes = [&[kind, flags][..], &len.to_be_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn data_chunk(flags: u8, tsn: u32, ppid: u32, bytes: &[u8]) -> Vec<u8> {
    chunk(0, flags, &[&tsn.to_be_bytes()[..], &[0, 1, 0, 0], &ppid.to_be_bytes(), bytes].concat())
}

fn interleaved_chunk(flags: u8, tsn: u32, mid: u8, number: u32, bytes: &[u8]) -> Vec<u8> {
    let head = [&tsn.to_be_bytes()[..], &[0, 1, 0, 0, 0, 0, 0, mid], &number.to_be_bytes()].concat();
    chunk(64, flags, &[&head[..], bytes].concat())
}

/// Messages that a packet completes.
fn take(lane: &mut Lane, packet: &[u8], buffers: &mut Buffers) -> Vec<(u32, Vec<u8>)> {
    let counters = Counters::default();
    let mut messages = Vec::new();
    for chunk in Chunks::new(packet) {
        match chunk {
            Chunk::Data(fragment) => {
                let Some(message) = lane.accept(fragment, buffers, &counters) else { continue };
                let bytes = match message.bytes {
                    MessageBytes::Lent(bytes) => bytes.to_vec(),
                    MessageBytes::Joined(bytes) => {
                        let copy = bytes.clone();
                        buffers.release(bytes);
                        copy
                    }
                };
                messages.push((message.ppid, bytes));
            }
            Chunk::Opening(first) => lane.open(Some(first), buffers),
            Chunk::Other => {}
        }
    }
    messages
}

#[test]
fn bundled_messages_are_told_apart_and_padding_is_no_part_of_them() {
    let mut buffers = Buffers::new(1 << 20);
    let packet =
        [chunk(3, 0, &[0; 12]), data_chunk(3, 7, 3, b"one"), data_chunk(0x0b, 8, 46, b"second")].concat();
    let taken = take(&mut Lane::default(), &packet, &mut buffers);
    assert_eq!(taken, [(3, b"one".to_vec()), (46, b"second".to_vec())]);
}

#[test]
fn fragments_are_joined_in_any_order_and_a_retransmission_says_nothing_again() {
    let mut buffers = Buffers::new(1 << 20);
    let mut lane = Lane::default();
    let pieces = [
        data_chunk(0, u32::MAX, 18, b"two,"),
        data_chunk(1, 0, 18, b"three"),
        data_chunk(2, u32::MAX - 1, 18, b"one,"),
    ];
    assert!(take(&mut lane, &pieces[0], &mut buffers).is_empty());
    assert!(take(&mut lane, &pieces[1], &mut buffers).is_empty());
    assert_eq!(take(&mut lane, &pieces[2], &mut buffers), [(18, b"one,two,three".to_vec())]);
    assert!(take(&mut lane, &pieces.concat(), &mut buffers).is_empty());
    assert_eq!((lane.held_bytes, buffers.held()), (0, 0));
}

#[test]
fn interleaved_messages_are_joined_each_by_its_identifier() {
    let mut buffers = Buffers::new(1 << 20);
    let packet = [
        interleaved_chunk(2, 1, 0, 60, b"a"),
        interleaved_chunk(2, 2, 1, 61, b"x"),
        interleaved_chunk(1, 3, 0, 1, b"b"),
        interleaved_chunk(0, 4, 1, 1, b"y"),
        interleaved_chunk(1, 5, 1, 2, b"z"),
    ];
    let taken = take(&mut Lane::default(), &packet.concat(), &mut buffers);
    assert_eq!(taken, [(60, b"ab".to_vec()), (61, b"xyz".to_vec())]);
}

#[test]
fn a_second_association_between_the_same_ends_begins_anew() {
    let mut buffers = Buffers::new(1 << 20);
    let mut lane = Lane::default();
    let init = |first: u32| chunk(1, 0, &[&[0; 12][..], &first.to_be_bytes()].concat());
    let packet = [init(100), data_chunk(3, 100, 3, b"x")].concat();
    for _ in 0..2 {
        assert_eq!(take(&mut lane, &packet, &mut buffers).len(), 1);
    }
}

#[test]
fn a_message_that_the_capture_cut_says_how_much_is_missing() {
    let packet = data_chunk(3, 7, 3, b"0123456789ab");
    let Some(Chunk::Data(fragment)) = Chunks::new(&packet[..20]).next() else { panic!("a data chunk") };
    assert_eq!((fragment.bytes, fragment.missing), (&b"0123"[..], 8));
}

#[test]
fn what_waits_is_bounded() {
    let mut buffers = Buffers::new(1 << 20);
    let mut lane = Lane::default();
    for tsn in 0..2_000 {
        let len = if tsn < 1_000 { 10 } else { 9_000 };
        take(&mut lane, &data_chunk(0, tsn * 2, 3, &vec![1; len]), &mut buffers);
        assert!(lane.fragments.len() <= FRAGMENTS_MAX && lane.held_bytes <= FRAGMENT_BYTES_MAX);
        assert_eq!(lane.held_bytes, buffers.held());
    }
}

proptest! {
    #[test]
    fn any_order_of_fragments_gives_the_message(
        cuts in prop::collection::vec(1_usize..40, 2..30),
        first in any::<u32>(),
        swaps in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..40),
    ) {
        let mut buffers = Buffers::new(1 << 20);
        let whole: Vec<u8> = (0..cuts.iter().sum::<usize>()).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let mut at = 0;
        let mut pieces: Vec<_> = cuts.iter().enumerate().map(|(number, len)| {
            let flags = if number == 0 { 2 } else { u8::from(number + 1 == cuts.len()) };
            at += len;
            data_chunk(flags, first.wrapping_add(u32::try_from(number).unwrap()), 60, &whole[at - len..at])
        }).collect();
        for (a, b) in swaps {
            let len = pieces.len();
            pieces.swap(a.index(len), b.index(len));
        }
        let taken = take(&mut Lane::default(), &pieces.concat(), &mut buffers);
        prop_assert_eq!(taken, [(60, whole)]);
        prop_assert_eq!(buffers.held(), 0);
    }

    #[test]
    fn anything_is_survived(packets in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..20)) {
        let mut buffers = Buffers::new(1 << 16);
        let mut association = Association::default();
        for mut packet in packets {
            if let Some(kind) = packet.first_mut() {
                *kind = [0, 64, 1][usize::from(*kind) % 3];
            }
            take(association.lane(crate::record::Direction::ToServer), &packet, &mut buffers);
        }
        association.clear(&mut buffers);
        prop_assert_eq!(buffers.held(), 0);
    }
}
