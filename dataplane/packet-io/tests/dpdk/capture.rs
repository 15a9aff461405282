//! Small capture files (pcap, microseconds, Ethernet), made and read here so that the tests depend on nothing else.

use std::fs;
use std::path::{Path, PathBuf};

/// A packet of a capture file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Captured {
    pub(crate) micros: u64,
    pub(crate) bytes: Vec<u8>,
}

/// A folder that is removed with everything in it.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("wirewarden-dpdk-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn write(path: &Path, packets: &[Captured]) {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 65_535, 1] {
        file.extend(u32::to_le_bytes(word));
    }
    for packet in packets {
        let length = u32::try_from(packet.bytes.len()).unwrap();
        let seconds = u32::try_from(packet.micros / 1_000_000).unwrap();
        let micros = u32::try_from(packet.micros % 1_000_000).unwrap();
        for word in [seconds, micros, length, length] {
            file.extend(u32::to_le_bytes(word));
        }
        file.extend(&packet.bytes);
    }
    fs::write(path, file).unwrap();
}

/// The packets' bytes, in order.
pub(crate) fn read(path: &Path) -> Vec<Vec<u8>> {
    let file = fs::read(path).unwrap();
    let mut rest = &file[24..];
    let mut packets = Vec::new();
    while let Some((header, after)) = rest.split_first_chunk::<16>() {
        let length = u32::from_le_bytes(*header[8..].first_chunk().unwrap()) as usize;
        packets.push(after[..length].to_vec());
        rest = &after[length..];
    }
    packets
}

/// A UDP packet over IPv4 in Ethernet, of `length` bytes, with a number in its payload.
pub(crate) fn udp(ends: [(u8, u16); 2], length: usize, number: u32) -> Vec<u8> {
    let ip_length = u16::try_from(length - 14).unwrap();
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend(ip_length.to_be_bytes());
    frame.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    for (host, _) in ends {
        frame.extend([10, 0, 0, host]);
    }
    for (_, port) in ends {
        frame.extend(port.to_be_bytes());
    }
    frame.extend((ip_length - 20).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(number.to_be_bytes());
    frame.resize(length, 0xa5);
    frame
}

/// What [`udp`] numbered.
pub(crate) fn number(frame: &[u8]) -> u32 {
    u32::from_be_bytes(*frame[42..].first_chunk().unwrap())
}
