//! The contract of `PacketIo`, for the backends that need no device.

#![expect(clippy::cast_possible_truncation, clippy::unwrap_used, reason = "tests, and what they share")]

mod packet_io_contract;

use std::fs;
use std::path::PathBuf;

use packet_io::memory::{Changed, Memory, MemoryOptions, Room, Vary};
use packet_io::replay::{CaptureWriter, Replay, ReplayOptions};
use packet_io::{PacketIo, PacketMeta};
use packet_io_contract::{Bench, check};

/// A capture file that is written for each test and removed at the end.
struct FileBench(PathBuf);

impl Bench for FileBench {
    type Io = Replay;

    fn receiving(&mut self, packets: &[Vec<u8>]) -> Replay {
        let mut writer = CaptureWriter::new(Vec::new(), 1).unwrap();
        for packet in packets {
            writer.write(packet, &PacketMeta::default()).unwrap();
        }
        fs::write(&self.0, writer.finish().unwrap()).unwrap();
        Replay::open([self.0.clone()], ReplayOptions::default()).unwrap()
    }

    fn with_transmit_room(&mut self, _packets: &[Vec<u8>], _room: usize) -> Option<Replay> {
        None
    }
}

impl Drop for FileBench {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}

struct MemoryBench(MemoryOptions);

impl Bench for MemoryBench {
    type Io = Memory;

    fn receiving(&mut self, packets: &[Vec<u8>]) -> Memory {
        Memory::new(packets.iter().map(|packet| (packet, PacketMeta::default())), self.0)
    }

    fn with_transmit_room(&mut self, packets: &[Vec<u8>], room: usize) -> Option<Memory> {
        let options = MemoryOptions { transmit_room: room, ..self.0 };
        Some(Memory::new(packets.iter().map(|packet| (packet, PacketMeta::default())), options).collecting())
    }
}

#[test]
fn replay_keeps_the_contract() {
    check(&mut FileBench(
        std::env::temp_dir().join(format!("packet-io-contract-{}.pcap", std::process::id())),
    ));
}

#[test]
fn memory_keeps_the_contract() {
    for vary in [Vary::Nothing, Vary::Addresses] {
        for changed in [Changed::Keep, Changed::Restore] {
            for room in [Room::default(), Room { before: 128, behind: 64 }] {
                check(&mut MemoryBench(MemoryOptions { vary, changed, room, ..MemoryOptions::default() }));
            }
        }
    }
}

#[test]
fn backends_and_packets_may_be_made_on_one_thread_and_used_on_another() {
    fn assert_send<T: Send>() {}
    assert_send::<(Replay, <Replay as PacketIo>::Buf)>();
    assert_send::<(Memory, <Memory as PacketIo>::Buf)>();
}
