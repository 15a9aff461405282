//! Capture files played as a source of packets.

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use packet_io::replay::{Fault, Pacing, Progress, Replay, ReplayError, ReplayOptions, Speed};
use packet_io::{Burst, PacketBuf, PacketIo, PacketMeta};

use crate::crafted::Order;

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("packet-io-{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A pcap file with one packet a second from `first` on, each holding its number.
fn pcap(first: u32, count: u32) -> Vec<u8> {
    let order = Order::Little;
    let records = (first..first + count).flat_map(|number| order.record((number, 0), &number.to_le_bytes()));
    order.pcap(0xa1b2_c3d4, 1).into_iter().chain(records).collect()
}

/// Everything that comes until the end: numbers of the packets, and their metas.
fn played(replay: &mut Replay) -> Vec<(u32, PacketMeta)> {
    let (mut all, mut burst) = (Vec::new(), Burst::new());
    while !replay.is_exhausted() {
        replay.receive(&mut burst);
        all.extend(
            burst
                .drain(usize::MAX)
                .map(|(buf, meta)| (u32::from_le_bytes(buf.bytes().try_into().unwrap()), meta)),
        );
    }
    all
}

fn numbers(played: &[(u32, PacketMeta)]) -> Vec<u32> {
    played.iter().map(|(number, _)| *number).collect()
}

#[test]
fn files_are_played_in_order_and_damage_does_not_stop_the_next() {
    let folder = Folder::new("order");
    let mut cut = pcap(10, 5);
    cut.truncate(24 + 3 * 20 - 1);
    let paths = [
        folder.file("first.pcap", &pcap(0, 3)),
        folder.file("cut.pcap", &cut),
        folder.file("text.pcap", b"not a capture"),
        folder.0.join("missing.pcap"),
        folder.file("last.pcap.zst", &zstd::encode_all(&pcap(20, 2)[..], 1).unwrap()),
    ];
    let mut replay = Replay::open(&paths, ReplayOptions::default()).unwrap();
    let all = played(&mut replay);
    assert_eq!(numbers(&all), [0, 1, 2, 10, 11, 20, 21]);
    assert_eq!(all.iter().map(|(_, meta)| meta.interface).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 2, 2]);
    assert_eq!(replay.interfaces(), ["first", "cut", "last"]);
    let errors = replay.take_errors();
    let [
        ReplayError::Open { file, .. },
        ReplayError::Damaged { file: cut, offset: 64, packet: 3, fault: Fault::Truncated { missing: 1 } },
        ReplayError::NotACapture { .. },
    ] = &errors[..]
    else {
        panic!("{errors:?}")
    };
    assert!(file.ends_with("missing.pcap") && cut.ends_with("cut.pcap"));
    assert!(replay.take_errors().is_empty());
    let stats = replay.stats();
    assert_eq!((stats.rx_packets, stats.rx_bytes, stats.rx_errors), (7, 28, 3));
    let Progress { bytes_read, bytes_total } = replay.progress();
    assert_eq!(Some(bytes_read), bytes_total);
}

#[test]
fn time_goes_on_when_files_are_played_again() {
    let folder = Folder::new("loops");
    let paths = [folder.file("a.pcap", &pcap(100, 2)), folder.file("b.pcap", &pcap(102, 2))];
    let mut replay =
        Replay::open(&paths, ReplayOptions { loops: Some(3), ..ReplayOptions::default() }).unwrap();
    let all = played(&mut replay);
    assert_eq!(numbers(&all), [100, 101, 102, 103].repeat(3));
    let seconds: Vec<u64> = all.iter().map(|(_, meta)| meta.timestamp_ns / 1_000_000_000).collect();
    assert_eq!(seconds, (100..112).collect::<Vec<_>>());
    assert_eq!(replay.progress().bytes_total, Some(replay.progress().bytes_read));
}

