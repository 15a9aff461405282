//! Long headers: RFC 8999, RFC 9000 17.2, and the layouts of older drafts.

use super::version::{Dialect, IdLayout, Version};

/// Most bytes of a connection id in any version that is read (RFC 9000 17.2).
pub(super) const MAX_ID: usize = 20;

/// What a packet with a long header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Negotiation,
    Initial,
    ZeroRtt,
    Handshake,
    Retry,
    /// Google's Q044 to Q046: a packet whose content is in the clear, or not.
    Google,
}

/// A packet with a long header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Long<'a> {
    pub(super) version: Version,
    pub(super) kind: Kind,
    /// Destination connection id.
    pub(super) destination: &'a [u8],
    /// Source connection id.
    pub(super) source: &'a [u8],
    /// The packet from its first byte to the end of what its length covers, without those behind it.
    pub(super) packet: &'a [u8],
    /// Where the packet number starts; of Negotiation and Retry, where the body does.
    pub(super) number_at: usize,
    /// What follows in the same datagram (RFC 9000 12.2).
    pub(super) rest: &'a [u8],
    /// Bytes that the length covers but the capture does not have.
    pub(super) missing: usize,
}

impl<'a> Long<'a> {
    /// Reads the first packet of `bytes`. None where it has no long header, one of an unknown version, or one whose
    /// lengths do not fit; `missing` bytes at the end of the datagram were not captured.
    pub(super) fn parse(bytes: &'a [u8], missing: usize) -> Option<Self> {
        let ([first, version @ ..], mut rest) = bytes.split_first_chunk::<5>()?;
        if first & 0x80 == 0 {
            return None;
        }
        let version = Version(u32::from_be_bytes(*version));
        let dialect = version.dialect();
        if dialect.is_none() && version != Version::NEGOTIATION || !is_long(version) {
            return None;
        }
        let (destination, source) = ids(&mut rest, version.id_layout())?;
        let kind = kind(*first, version, dialect);
        let here = |rest: &[u8]| bytes.len() - rest.len();
        let whole = Self {
            version,
            kind,
            destination,
            source,
            packet: bytes,
            number_at: here(rest),
            rest: &[],
            missing: 0,
        };
        match kind {
            Kind::Negotiation => {
                let is_list = rest.len().is_multiple_of(4) || missing > 0;
                (is_list && rest.len() >= 4).then_some(whole)
            }
            Kind::Google => (rest.len() > 16).then_some(whole),
            // A token of at least a byte would be usual; the tag is not negotiable (RFC 9000 17.2.5).
            Kind::Retry => (rest.len() + missing >= RETRY_TAG).then_some(whole),
            Kind::Initial | Kind::ZeroRtt | Kind::Handshake => {
                if kind == Kind::Initial {
                    let len = usize::try_from(varint(&mut rest)?).ok()?;
                    rest = rest.get(len..)?;
                }
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                if len < LEAST_PROTECTED {
                    return None;
                }
                let number_at = here(rest);
                let (packet, rest, missing) = match bytes.split_at_checked(number_at.checked_add(len)?) {
                    Some((packet, rest)) => (packet, rest, 0),
                    None if len <= rest.len() + missing => (bytes, &[][..], len - rest.len()),
                    None => return None,
                };
                Some(Self { packet, number_at, rest, missing, ..whole })
            }
        }
    }

    /// What follows the header: the versions of a Negotiation, the token and tag of a Retry, else packet number and
    /// protected content.
    pub(super) fn body(&self) -> &'a [u8] {
        self.packet.get(self.number_at..).unwrap_or_default()
    }

    /// The versions that a server speaks (RFC 8999 6).
    pub(super) fn versions(&self) -> impl Iterator<Item = Version> + use<'a> {
        let list = if self.kind == Kind::Negotiation { self.body() } else { &[] };
        list.as_chunks().0.iter().map(|number| Version(u32::from_be_bytes(*number)))
    }
}

/// Negotiation has no version; all others say by theirs whether the header can be long.
fn is_long(version: Version) -> bool {
    version == Version::NEGOTIATION || version.has_long_header()
}

fn kind(first: u8, version: Version, dialect: Option<Dialect>) -> Kind {
    if version == Version::NEGOTIATION {
        return Kind::Negotiation;
    }
    if dialect == Some(Dialect::GoogleOpen) {
        return Kind::Google;
    }
    let bits = first >> 4 & 0b11;
    // RFC 9369 3.2 moves every type up by one.
    let bits = if version.has_types_of_two() { bits.wrapping_sub(1) & 0b11 } else { bits };
    match bits {
        0 => Kind::Initial,
        1 => Kind::ZeroRtt,
        2 => Kind::Handshake,
        _ => Kind::Retry,
    }
}

