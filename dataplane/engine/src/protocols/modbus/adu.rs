//! Application data units: the header of Modbus/TCP (Messaging on TCP/IP 1.0b, 3.1.3), and the address and checksum of
//! the serial line (Modbus over Serial Line 1.02, 2.5.1), which gateways and serial servers carry over TCP as it is.

use super::function::{Role, is_defined};
use super::pdu::{check, length};

/// Bytes before the function code in Modbus/TCP.
pub(super) const HEADER_LEN: usize = 7;
/// Largest unit of the serial line.
const SERIAL_MAX: usize = 256;

/// How units are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// By the length in the header.
    Tcp,
    /// By what the function code needs, and the checksum.
    Serial,
}

/// A unit taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    /// Pairs requests and responses; 0 on the serial line, which has one request at a time.
    pub(super) transaction: u16,
    /// Address on the serial line or behind the gateway.
    pub(super) unit: u8,
    /// Function code and data.
    pub(super) pdu: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Takes whole bytes apart, whose length was found by the same transport.
    pub(super) fn split(bytes: &'a [u8], transport: Transport) -> Option<Self> {
        match transport {
            Transport::Tcp => {
                let ([a, b, _, _, _, _, unit], pdu) = bytes.split_first_chunk::<HEADER_LEN>()?;
                Some(Self { transaction: u16::from_be_bytes([*a, *b]), unit: *unit, pdu })
            }
            Transport::Serial => {
                let (unit, rest) = bytes.split_first()?;
                Some(Self { transaction: 0, unit: *unit, pdu: rest.split_last_chunk::<2>()?.0 })
            }
        }
    }
}

/// What the header of Modbus/TCP says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    /// More bytes are needed.
    Open,
    /// The unit has so many bytes in all.
    Unit(usize),
    /// The protocol is not 0.
    WrongProtocol,
    /// No unit is so short or long.
    WrongLength,
}

/// Reads the header of Modbus/TCP.
pub(super) fn header(bytes: &[u8]) -> Header {
    if bytes.get(2..4).is_some_and(|protocol| protocol != [0, 0]) {
        return Header::WrongProtocol;
    }
    let Some([_, _, _, _, high, low]) = bytes.first_chunk::<6>() else { return Header::Open };
    match u16::from_be_bytes([*high, *low]) {
        // Unit and function code, and at most the 252 bytes of data that the serial line can carry.
        length @ 2..=254 => Header::Unit(6 + usize::from(length)),
        _ => Header::WrongLength,
    }
}

/// Length of a unit of the serial line with its checksum; None where the bytes do not tell (yet).
pub(super) fn serial_len(bytes: &[u8], role: Role) -> Option<usize> {
    let pdu = bytes.get(1..)?;
    length(pdu, role).map(|length| length + 3).filter(|&length| length <= SERIAL_MAX)
}

/// Whether the last two bytes are the checksum of those before.
pub(super) fn has_checksum(bytes: &[u8]) -> bool {
    bytes.split_last_chunk::<2>().is_some_and(|(covered, sum)| checksum(covered) == u16::from_le_bytes(*sum))
}

/// What the bytes are, judged as strictly as one unit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing speaks against it yet.
    Open,
    /// A whole unit of this kind.
    Is(Transport, Role),
    /// Neither.
    No,
}

/// Whether bytes start with a whole unit. Which kind needs fewer bytes is asked first, so that more bytes do not
/// change the answer.
pub(super) fn look(bytes: &[u8], role: Role) -> Look {
    let tcp = match header(bytes) {
        Header::Open => Candidate::Open,
        Header::Unit(len) => Candidate::Needs(len),
        Header::WrongProtocol | Header::WrongLength => Candidate::No,
    };
    let serial = match bytes.get(1) {
        Some(_) if serial_address(bytes) => match serial_len(bytes, role) {
            Some(len) => Candidate::Needs(len),
            None if bytes.len() < 11 => Candidate::Open,
            None => Candidate::No,
        },
        Some(_) => Candidate::No,
        None => Candidate::Open,
    };
    let mut in_order = [(tcp, Transport::Tcp), (serial, Transport::Serial)];
    in_order.sort_by_key(|(candidate, _)| candidate.rank());
    for (candidate, transport) in in_order {
        match candidate {
            Candidate::No => {}
            Candidate::Open => return Look::Open,
            Candidate::Needs(len) => match bytes.get(..len) {
                None => return Look::Open,
                Some(whole) if is_right(whole, transport, role) => return Look::Is(transport, role),
                Some(_) => {}
            },
        }
    }
    Look::No
}

#[derive(Clone, Copy)]
enum Candidate {
    No,
    Open,
    Needs(usize),
}

impl Candidate {
    const fn rank(self) -> usize {
        match self {
            Self::No => 0,
            Self::Needs(len) => len,
            Self::Open => usize::MAX,
        }
    }
}

fn is_right(whole: &[u8], transport: Transport, role: Role) -> bool {
    let sums_up = transport == Transport::Tcp || has_checksum(whole);
    let Some(unit) = Unit::split(whole, transport) else { return false };
    sums_up && unit.pdu.first().is_some_and(|&code| is_defined(code)) && check(unit.pdu, role).is_ok()
}

/// 0 is for all, 1 to 247 for one device, the rest is reserved.
fn serial_address(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|&address| address <= 247)
}

/// CRC-16 of the serial line: polynomial 0xA001 reflected, all ones at the start (Modbus over Serial Line 1.02, 6.2.2).
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |sum, &byte| {
        let at = (sum ^ u16::from(byte)) & 0xff;
        sum >> 8 ^ TABLE.get(usize::from(at)).copied().unwrap_or_default()
    })
}

static TABLE: [u16; 256] = crate::protocols::framed::crc16_table(0xa001);

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10];

    #[test]
    fn the_checksum_is_that_of_the_specification() {
        // Modbus over Serial Line 1.02, 6.2.2: 02 07 gives 0x1241, low byte first on the line.
        assert_eq!(checksum(&[2, 7]), 0x1241);
        assert!(has_checksum(&[2, 7, 0x41, 0x12]));
        assert!(!has_checksum(&[2, 7, 0x12, 0x41]));
    }

    #[test]
    fn both_framings_are_found_and_no_prefix_says_otherwise() {
        let serial = [1, 3, 0, 0, 0, 10, 0xc5, 0xcd];
        for (bytes, transport) in [(&REQUEST[..], Transport::Tcp), (&serial, Transport::Serial)] {
            assert_eq!(look(bytes, Role::Request), Look::Is(transport, Role::Request));
            for end in 1..bytes.len() {
                assert_eq!(look(&bytes[..end], Role::Request), Look::Open, "{end}");
            }
        }
    }

    #[test]
    fn near_misses_are_refused() {
        for (at, value) in [(2, 1), (3, 1), (5, 5), (5, 7), (7, 0), (7, 0x83), (11, 0)] {
            let mut bytes = REQUEST;
            bytes[at] = value;
            assert!(!matches!(look(&bytes, Role::Request), Look::Is(..)), "{at} {value}");
        }
        assert_eq!(look(&[1, 3, 0, 0, 0, 10, 0xc5, 0xcc, 0, 0, 0, 0, 0, 0, 0, 0], Role::Request), Look::No);
    }
}
