//! What the backends cost by themselves, one core: `cargo bench -p packet-io`.
//!
//! Each case is run several times and the fastest run counts, since the machine may be shared.

#![expect(clippy::print_stdout, reason = "figures are the purpose")]
#![expect(clippy::unwrap_used, reason = "a benchmark ends where it fails")]
#![expect(clippy::disallowed_methods, reason = "the clock is read around a run, not on the packet path")]

use std::fs::{self, File};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use packet_io::memory::{Changed, Memory, MemoryOptions, Vary};
use packet_io::replay::{CaptureReader, CaptureWriter, Replay, ReplayOptions};
use packet_io::{Burst, Link, PacketBuf, PacketIo, PacketMeta};

const RUNS: usize = 7;
const PACKETS: u32 = 2_000_000;

fn main() {
    let folder = std::env::temp_dir().join(format!("packet-io-bench-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    for (name, lengths) in [
        ("64 B", &[64][..]),
        ("IMIX", &[64, 64, 64, 64, 64, 64, 64, 570, 570, 570, 570, 1_514]),
        ("1514 B", &[1_514]),
    ] {
        files(&folder, name, lengths);
    }
    fs::remove_dir_all(&folder).unwrap();
    for count in [1_000, 30_000] {
        memory(count, 64);
        memory(count, 1_514);
    }
}

fn files(folder: &Path, name: &str, lengths: &[usize]) {
    let count = if lengths == [64] { PACKETS } else { PACKETS / 8 };
    let pcap = folder.join("a.pcap");
    let mut writer = CaptureWriter::new(Vec::new(), 1).unwrap();
    for (packet, meta) in packets(count, lengths) {
        writer.write(&packet, &meta).unwrap();
    }
    fs::write(&pcap, writer.finish().unwrap()).unwrap();
    let pcapng = folder.join("a.pcapng");
    fs::write(&pcapng, as_pcapng(&pcap)).unwrap();
    let zstd = folder.join("a.pcap.zst");
    fs::write(&zstd, zstd::encode_all(File::open(&pcap).unwrap(), 1).unwrap()).unwrap();
    let gzip = folder.join("a.pcap.gz");
    let mut packed = flate2::write::GzEncoder::new(File::create(&gzip).unwrap(), flate2::Compression::fast());
    std::io::copy(&mut File::open(&pcap).unwrap(), &mut packed).unwrap();
    drop(packed.finish().unwrap());

    for (kind, path) in [("pcap", &pcap), ("pcapng", &pcapng), ("pcap.zst", &zstd), ("pcap.gz", &gzip)] {
        report(&format!("CaptureReader {kind} {name}"), count.into(), || read(path));
        report(&format!("Replay        {kind} {name}"), count.into(), || replayed(path));
    }
}

fn packets(count: u32, lengths: &[usize]) -> impl Iterator<Item = (Vec<u8>, PacketMeta)> {
    let meta = |number: u32| PacketMeta {
        timestamp_ns: u64::from(number) * 1_000,
        link: Link::ETHERNET,
        ..PacketMeta::default()
    };
    (0..count).zip(lengths.iter().cycle()).map(move |(number, &len)| {
        let ip = [
            &[0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0][..],
            &number.to_be_bytes()[2..],
            &[10, 1, 0, 1],
        ]
        .concat();
        let mut packet = [&[0; 12][..], &[8, 0], &ip].concat();
        packet.resize(len, 0);
        (packet, meta(number))
    })
}

/// The packets of a pcap file in Enhanced Packet Blocks.
fn as_pcapng(pcap: &PathBuf) -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let mut file = words(&[0x0a0d_0d0a, 28, 0x1a2b_3c4d, 1, u32::MAX, u32::MAX, 28, 1, 20, 1, 0, 20]);
    let mut reader = CaptureReader::new(File::open(pcap).unwrap());
    while let Some(packet) = reader.next().unwrap() {
        let captured = u32::try_from(packet.bytes.len()).unwrap();
        let len = captured.next_multiple_of(4) + 32;
        let microseconds = u32::try_from(packet.meta.timestamp_ns / 1_000).unwrap();
        file.extend(words(&[6, len, 0, 0, microseconds, captured, captured]));
        file.extend_from_slice(packet.bytes);
        file.resize(file.len().next_multiple_of(4), 0);
        file.extend(words(&[len]));
    }
    file
}

fn read(path: &Path) -> u64 {
    let mut reader = CaptureReader::new(File::open(path).unwrap());
    let mut sum = 0;
    while let Some(packet) = reader.next().unwrap() {
        sum += u64::from(packet.bytes.first().copied().unwrap_or(0)) + packet.meta.timestamp_ns;
    }
    black_box(sum);
    reader.packets()
}

fn replayed(path: &Path) -> u64 {
    let mut replay = Replay::open([path], ReplayOptions::default()).unwrap();
    run(&mut replay, u64::MAX)
}

/// Receives, touches and transmits until the end or `most` packets.
fn run(io: &mut impl PacketIo, most: u64) -> u64 {
    let (mut burst, mut sum, mut count) = (Burst::new(), 0, 0);
    while !io.is_exhausted() && count < most {
        io.receive(&mut burst);
        count += burst.len() as u64;
        for buf in burst.bufs() {
            sum += u64::from(buf.bytes().first().copied().unwrap_or(0));
        }
        io.transmit(&mut burst);
    }
    black_box(sum);
    io.stats().rx_packets
}

fn memory(count: u32, len: usize) {
    for (name, vary, changed) in
        [("      ", Vary::Nothing, Changed::Keep), ("varied", Vary::Addresses, Changed::Keep)]
    {
        let options = MemoryOptions { loops: None, vary, changed, ..MemoryOptions::default() };
        let mut memory = Memory::new(packets(count, &[len]), options);
        let most = 10_000_000;
        report(&format!("Memory {name} {count} x {len} B"), most, || {
            let before = memory.stats().rx_packets;
            let (mut burst, mut received) = (Burst::new(), 0);
            while received < most {
                memory.receive(&mut burst);
                received += burst.len() as u64;
                black_box(burst.bufs());
                burst.clear();
            }
            memory.stats().rx_packets - before
        });
    }
}

fn report(case: &str, expected: u64, mut run: impl FnMut() -> u64) {
    let (mut best, mut packets) = (Duration::MAX, expected);
    for _ in 0..RUNS {
        let start = Instant::now();
        packets = run();
        best = best.min(start.elapsed());
    }
    assert!(packets >= expected, "{case}: {packets} packets");
    let each = best.as_secs_f64() / packets as f64;
    println!("{case:40} {:8.1} Mpps {:8.1} ns", 1e-6 / each, each * 1e9);
}
