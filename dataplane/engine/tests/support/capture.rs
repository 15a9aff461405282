//! Frames of pcap and pcapng files.

use std::path::Path;

use wire::LinkType;

/// A captured frame.
pub(crate) struct Frame {
    pub link: LinkType,
    pub bytes: Vec<u8>,
    pub wire_len: u32,
}

/// All frames of a file, in order; of a damaged file those before the damage.
pub(crate) fn frames(path: &Path) -> Vec<Frame> {
    let file = std::fs::read(path).expect("capture");
    match file.get(..4) {
        Some([0x0a, 0x0d, 0x0d, 0x0a]) => pcapng(&file),
        Some([0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1]) => pcap(&file, u32::from_le_bytes),
        Some([0xa1, 0xb2, 0xc3, 0xd4] | [0xa1, 0xb2, 0x3c, 0x4d]) => pcap(&file, u32::from_be_bytes),
        _ => Vec::new(),
    }
}

fn pcap(file: &[u8], number: fn([u8; 4]) -> u32) -> Vec<Frame> {
    let at = |at: usize| file.get(at..at + 4).map(|bytes| number(bytes.try_into().expect("four bytes")));
    let Some(link) = at(20).and_then(|link| LinkType::from_linktype(link as u16)) else { return Vec::new() };
    let mut frames = Vec::new();
    let mut position = 24;
    while let (Some(kept), Some(wire_len)) = (at(position + 8), at(position + 12)) {
        let start = position + 16;
        let Some(bytes) = file.get(start..start + kept as usize) else { break };
        frames.push(Frame { link, bytes: bytes.to_vec(), wire_len });
        position = start + kept as usize;
    }
    frames
}

fn pcapng(file: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    let mut links = Vec::new();
    let mut number: fn([u8; 4]) -> u32 = u32::from_le_bytes;
    let mut rest = file;
    while rest.len() >= 12 {
        if rest[..4] == [0x0a, 0x0d, 0x0d, 0x0a] {
            number =
                if rest[8..12] == [0x1a, 0x2b, 0x3c, 0x4d] { u32::from_be_bytes } else { u32::from_le_bytes };
            links.clear();
        }
        let at = |at: usize| rest.get(at..at + 4).map(|bytes| number(bytes.try_into().expect("four bytes")));
        let (Some(kind), Some(len)) = (at(0), at(4)) else { break };
        let len = len as usize;
        if len < 12 || len > rest.len() {
            break;
        }
        match kind {
            1 => links.push(at(8).and_then(|word| {
                LinkType::from_linktype(if number([1, 0, 0, 0]) == 1 {
                    word as u16
                } else {
                    (word >> 16) as u16
                })
            })),
            6 => {
                let (Some(interface), Some(kept), Some(wire_len)) = (at(8), at(20), at(24)) else { break };
                let link = links.get(interface as usize).copied().flatten();
                if let (Some(link), Some(bytes)) = (link, rest.get(28..28 + kept as usize)) {
                    frames.push(Frame { link, bytes: bytes.to_vec(), wire_len });
                }
            }
            3 => {
                let Some(wire_len) = at(8) else { break };
                let kept = (wire_len as usize).min(len - 16);
                if let (Some(Some(link)), Some(bytes)) = (links.first(), rest.get(12..12 + kept)) {
                    frames.push(Frame { link: *link, bytes: bytes.to_vec(), wire_len });
                }
            }
            _ => {}
        }
        rest = &rest[len..];
    }
    frames
}
