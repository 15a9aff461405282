use super::*;
use crate::BURST;
use crate::Link;
use crate::replay::CaptureWriter;

/// Two IPv4 packets, one in each direction of a flow, ten seconds apart.
fn two_directions() -> Vec<(Vec<u8>, PacketMeta)> {
    let (a, b) = ([10, 0, 0, 1], [10, 0, 0, 2]);
    [(a, b, 5), (b, a, 15)]
        .map(|(source, destination, seconds)| {
            let ip = [&[0x45, 0, 0, 20, 0, 0, 0, 0, 64, 17, 0, 0][..], &source, &destination].concat();
            let packet = [&[0; 12][..], &[8, 0], &ip].concat();
            (
                packet,
                PacketMeta {
                    timestamp_ns: seconds * 1_000_000_000,
                    link: Link::ETHERNET,
                    ..PacketMeta::default()
                },
            )
        })
        .to_vec()
}

fn all_sent(memory: &mut Memory) -> Vec<Sent> {
    let mut burst = Burst::new();
    while !memory.is_exhausted() {
        memory.receive(&mut burst);
        memory.transmit(&mut burst);
    }
    memory.take_sent()
}

fn options(loops: u64, vary: Vary) -> MemoryOptions {
    MemoryOptions { loops: Some(loops), vary, ..MemoryOptions::default() }
}

#[test]
fn rounds_repeat_the_packets_while_time_goes_on() {
    let packets = two_directions();
    let mut memory = Memory::new(packets.clone(), options(100, Vary::Nothing)).collecting();
    let sent = all_sent(&mut memory);
    assert_eq!(sent.len(), 200);
    for (number, sent) in sent.iter().enumerate() {
        assert_eq!(sent.bytes, packets[number % 2].0);
        assert_eq!(sent.meta.timestamp_ns, 5_000_000_000 + 10_000_000_000 * number as u64);
    }
    let stats = memory.stats();
    assert_eq!(
        (stats.rx_packets, stats.tx_packets, stats.rx_bytes, stats.tx_bytes),
        (200, 200, 6_800, 6_800)
    );
}

#[test]
fn every_round_has_its_own_flow_and_both_directions_share_it() {
    let mut memory = Memory::new(two_directions(), options(1_000, Vary::Addresses)).collecting();
    let mut flows = std::collections::BTreeSet::new();
    for pair in all_sent(&mut memory).chunks(2) {
        let (there, back) = (&pair[0].bytes[26..34], &pair[1].bytes[26..34]);
        assert_eq!((&there[..4], &there[4..]), (&back[4..], &back[..4]));
        flows.insert(there.to_vec());
    }
    assert_eq!(flows.len(), 1_000);
}

/// 600 rounds of two packets, some of which are overwritten; what is sent in the rounds after.
fn sent_after_overwriting(changed: Changed, vary: Vary, is_overwritten: fn(u64) -> bool) -> Vec<Sent> {
    let mut memory =
        Memory::new(two_directions(), MemoryOptions { changed, ..options(600, vary) }).collecting();
    let mut burst = Burst::new();
    let mut number = 0;
    while !memory.is_exhausted() {
        memory.receive(&mut burst);
        for buf in burst.bufs_mut() {
            if is_overwritten(number / 2) {
                buf.bytes_mut().fill(0xee);
            }
            number += 1;
        }
        memory.transmit(&mut burst);
    }
    memory.take_sent()
}

#[test]
fn a_changed_packet_gets_its_bytes_back_and_the_addresses_of_its_round() {
    for vary in [Vary::Nothing, Vary::Addresses] {
        let untouched = sent_after_overwriting(Changed::Restore, vary, |_| false);
        assert_eq!(untouched.len(), 1_200);
        let touched = sent_after_overwriting(Changed::Restore, vary, |round| round < 270 && round % 7 == 0);
        assert_eq!(touched[540..], untouched[540..]);
        assert_ne!(touched[..540], untouched[..540]);
        let kept = sent_after_overwriting(Changed::Keep, vary, |round| round < 256);
        assert!(kept.iter().all(|sent| sent.bytes[0] == 0xee));
    }
}