#[test]
fn loops_for_ever_end_when_there_is_nothing_to_play() {
    let folder = Folder::new("empty");
    let paths = [folder.file("empty.pcap", &pcap(0, 0)), folder.file("text", b"text")];
    let mut replay = Replay::open(&paths, ReplayOptions { loops: None, ..ReplayOptions::default() }).unwrap();
    assert!(played(&mut replay).is_empty());
    assert_eq!(replay.take_errors().len(), 1);
    assert_eq!(replay.progress().bytes_total, None);
}

#[test]
fn the_errors_of_a_file_are_bounded_and_told_in_the_first_round_only() {
    let folder = Folder::new("many");
    let order = Order::Big;
    let bad = order.enhanced(9, 0, b"", &[]).repeat(1_000);
    let file =
        [order.section(), order.interface(1, 0, &[]), order.enhanced(0, 0, &[0; 4], &[]), bad].concat();
    let options = ReplayOptions { loops: Some(2), ..ReplayOptions::default() };
    let mut replay = Replay::open([folder.file("bad.pcapng", &file)], options).unwrap();
    assert_eq!(played(&mut replay).len(), 2);
    let errors = replay.take_errors();
    assert_eq!(errors.len(), 33);
    assert!(matches!(errors.last(), Some(ReplayError::MoreDamage { count: 968, .. })), "{:?}", errors.last());
    assert_eq!(replay.stats().rx_errors, 2_000);
}

#[test]
fn a_pipe_gives_what_it_has_instead_of_waiting_for_a_full_burst() {
    let (reading, mut writing) = io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", reading.as_raw_fd());
    let mut replay = Replay::open([path], ReplayOptions::default()).unwrap();
    let (bytes, mut burst) = (pcap(0, 5), Burst::new());
    // Four packets and a half.
    let (now, later) = bytes.split_at(24 + 4 * 20 + 10);
    writing.write_all(now).unwrap();
    replay.receive(&mut burst);
    assert_eq!(burst.len(), 4);
    writing.write_all(later).unwrap();
    drop(writing);
    replay.receive(&mut burst);
    replay.receive(&mut burst);
    assert_eq!(burst.len(), 5);
    assert!(replay.is_exhausted());
    assert_eq!(replay.progress(), Progress { bytes_read: bytes.len() as u64, bytes_total: None });
}

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

#[test]
fn paced_packets_come_when_they_are_due() {
    let folder = Folder::new("paced");
    let pacing = Pacing::Timestamps {
        speed: Speed::times(10.0).unwrap(),
        longest_pause: Duration::from_secs(60),
        clock: || NOW.get(),
    };
    let path = folder.file("a.pcap", &pcap(1_000, 4));
    let mut replay = Replay::open([path], ReplayOptions { pacing, ..ReplayOptions::default() }).unwrap();
    let mut burst = Burst::new();
    let mut at = |milliseconds: u64| {
        NOW.set(milliseconds * 1_000_000);
        replay.receive(&mut burst);
        (burst.len(), replay.is_exhausted())
    };
    assert_eq!(
        [at(50), at(149), at(150), at(150), at(349), at(350)],
        [(1, false), (1, false), (2, false), (2, false), (3, false), (4, true),]
    );
}

#[test]
fn packets_can_be_changed_in_place_without_touching_their_neighbours() {
    let folder = Folder::new("change");
    let mut replay = Replay::open([folder.file("a.pcap", &pcap(0, 50))], ReplayOptions::default()).unwrap();
    let mut burst = Burst::new();
    replay.receive(&mut burst);
    for buf in burst.bufs_mut().iter_mut().step_by(2) {
        buf.bytes_mut().fill(0xff);
    }
    for (number, buf) in burst.bufs().iter().enumerate() {
        let expected = if number % 2 == 0 { u32::MAX } else { number as u32 };
        assert_eq!(buf.bytes(), expected.to_le_bytes());
    }
}

#[test]
fn packets_outlive_the_replay_they_came_from() {
    let folder = Folder::new("outlive");
    let mut replay = Replay::open([folder.file("a.pcap", &pcap(7, 1))], ReplayOptions::default()).unwrap();
    let mut burst = Burst::new();
    replay.receive(&mut burst);
    drop(replay);
    assert_eq!(burst.bufs()[0].bytes(), 7_u32.to_le_bytes());
}
