//! The captures of the ground truth as one stream of packets.

use std::env;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use packet_io::Link;
use packet_io::replay::CaptureReader;
use wire::{Headers, LinkType, ParseOptions, Side};

use crate::shape::{Packet, ShapeError};

/// Folder of the captures, beside the checkout unless the environment says otherwise.
fn folder() -> PathBuf {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/ground-truth");
    env::var_os("WIREWARDEN_GROUND_TRUTH").map_or_else(beside, PathBuf::from).join("pcap")
}

/// All Ethernet captures, as if they had begun together.
pub(crate) fn merged() -> Result<Vec<Packet>, ShapeError> {
    merged_where(|_| true)
}

/// What they have of TCP port 443.
pub(crate) fn merged_https() -> Result<Vec<Packet>, ShapeError> {
    let (mut headers, options) = (Headers::default(), ParseOptions::default());
    merged_where(|(bytes, meta)| {
        headers.parse(bytes, meta.wire_len, LinkType::Ethernet, &options).is_ok()
            && headers.protocol == TCP
            && [Side::Lower, Side::Upper].map(|side| headers.key.port(side)).contains(&HTTPS)
    })
}

fn merged_where(mut is_wanted: impl FnMut(&Packet) -> bool) -> Result<Vec<Packet>, ShapeError> {
    let folder = folder();
    let Ok(entries) = folder.read_dir() else { return Err(ShapeError::Absent(folder)) };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let captures = paths.iter().map(|path| packets(path)).collect::<io::Result<Vec<_>>>()?;
    let mut packets = merge(captures);
    packets.retain(|packet| is_wanted(packet));
    if packets.is_empty() { Err(ShapeError::Absent(folder)) } else { Ok(packets) }
}

/// The Ethernet frames of a file; of a damaged one those that can be read.
fn packets(path: &Path) -> io::Result<Vec<Packet>> {
    let mut reader = CaptureReader::new(File::open(path)?);
    let mut packets = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(packet)) if packet.meta.link == Link::ETHERNET => {
                packets.push((packet.bytes.to_vec(), packet.meta));
            }
            // Each fault is told once, and reading goes on behind it.
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => return Ok(packets),
        }
    }
}

/// Lets all captures begin at one time and puts the packets in order of time; those of one time stay in the order of
/// the captures.
fn merge(captures: Vec<Vec<Packet>>) -> Vec<Packet> {
    let mut merged: Vec<Packet> = Vec::new();
    for mut capture in captures {
        rebase(&mut capture);
        merged.append(&mut capture);
    }
    merged.sort_by_key(|(_, meta)| meta.timestamp_ns);
    merged
}

/// Lets a capture begin at the common time and shortens its silences: some captures were put together of parts that
/// lie years apart.
fn rebase(capture: &mut [Packet]) {
    let (mut before, mut time) = (None, sample::START_NS);
    for (_, meta) in capture {
        let gap = meta.timestamp_ns.saturating_sub(before.unwrap_or(meta.timestamp_ns));
        before = Some(meta.timestamp_ns);
        time += gap.min(LONGEST_SILENCE_NS);
        meta.timestamp_ns = time;
        meta.interface = 0;
    }
}

/// IANA protocol number.
const TCP: u8 = 6;
/// IANA port number.
const HTTPS: u16 = 443;
/// Ten seconds.
const LONGEST_SILENCE_NS: u64 = 10_000_000_000;

#[cfg(test)]
mod tests {
    use packet_io::PacketMeta;

    use super::*;

    fn at(timestamp_ns: u64, name: u8) -> Packet {
        (vec![name], PacketMeta { timestamp_ns, ..PacketMeta::default() })
    }

    fn order(merged: &[Packet]) -> Vec<(u64, u8)> {
        merged.iter().map(|(bytes, meta)| (meta.timestamp_ns - sample::START_NS, bytes[0])).collect()
    }

    #[test]
    fn captures_begin_together_and_keep_their_own_pace() {
        let merged =
            merge(vec![vec![at(1000, b'a'), at(1005, b'b')], vec![], vec![at(7, b'x'), at(9, b'y')]]);
        assert_eq!(order(&merged), [(0, b'a'), (0, b'x'), (2, b'y'), (5, b'b')]);
    }

    #[test]
    fn long_silences_are_shortened_and_time_does_not_run_back() {
        let year = 31_536_000_000_000_000;
        let merged = merge(vec![vec![at(0, b'a'), at(year, b'b'), at(year - 7, b'c'), at(year + 5, b'd')]]);
        let silence = LONGEST_SILENCE_NS;
        assert_eq!(order(&merged), [(0, b'a'), (silence, b'b'), (silence, b'c'), (silence + 12, b'd')]);
    }
}