#[test]
fn a_packet_that_is_out_is_waited_for() {
    let packets = (0..LEAST_PACKETS).map(|number| (number.to_le_bytes(), PacketMeta::default()));
    let mut memory = Memory::new(packets, options(2, Vary::Nothing));
    let (mut first, mut burst) = (Burst::new(), Burst::new());
    memory.receive(&mut first);
    assert_eq!(first.len(), BURST);
    for _ in 1..LEAST_PACKETS / BURST {
        memory.receive(&mut burst);
        assert_eq!(burst.len(), BURST);
        burst.clear();
    }
    memory.receive(&mut burst);
    assert!(burst.is_empty() && !memory.is_exhausted());
    first.drain(3).for_each(drop);
    memory.receive(&mut burst);
    assert_eq!((burst.len(), burst.bufs()[2].bytes()), (3, &2_usize.to_le_bytes()[..]));
    drop(first);
    memory.receive(&mut burst);
    assert_eq!((burst.len(), burst.bufs()[3].bytes()), (BURST, &3_usize.to_le_bytes()[..]));
}

#[test]
fn packets_outlive_their_memory_and_may_be_dropped_elsewhere() {
    let mut memory = Memory::new(two_directions(), MemoryOptions::default());
    let mut burst = Burst::new();
    memory.receive(&mut burst);
    drop(memory);
    let expected = two_directions();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            assert!(burst.bufs().iter().zip(&expected).all(|(buf, (bytes, _))| buf.bytes() == bytes));
        });
    });
}

#[test]
fn packets_start_on_cache_lines() {
    let packets = (0..10_usize).map(|len| (vec![7; len * 33], PacketMeta::default()));
    let mut memory = Memory::new(packets, MemoryOptions::default());
    let mut burst = Burst::new();
    memory.receive(&mut burst);
    assert_eq!(burst.len(), 10);
    assert!(burst.bufs().iter().all(|buf| buf.bytes().as_ptr().addr().is_multiple_of(64)));
}

#[test]
fn no_packets_or_no_rounds_are_the_end_at_once() {
    let none: [(&[u8], PacketMeta); 0] = [];
    let mut memory = Memory::new(none, MemoryOptions { loops: None, ..MemoryOptions::default() });
    let mut burst = Burst::new();
    memory.receive(&mut burst);
    assert!(memory.is_exhausted() && memory.is_empty() && burst.is_empty());
    assert!(Memory::new(two_directions(), options(0, Vary::Nothing)).is_exhausted());
}

#[test]
fn a_capture_is_taken_up_to_the_limit() {
    let mut writer = CaptureWriter::new(Vec::new(), 1).unwrap();
    for number in 0..100_u8 {
        writer.write(&[number; 10], &PacketMeta::default()).unwrap();
    }
    let file = writer.finish().unwrap();
    let taken =
        |most| Memory::from_capture(&mut CaptureReader::new(&file[..]), most, MemoryOptions::default());
    assert_eq!(taken(usize::MAX).unwrap().len(), 100);
    assert_eq!(taken(55).unwrap().len(), 5);
    let cut = &file[..file.len() - 1];
    assert!(
        Memory::from_capture(&mut CaptureReader::new(cut), usize::MAX, MemoryOptions::default()).is_err()
    );
}

#[test]
fn few_packets_fill_bursts_all_the_same() {
    let packets = (0..5_u8).map(|number| ([number; 20], PacketMeta::default()));
    let mut memory = Memory::new(packets, options(20, Vary::Nothing));
    let mut burst = Burst::new();
    memory.receive(&mut burst);
    assert_eq!(burst.len(), BURST);
    assert!(burst.bufs().iter().zip((0..5).cycle()).all(|(buf, number)| buf.bytes() == [number; 20]));
}
