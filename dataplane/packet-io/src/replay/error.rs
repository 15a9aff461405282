use std::fmt;
use std::io;

use thiserror::Error;

/// Why a capture, or part of it, could not be read: the file, where in it, the reason and the mend.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The list of files is empty.
    #[error("no capture file was given: name at least one, or `-` for standard input")]
    NoFiles,
    /// Standard input was named twice, or is to be played in a loop.
    #[error(
        "-: standard input can be read only once: name `-` once and play it once, or save it to a file first"
    )]
    StandardInputTwice,
    /// The file is missing or closed to us.
    #[error("{file}: cannot be opened: {source}")]
    Open {
        /// The file.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// A folder was named.
    #[error("{file}: is a folder: name the capture files in it")]
    Folder {
        /// The folder.
        file: String,
    },
    /// The file starts with the mark of no format known here.
    #[error("{file}: not a capture file: {start}; expected pcap or pcapng (optionally gzip or zstd){}", start.hint())]
    NotACapture {
        /// The file.
        file: String,
        /// How it starts.
        start: FileStart,
    },
    /// The system or the decompressor gave up.
    #[error("{file}: byte {offset}, packet {packet}: {layer}: {source}; {}", layer.mend())]
    Read {
        /// The file.
        file: String,
        /// Where the unreadable record starts, in bytes of the decompressed stream.
        offset: u64,
        /// Number of the packet that could not be read, the first of the file being 1.
        packet: u64,
        /// Who gave up.
        layer: Layer,
        /// Why.
        source: io::Error,
    },
    /// A record is cut short or contradicts itself.
    #[error("{file}: byte {offset}, packet {packet}: {fault}; {}", fault.mend())]
    Damaged {
        /// The file.
        file: String,
        /// Where the record starts, in bytes of the decompressed stream.
        offset: u64,
        /// Number of the packet that could not be read, the first of the file being 1.
        packet: u64,
        /// What is wrong.
        fault: Fault,
    },
    /// More records of the file were damaged than are told one by one.
    #[error("{file}: {count} more damaged records were passed over; copy the file again from its source")]
    MoreDamage {
        /// The file.
        file: String,
        /// Records passed over without an error of their own.
        count: u64,
    },
}

/// What is wrong with a record of a capture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The file ends before the record does.
    #[error("the file ends inside a record, at least {missing} bytes short")]
    Truncated {
        /// Bytes known to be missing.
        missing: u64,
    },
    /// A packet is longer than any that is accepted.
    #[error("a packet of {len} bytes is above the limit of {limit}")]
    PacketTooLong {
        /// Captured length, as the record has it.
        len: u32,
        /// Longest accepted.
        limit: u32,
    },
    /// A pcap file of a version that this reader does not know.
    #[error("pcap version {major}.{minor} is not known")]
    PcapVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A pcapng section of a version that this reader does not know.
    #[error("pcapng version {major}.{minor} is not known")]
    SectionVersion {
        /// Major version.
        major: u16,
        /// Minor version.
        minor: u16,
    },
    /// A pcapng section whose byte order cannot be told.
    #[error("the byte-order magic of a section is {magic:#010x}, not 0x1a2b3c4d in either order")]
    ByteOrderMagic {
        /// What stands there, read as big-endian.
        magic: u32,
    },
    /// A block length that is below 12 or no multiple of 4.
    #[error("a block length of {len} is impossible (at least 12, a multiple of 4)")]
    BlockLength {
        /// The length.
        len: u32,
    },
    /// The lengths before and after a block differ.
    #[error("a block begins with length {head} and ends with length {tail}")]
    BlockLengthsDiffer {
        /// Length before the block.
        head: u32,
        /// Length behind it.
        tail: u32,
    },
    /// A block too short for what its type must hold.
    #[error("a block of type {block_type:#x} and {len} bytes is too short for its fields")]
    BlockTooShort {
        /// Type of the block.
        block_type: u32,
        /// Length of the block.
        len: u32,
    },
    /// A packet longer than the block it is in.
    #[error("a packet of {captured} bytes does not fit in its block of {block} bytes")]
    PacketBeyondBlock {
        /// Captured length of the packet.
        captured: u32,
        /// Length of the block.
        block: u32,
    },
    /// A packet of an interface that the section has not described.
    #[error("a packet of interface {id}, but the section has described {known}")]
    UnknownInterface {
        /// Number of the interface.
        id: u32,
        /// Interfaces described so far.
        known: usize,
    },
    /// More interfaces than are kept.
    #[error("a section describes more than {limit} interfaces")]
    TooManyInterfaces {
        /// Most that are kept.
        limit: usize,
    },
}

