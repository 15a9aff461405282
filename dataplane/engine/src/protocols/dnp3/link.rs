//! Link frames (IEEE 1815-2012, 9.2): start, length, control, addresses, and user data in blocks that each have a
//! checksum.

use arrayvec::ArrayVec;

use crate::protocols::framed::crc16_table;

/// Start, length, control, two addresses, checksum.
pub(super) const HEADER_LEN: usize = 10;
/// Bytes of user data that share a checksum.
const BLOCK_LEN: usize = 16;
/// Most user data of one frame.
pub(super) const USER_DATA_MAX: usize = 250;

/// What stands at the start of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Too few bytes to tell.
    Open,
    /// A frame of so many bytes, whose header is right.
    Frame(usize),
    /// No start octets: it is something else.
    Elsewhere,
    /// The length is below that of the header.
    Short,
    /// The header's checksum is wrong.
    BadChecksum,
}

/// Reads the header at the start of `bytes`.
pub(super) fn start(bytes: &[u8]) -> Start {
    match bytes {
        [0x05] | [] => return Start::Open,
        [0x05, 0x64, ..] => {}
        _ => return Start::Elsewhere,
    }
    match bytes.get(2) {
        None => return Start::Open,
        Some(0..=4) => return Start::Short,
        Some(_) => {}
    }
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Start::Open };
    if !has_checksum(header) {
        return Start::BadChecksum;
    }
    let data = usize::from(header[2]) - 5;
    Start::Frame(HEADER_LEN + data + 2 * data.div_ceil(BLOCK_LEN))
}

/// Control octet and addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Control octet.
    pub(super) control: u8,
    /// To whom.
    pub(super) destination: u16,
    /// From whom.
    pub(super) source: u16,
}

impl Header {
    /// The header of a frame.
    pub(super) fn read(frame: &[u8]) -> Option<Self> {
        let [_, _, _, control, d0, d1, s0, s1, _, _] = *frame.first_chunk::<HEADER_LEN>()?;
        Some(Self {
            control,
            destination: u16::from_le_bytes([d0, d1]),
            source: u16::from_le_bytes([s0, s1]),
        })
    }

    /// Sent by the master.
    pub(super) const fn is_from_master(self) -> bool {
        self.control & 0x80 != 0
    }

    /// Sent by the primary station, which starts an exchange.
    pub(super) const fn is_primary(self) -> bool {
        self.control & 0x40 != 0
    }

    /// Frame count bit.
    pub(super) const fn count_bit(self) -> bool {
        self.control & 0x20 != 0
    }

    /// The frame count bit is valid.
    pub(super) const fn is_count_valid(self) -> bool {
        self.control & 0x10 != 0
    }

    /// Function of the link layer.
    pub(super) const fn function(self) -> u8 {
        self.control & 0x0f
    }

    /// Whether the function is one that the standard has (9.2.4.1.3).
    pub(super) const fn is_known(self) -> bool {
        if self.is_primary() {
            matches!(self.function(), 0 | 2 | 3 | 4 | 9)
        } else {
            matches!(self.function(), 0 | 1 | 11 | 14 | 15)
        }
    }

    /// Whether the frame carries user data.
    pub(super) const fn has_user_data(self) -> bool {
        self.is_primary() && matches!(self.function(), 3 | 4)
    }
}

/// The user data of a whole frame without its checksums; None where one of them is wrong.
pub(super) fn user_data(frame: &[u8]) -> Option<ArrayVec<u8, USER_DATA_MAX>> {
    let mut data = ArrayVec::new();
    for block in frame.get(HEADER_LEN..)?.chunks(BLOCK_LEN + 2) {
        let (covered, _) = block.split_last_chunk::<2>()?;
        if !has_checksum(block) {
            return None;
        }
        data.try_extend_from_slice(covered).ok()?;
    }
    Some(data)
}

fn has_checksum(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<2>().is_some_and(|(covered, sum)| checksum(covered) == u16::from_le_bytes(*sum))
}

/// CRC-16 of IEEE 1815-2012, 9.2.4.3: polynomial 0x3D65 reflected, inverted at the end.
fn checksum(bytes: &[u8]) -> u16 {
    !bytes.iter().fold(0, |sum, &byte| {
        let at = (sum ^ u16::from(byte)) & 0xff;
        sum >> 8 ^ TABLE.get(usize::from(at)).copied().unwrap_or_default()
    })
}

static TABLE: [u16; 256] = crc16_table(0xa6bc);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of this CRC: "123456789" gives 0xEA82.
        assert_eq!(checksum(b"123456789"), 0xea82);
    }

    #[test]
    fn a_header_is_taken_only_with_its_checksum() {
        let reset = [0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04, 0xe9, 0x21];
        assert_eq!(start(&reset), Start::Frame(10));
        for end in 0..10 {
            assert_eq!(start(&reset[..end]), Start::Open);
        }
        for bit in 16..80 {
            let mut wrong = reset;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(start(&wrong), Start::Frame(_)), "bit {bit}");
        }
        assert_eq!(start(&[0x05, 0x64, 4]), Start::Short);
        assert_eq!(start(&[0x05, 0x65]), Start::Elsewhere);
    }
}
