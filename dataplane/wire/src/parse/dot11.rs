//! IEEE 802.11 frames, and the radiotap header that captures put before them.

use super::link::Macs;
use super::view::View;
use crate::Malformed;

/// What an 802.11 header says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) macs: Macs,
    /// What follows: encrypted data, a later fragment, a management frame or nothing, unless `has_llc`.
    pub(super) body: View<'a>,
    /// `body` starts with an LLC header.
    pub(super) has_llc: bool,
}

/// How a header differs from what was in the air.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Variant {
    /// Not at all.
    Plain,
    /// Padded to a multiple of four bytes (radiotap flag 0x20).
    Padded,
    /// The two bytes of frame control are exchanged: some access points put it so into CAPWAP.
    Swapped,
}

/// Skips a radiotap header (radiotap.org): the frame without its check sequence, and what is odd about its header.
pub(super) fn radiotap(view: View<'_>) -> Result<(View<'_>, Variant), Malformed> {
    let [version, _, a, b, c, d, e, f] = *view.first::<8>().ok_or(Malformed::LinkTruncated)?;
    if version != 0 {
        return Err(Malformed::Unsupported);
    }
    let header_len = usize::from(u16::from_le_bytes([a, b]));
    let frame = view.skip(header_len).ok_or(Malformed::LinkTruncated)?;
    let header = view.limit(header_len).bytes();
    let flags = radiotap_flags(header, u32::from_le_bytes([c, d, e, f])).unwrap_or(0);
    let variant = if flags & 0x20 != 0 { Variant::Padded } else { Variant::Plain };
    let check_len = if flags & 0x10 != 0 { 4 } else { 0 };
    Ok((frame.limit(frame.wire_len().saturating_sub(check_len)), variant))
}

/// The flags field, behind the presence words and the 8-byte aligned timestamp, each where there is one.
fn radiotap_flags(header: &[u8], present: u32) -> Option<u8> {
    if present & 0x02 == 0 {
        return None;
    }
    let (words, _) = header.get(4..)?.as_chunks::<4>();
    let more = words.iter().position(|word| u32::from_le_bytes(*word) & 0x8000_0000 == 0)?;
    let fields = 4 + (more + 1) * 4;
    let flags = if present & 0x01 != 0 { fields.next_multiple_of(8) + 8 } else { fields };
    header.get(flags).copied()
}

/// Reads an 802.11 header (IEEE 802.11-2020, 9.2.4, 9.3.2, 9.3.3). Control frames name one station: no flow.
pub(super) fn read(view: View<'_>, variant: Variant) -> Result<Frame<'_>, Malformed> {
    let ([first, second, _, _], rest) = take(view)?;
    let (control, flags) = if variant == Variant::Swapped { (second, first) } else { (first, second) };
    let is_data = match control & (VERSION | TYPE) {
        DATA => true,
        MANAGEMENT => false,
        _ => return Err(Malformed::Unsupported),
    };
    let (first, rest) = take(rest)?;
    let (second, rest) = take(rest)?;
    let (third, rest) = take(rest)?;
    let ([sequence, _], rest) = take(rest)?;
    let to_from = if is_data { flags & (TO_DS | FROM_DS) } else { 0 };
    let (fourth, rest) = if to_from == TO_DS | FROM_DS { take(rest)? } else { ([0; 6], rest) };
    let has_quality = is_data && control & QOS != 0;
    let ([quality, _], rest) = if has_quality { take(rest)? } else { ([0; 2], rest) };
    let has_control = flags & ORDER != 0 && (has_quality || !is_data);
    let rest = if has_control { take::<4>(rest)?.1 } else { rest };
    let rest = if variant == Variant::Padded {
        let header_len = rest.offset() - view.offset();
        rest.skip(header_len.next_multiple_of(4) - header_len).ok_or(Malformed::LinkTruncated)?
    } else {
        rest
    };
    let macs = match to_from {
        0 => Macs { source: second, destination: first },
        FROM_DS => Macs { source: third, destination: first },
        TO_DS => Macs { source: second, destination: third },
        _ => Macs { source: fourth, destination: third },
    };
    // Where frame control is exchanged, the sequence number has been seen in the place of the fragment number.
    let is_later_fragment = sequence & FRAGMENT_NUMBER != 0 && variant != Variant::Swapped;
    let is_opaque = !is_data || control & NO_DATA != 0 || flags & PROTECTED != 0 || is_later_fragment;
    if is_opaque {
        return Ok(Frame { macs, body: rest, has_llc: false });
    }
    if quality & AGGREGATE != 0 { aggregate(rest) } else { Ok(Frame { macs, body: rest, has_llc: true }) }
}

/// The first frame of an aggregate (A-MSDU, IEEE 802.11-2020, 9.3.2.2): one capture record is one packet here.
fn aggregate(view: View<'_>) -> Result<Frame<'_>, Malformed> {
    let (destination, rest) = take(view)?;
    let (source, rest) = take(rest)?;
    let (len, rest) = take(rest)?;
    let body = rest.limit(usize::from(u16::from_be_bytes(len)));
    Ok(Frame { macs: Macs { source, destination }, body, has_llc: true })
}

/// Whether this starts a data frame, its frame control in the order of the standard or exchanged.
pub(super) fn data_variant(view: View<'_>) -> Option<Variant> {
    let [first, second] = *view.first::<2>()?;
    match (first & (VERSION | TYPE), second & (VERSION | TYPE)) {
        (DATA, _) => Some(Variant::Plain),
        (_, DATA) => Some(Variant::Swapped),
        _ => None,
    }
}

fn take<const N: usize>(view: View<'_>) -> Result<([u8; N], View<'_>), Malformed> {
    let (head, rest) = view.split::<N>().ok_or(Malformed::LinkTruncated)?;
    Ok((*head, rest))
}

// First byte of the frame control field.
const VERSION: u8 = 0x03;
const TYPE: u8 = 0x0c;
const MANAGEMENT: u8 = 0x00;
const DATA: u8 = 0x08;
const NO_DATA: u8 = 0x40;
const QOS: u8 = 0x80;
// Second byte of the frame control field.
const TO_DS: u8 = 0x01;
const FROM_DS: u8 = 0x02;
const PROTECTED: u8 = 0x40;
const ORDER: u8 = 0x80;
/// In the first byte of the sequence control field.
const FRAGMENT_NUMBER: u8 = 0x0f;
/// In the first byte of the QoS control field.
const AGGREGATE: u8 = 0x80;