impl Fault {
    /// What the reader of the message can do about it.
    #[must_use]
    pub fn mend(self) -> &'static str {
        match self {
            Self::Truncated { .. } => {
                "the capture was cut short while it was written or copied: what comes before is read; copy it again for the rest"
            }
            Self::PacketTooLong { .. } => {
                "the record is damaged, or the limit (`max_packet`) must be raised for this capture"
            }
            Self::PcapVersion { .. } | Self::SectionVersion { .. } => {
                "convert it with `editcap -F pcapng`, or copy it again if it is damaged"
            }
            Self::ByteOrderMagic { .. } | Self::BlockLength { .. } | Self::BlockLengthsDiffer { .. } => {
                "the file is damaged from here on: what comes before is read; copy it again for the rest"
            }
            Self::BlockTooShort { .. } | Self::PacketBeyondBlock { .. } => {
                "the block is damaged and passed over: copy the file again"
            }
            Self::UnknownInterface { .. } => {
                "the packet is passed over: copy the file again, or report the program that wrote it"
            }
            Self::TooManyInterfaces { .. } => {
                "packets of the further interfaces are passed over: split the capture by interface"
            }
        }
    }
}

/// Who reads the bytes of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// The file itself.
    File,
    /// The gzip decompressor.
    Gzip,
    /// The zstd decompressor.
    Zstd,
}

impl Layer {
    /// What the reader of the message can do about a failure.
    #[must_use]
    pub fn mend(self) -> &'static str {
        match self {
            Self::File => "what comes before is read; check the disk or the network share it is on",
            Self::Gzip => {
                "what comes before is read; `gzip -t` tells whether the file is whole, else copy it again"
            }
            Self::Zstd => {
                "what comes before is read; `zstd -t` tells whether the file is whole, else copy it again"
            }
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "the file cannot be read",
            Self::Gzip => "the gzip stream cannot be unpacked",
            Self::Zstd => "the zstd stream cannot be unpacked",
        })
    }
}

/// The first bytes of a file that is no capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStart {
    bytes: [u8; Self::SHOWN],
    len: usize,
}

impl FileStart {
    /// Bytes that are shown.
    pub const SHOWN: usize = 8;

    /// Takes the first bytes of `data`.
    #[must_use]
    pub fn new(data: &[u8]) -> Self {
        let mut bytes = [0; Self::SHOWN];
        let len = data.len().min(Self::SHOWN);
        bytes.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        Self { bytes, len }
    }

    /// The bytes, at most [`Self::SHOWN`].
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// What to do with a file that starts so, where its format is known by its mark.
    fn hint(&self) -> &'static str {
        FOREIGN.iter().find(|(mark, _)| self.bytes().starts_with(mark)).map_or("", |(_, hint)| hint)
    }
}

impl fmt::Display for FileStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == 0 {
            return f.write_str("it is empty");
        }
        f.write_str("starts with")?;
        for byte in self.bytes() {
            write!(f, " {byte:02x}")?;
        }
        write!(f, " \"{}\"", self.bytes().escape_ascii())
    }
}

/// Marks of formats that people take for captures, or pack them in.
static FOREIGN: &[(&[u8], &str)] = &[
    (b"snoop\0\0\0", ": this is a snoop capture, convert it with `editcap -F pcapng`"),
    (b"GMBU", ": this is a Network Monitor capture, convert it with `editcap -F pcapng`"),
    (b"RTSS", ": this is a Network Monitor capture, convert it with `editcap -F pcapng`"),
    (b"btsnoop\0", ": this is a Bluetooth capture, convert it with `editcap -F pcapng`"),
    (b"TRSNIFF ", ": this is a Sniffer capture, convert it with `editcap -F pcapng`"),
    (b"XCP\0", ": this is a NetXray capture, convert it with `editcap -F pcapng`"),
    (b"\xfd7zXZ\0", ": this is an xz archive, unpack it with `xz -d` first"),
    (b"BZh", ": this is a bzip2 archive, unpack it with `bzip2 -d` first"),
    (b"PK\x03\x04", ": this is a zip archive, unpack it with `unzip` first"),
    (b"7z\xbc\xaf\x27\x1c", ": this is a 7z archive, unpack it first"),
    (b"\x1f\x8b", ": this was packed twice, unpack it with `gzip -d` first"),
    (b"\x28\xb5\x2f\xfd", ": this was packed twice, unpack it with `zstd -d` first"),
    (b"\x04\x22\x4d\x18", ": this is packed with lz4, unpack it with `lz4 -d` first"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_file_is_shown_by_its_first_bytes_and_named_where_known() {
        let told = |data: &[u8]| {
            ReplayError::NotACapture { file: "a".to_owned(), start: FileStart::new(data) }.to_string()
        };
        assert_eq!(
            told(b"{\n  \"a\": 1"),
            "a: not a capture file: starts with 7b 0a 20 20 22 61 22 3a \"{\\n  \\\"a\\\":\"; \
             expected pcap or pcapng (optionally gzip or zstd)"
        );
        assert!(told(b"").contains("it is empty"));
        assert!(told(b"PK\x03\x04rest").contains("`unzip`"));
    }

    #[test]
    fn damage_is_told_with_place_reason_and_mend() {
        let error = ReplayError::Damaged {
            file: "x.pcap".to_owned(),
            offset: 1_234,
            packet: 17,
            fault: Fault::PacketTooLong { len: u32::MAX, limit: 266_240 },
        };
        assert_eq!(
            error.to_string(),
            "x.pcap: byte 1234, packet 17: a packet of 4294967295 bytes is above the limit of 266240; \
             the record is damaged, or the limit (`max_packet`) must be raised for this capture"
        );
    }
}
