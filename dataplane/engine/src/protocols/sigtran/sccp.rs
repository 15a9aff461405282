//! Signalling connection control part (ITU-T Q.713): who talks to whom across networks.

use arrayvec::ArrayVec;

use super::tcap;
use crate::record::EventWriter;

/// Digits of a global title that are written.
const DIGITS_SHOWN: usize = 5;

/// Writes a message and the transaction it carries.
pub(super) fn write(message: &[u8], event: &mut EventWriter<'_>) {
    let Some(kind) = message.first() else { return };
    event.object("sccp").label("message", name(*kind));
    // Pointers count from themselves (1.3); their place depends on the message.
    let (first, segmentation) = match kind {
        0x09 | 0x0a => (2, None),
        0x11 | 0x12 => (3, Some(3)),
        _ => {
            event.close();
            return;
        }
    };
    let called = part(message, first).and_then(Address::read);
    let calling = part(message, first + 1).and_then(Address::read);
    for (name, address) in [("called", called), ("calling", calling)] {
        if let Some(address) = address {
            event.object(name);
            address.write(event);
        }
    }
    event.close();
    let is_whole = segmentation.is_none_or(|behind| message.get(first + behind) == Some(&0));
    if let Some(data) = part(message, first + 2).filter(|_| is_whole) {
        let subsystems = [called, calling].map(|address| address.and_then(|address| address.subsystem));
        tcap::write(data, subsystems, event);
    }
}

/// A variable part: the pointer at `place` leads to its length.
fn part(message: &[u8], place: usize) -> Option<&[u8]> {
    let at = place.checked_add(usize::from(*message.get(place)?))?;
    let (len, rest) = message.get(at..)?.split_first()?;
    rest.get(..usize::from(*len))
}

/// An address (3.4).
#[derive(Clone, Copy, Debug)]
struct Address<'a> {
    point_code: Option<u16>,
    subsystem: Option<u8>,
    /// Digits, two a byte, and whether there is an even number.
    title: Option<(&'a [u8], bool)>,
}

impl<'a> Address<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (indicator, mut rest) = bytes.split_first()?;
        let mut address = Self { point_code: None, subsystem: None, title: None };
        if indicator & 1 != 0 {
            let (code, behind) = rest.split_first_chunk::<2>()?;
            (address.point_code, rest) = (Some(u16::from_le_bytes(*code) & 0x3fff), behind);
        }
        if indicator & 2 != 0 {
            let (number, behind) = rest.split_first()?;
            (address.subsystem, rest) = (Some(*number), behind);
        }
        address.title = match (indicator >> 2 & 0xf, rest) {
            (1, [nature, digits @ ..]) => Some((digits, nature & 0x80 == 0)),
            (2, [_translation, digits @ ..]) => Some((digits, true)),
            (3, [_translation, plan, digits @ ..]) | (4, [_translation, plan, _, digits @ ..]) => {
                Some((digits, plan & 0xf == 2))
            }
            _ => None,
        };
        Some(address)
    }

    fn write(&self, event: &mut EventWriter<'_>) {
        if let Some(code) = self.point_code {
            event.number("point_code", code);
        }
        if let Some(number) = self.subsystem {
            event.number("subsystem_number", number).label("subsystem", subsystem(number));
        }
        if let Some((pairs, is_even)) = self.title {
            let mut shown = ArrayVec::<u8, 8>::new();
            let count = (pairs.len() * 2).saturating_sub(usize::from(!is_even));
            let digits = pairs.iter().flat_map(|pair| [pair & 0xf, pair >> 4]).take(count);
            for digit in digits.take(DIGITS_SHOWN) {
                shown.push(if digit < 10 { b'0' + digit } else { b'?' });
            }
            if count > DIGITS_SHOWN {
                shown.extend(*b"***");
            }
            event.text("global_title", &shown);
        }
        event.close();
    }
}

/// Names of messages (2.1).
const fn name(kind: u8) -> &'static str {
    match kind {
        0x01 => "connection_request",
        0x02 => "connection_confirm",
        0x03 => "connection_refused",
        0x04 => "released",
        0x05 => "release_complete",
        0x06 => "data_form_1",
        0x07 => "data_form_2",
        0x08 => "data_acknowledgement",
        0x09 => "unitdata",
        0x0a => "unitdata_service",
        0x0b => "expedited_data",
        0x0c => "expedited_data_acknowledgement",
        0x0d => "reset_request",
        0x0e => "reset_confirm",
        0x0f => "error",
        0x10 => "inactivity_test",
        0x11 => "extended_unitdata",
        0x12 => "extended_unitdata_service",
        0x13 => "long_unitdata",
        0x14 => "long_unitdata_service",
        _ => "unknown",
    }
}

/// Names of subsystems (3GPP TS 23.003, 8.2; ITU-T Q.713, 3.4.2.2).
pub(super) const fn subsystem(number: u8) -> &'static str {
    match number {
        1 => "management",
        3 => "isup",
        5 => "map",
        6 => "hlr",
        7 => "vlr",
        8 => "msc",
        9 => "eir",
        10 => "auc",
        142 => "ranap",
        143 => "rnsap",
        145 => "gmlc",
        146 => "cap",
        147 => "scf",
        149 => "sgsn",
        150 => "ggsn",
        249 => "pcap",
        250 => "bsc",
        251 => "msc_bssap_le",
        252 => "smlc",
        254 => "bssap",
        _ => "other",
    }
}