fn ids<'a>(rest: &mut &'a [u8], layout: IdLayout) -> Option<(&'a [u8], &'a [u8])> {
    let (destination, source) = match layout {
        IdLayout::Apart => (vector(rest)?, vector(rest)?),
        IdLayout::Together => {
            let (lengths, after) = rest.split_first()?;
            let len = |nibble: u8| if nibble == 0 { 0 } else { usize::from(nibble) + 3 };
            let (destination, after) = after.split_at_checked(len(lengths >> 4))?;
            let (source, after) = after.split_at_checked(len(lengths & 0xf))?;
            *rest = after;
            (destination, source)
        }
    };
    (destination.len() <= MAX_ID && source.len() <= MAX_ID).then_some((destination, source))
}

fn vector<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, after) = rest.split_first()?;
    let (bytes, after) = after.split_at_checked(usize::from(*len))?;
    *rest = after;
    Some(bytes)
}

/// A number of variable length (RFC 9000 16).
pub(super) fn varint(rest: &mut &[u8]) -> Option<u64> {
    let (first, after) = rest.split_first()?;
    let more = (1_usize << (first >> 6)) - 1;
    let (tail, after) = after.split_at_checked(more)?;
    *rest = after;
    Some(tail.iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte)))
}

/// Bytes of the tag at the end of a Retry (RFC 9001 5.8).
const RETRY_TAG: usize = 16;
/// Least bytes that a length covers: the sample of header protection starts four bytes in and has sixteen
/// (RFC 9001 5.4.2).
pub(super) const LEAST_PROTECTED: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_two_four_or_eight_bytes() {
        // RFC 9000 A.1
        let cases: [(&[u8], u64); 5] = [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ];
        for (bytes, value) in cases {
            let mut rest = bytes;
            assert_eq!((varint(&mut rest), rest.len()), (Some(value), 0));
            let mut cut = &bytes[..bytes.len() - 1];
            assert_eq!(varint(&mut cut), None);
        }
    }

    fn initial(version: u32, len: u16) -> Vec<u8> {
        let mut bytes = vec![0xc3];
        bytes.extend(version.to_be_bytes());
        bytes.extend([4, 1, 2, 3, 4, 2, 5, 6, 3, 7, 7, 7]);
        bytes.extend((len | 0x4000).to_be_bytes());
        bytes.resize(bytes.len() + usize::from(len), 0x55);
        bytes
    }

    #[test]
    fn packets_in_one_datagram_are_told_apart() {
        let mut bytes = initial(1, 40);
        let first = bytes.len();
        bytes.extend([0x45, 9, 9]);
        let long = Long::parse(&bytes, 0).unwrap();
        assert_eq!(
            (long.kind, long.destination, long.source),
            (Kind::Initial, &[1, 2, 3, 4][..], &[5, 6][..])
        );
        assert_eq!((long.packet.len(), long.rest, long.body().len()), (first, &[0x45, 9, 9][..], 40));
    }

    #[test]
    fn a_length_beyond_the_datagram_is_refused_unless_the_capture_was_cut() {
        let bytes = initial(1, 40);
        let cut = &bytes[..bytes.len() - 10];
        assert!(Long::parse(cut, 0).is_none() && Long::parse(cut, 9).is_none());
        assert_eq!(Long::parse(cut, 10).unwrap().missing, 10);
    }

    #[test]
    fn version_two_moves_the_types() {
        for (first, kind) in
            [(0xd3, Kind::Initial), (0xe3, Kind::ZeroRtt), (0xf3, Kind::Handshake), (0xc3, Kind::Retry)]
        {
            let mut bytes = initial(0x6b33_43cf, 40);
            bytes[0] = first;
            if matches!(kind, Kind::ZeroRtt | Kind::Handshake) {
                bytes.drain(13..17);
            }
            assert_eq!(Long::parse(&bytes, 0).unwrap().kind, kind);
        }
    }

    #[test]
    fn unknown_versions_and_long_ids_are_refused() {
        assert!(Long::parse(&initial(0x1234_5678, 40), 0).is_none());
        let mut bytes = initial(1, 40);
        bytes[5] = 21;
        assert!(Long::parse(&bytes, 0).is_none());
        for end in 0..initial(1, 40).len() {
            assert!(Long::parse(&initial(1, 40)[..end], 0).is_none());
        }
    }
}
