//! The common header of the adaptation layers, and their parameters (RFC 4666, 3.1 and 3.2).

use super::{sccp, ss7, tcap};
use crate::protocols::framed::Cursor;
use crate::record::EventWriter;

const HEADER_LEN: usize = 8;
/// Class of M2PA, whose messages have two sequence numbers instead of parameters (RFC 4165, 2.1.1).
const PEER: u8 = 11;

/// A message of an adaptation layer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit<'a> {
    pub(super) class: u8,
    pub(super) kind: u8,
    content: &'a [u8],
}

impl<'a> Unit<'a> {
    /// Reads a message, which may be followed by padding that its length does not count.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[1, 0, class, kind, l3, l2, l1, l0], rest) = bytes.split_first_chunk::<HEADER_LEN>()? else {
            return None;
        };
        let len = usize::try_from(u32::from_be_bytes([l3, l2, l1, l0])).ok()?.checked_sub(HEADER_LEN)?;
        let (content, padding) = rest.split_at_checked(len)?;
        (padding.len() < 4).then_some(Self { class, kind, content })
    }

    /// Whether the parameters fill the message.
    pub(super) fn is_sound(&self) -> bool {
        if self.class == PEER {
            return self.content.len() >= 8;
        }
        let mut parameters = Parameters { cursor: Cursor::new(self.content) };
        parameters.by_ref().for_each(drop);
        parameters.cursor.is_empty()
    }

    /// Whether it only says that somebody is there.
    pub(super) const fn is_idle(&self) -> bool {
        matches!((self.class, self.kind), (3, 3 | 6)) || self.class == PEER && self.content.len() == 8
    }

    /// Writes what it says.
    pub(super) fn write(&self, event: &mut EventWriter<'_>) {
        if self.class == PEER {
            match (self.kind, self.content.get(8..)) {
                (1, Some([_priority, unit @ ..])) => ss7::write_unit(unit, event),
                (2, Some([_, _, _, state, ..])) => drop(event.number("link_state", *state)),
                _ => {}
            }
            return;
        }
        let mut parameters = 0_u32;
        let (mut context, mut data) = (None, None);
        let mut addresses = [None; 2];
        for (tag, value) in (Parameters { cursor: Cursor::new(self.content) }) {
            parameters += 1;
            match tag {
                0x0006 => {
                    context = context.or_else(|| value.first_chunk::<4>().map(|c| u32::from_be_bytes(*c)))
                }
                0x010b | 0x0210 | 0x0300 => data = data.or(Some((tag, value))),
                0x0102 => addresses[1] = subsystem(value),
                0x0103 => addresses[0] = subsystem(value),
                _ => {}
            }
        }
        if let Some(context) = context {
            event.number("routing_context", context);
        }
        event.number("parameters", parameters);
        for (name, address) in ["called_subsystem", "calling_subsystem"].into_iter().zip(addresses) {
            if let Some(number) = address {
                event.label(name, sccp::subsystem(number));
            }
        }
        match data {
            // Protocol data of M3UA: the label is spelt out (RFC 4666, 3.3.1).
            Some((0x0210, value)) => ss7::write_spelt(value, event),
            Some((0x0300, unit)) => ss7::write_unit(unit, event),
            // Data of SUA: what SCCP would carry (RFC 3868, 3.3.1).
            Some((_, value)) => tcap::write(value, addresses, event),
            None => {}
        }
    }
}

/// Number of the subsystem in an address of SUA (RFC 3868, 3.10.2.3): indicators, then parameters.
fn subsystem(value: &[u8]) -> Option<u8> {
    let mut parameters = Parameters { cursor: Cursor::new(value.get(4..)?) };
    let (_, value) = parameters.find(|(tag, _)| *tag == 0x8003)?;
    value.get(3).copied()
}

/// Parameters: tag, length with the head, value, padding to four bytes.
#[derive(Debug)]
struct Parameters<'a> {
    cursor: Cursor<'a>,
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = self.cursor;
        let (tag, len) = (cursor.u16()?, usize::from(cursor.u16()?).checked_sub(4)?);
        let value = cursor.take(len)?;
        // The padding of the last one may be left out.
        cursor.take((len.next_multiple_of(4) - len).min(cursor.len()))?;
        self.cursor = cursor;
        Some((tag, value))
    }
}
