//! Google QUIC: the public header, and handshake messages that are lists of tags and values.
//!
//! Sources: Chromium's `QuicFramer` and `CryptoFramer`, and the documents "QUIC Wire Layout Specification" and "QUIC
//! Crypto" (Langley, Chang). Everything before the keys are agreed on is in the clear behind a hash of twelve bytes.

use super::version::{Dialect, Version};

/// The version in a public header, of which a client sends one until the server answers. None where there is no
/// version, or none that has such a header.
pub(super) fn public_version(bytes: &[u8]) -> Option<Version> {
    let ([flags, _id @ .., a, b, c, d], _) = bytes.split_first_chunk::<13>()?;
    if flags & RESERVED != 0 || flags & (VERSION | EIGHT_BYTES_OF_ID) != VERSION | EIGHT_BYTES_OF_ID {
        return None;
    }
    let version = Version(u32::from_be_bytes([*a, *b, *c, *d]));
    (version.dialect() == Some(Dialect::GoogleOpen) && !version.has_long_header()).then_some(version)
}

/// Whether a first byte can be the public header of a packet without a version, as servers send them.
pub(super) const fn may_be_servers(flags: u8) -> bool {
    flags & (RESERVED | VERSION | RESET) == 0
}

/// A message of the handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// All of it, and what follows.
    pub(super) bytes: &'a [u8],
    tag: [u8; 4],
    /// Tags and the ends of their values.
    entries: &'a [[u8; 8]],
    values: &'a [u8],
}

impl<'a> Message<'a> {
    /// Looks for the start of a message in a packet that is in the clear: behind the header, the hash, and the
    /// frames that may come first. What it finds has a tag that starts messages, and a list of ascending tags.
    pub(super) fn find(packet: &'a [u8]) -> Option<Self> {
        let searched = packet.get(..SEARCHED).unwrap_or(packet);
        let at = searched.windows(4).position(|tag| TAGS.iter().any(|known| known == tag))?;
        Self::parse(packet.get(at..)?)
    }

    /// Reads a message. Its values may be cut: those that are not there are not found.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first_chunk::<4>()?;
        let ([low, high, 0, 0], rest) = rest.split_first_chunk::<4>()? else { return None };
        let count = usize::from(u16::from_le_bytes([*low, *high]));
        let (entries, values) = rest.split_at_checked(count.checked_mul(8)?)?;
        let (entries, _) = entries.as_chunks::<8>();
        if !TAGS.contains(tag) || !(1..=MAX_ENTRIES).contains(&count) {
            return None;
        }
        let is_ordered = entries.windows(2).all(|pair| match pair {
            [a, b] => number(a) < number(b) && end(a) <= end(b),
            _ => true,
        });
        let is_short = entries.last().is_some_and(|entry| end(entry) <= MAX_VALUES);
        (is_ordered && is_short).then_some(Self { bytes, tag: *tag, entries, values })
    }

    /// Whether a client sent it.
    pub(super) fn is_from_client(&self) -> bool {
        self.tag == *b"CHLO"
    }

    /// The value of a tag.
    pub(super) fn value(&self, tag: [u8; 4]) -> Option<&'a [u8]> {
        let mut start = 0;
        for entry in self.entries {
            let end = usize::try_from(end(entry)).ok()?;
            if entry.starts_with(&tag) {
                return self.values.get(start..end).filter(|value| !value.is_empty());
            }
            start = end;
        }
        None
    }

    /// The tags in order, without the zeros at their ends.
    pub(super) fn tags(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.entries.iter().map(|entry| {
            let [a, b, c, d, ..] = entry;
            let len = if *d != 0 {
                4
            } else if *c != 0 {
                3
            } else if *b != 0 {
                2
            } else {
                usize::from(*a != 0)
            };
            entry.get(..len).unwrap_or_default()
        })
    }
}

/// A tag as it is ordered.
const fn number(entry: &[u8; 8]) -> u32 {
    let [a, b, c, d, ..] = *entry;
    u32::from_le_bytes([a, b, c, d])
}

const fn end(entry: &[u8; 8]) -> u32 {
    let [.., a, b, c, d] = *entry;
    u32::from_le_bytes([a, b, c, d])
}

/// Messages that are sent in the clear.
const TAGS: [[u8; 4]; 4] = [*b"CHLO", *b"REJ\0", *b"SREJ", *b"SHLO"];

/// Flags of the public header.
const VERSION: u8 = 0x01;
const RESET: u8 = 0x02;
const EIGHT_BYTES_OF_ID: u8 = 0x08;
const RESERVED: u8 = 0xc0;

/// Bytes of a packet in which a message may start.
const SEARCHED: usize = 256;
/// Most entries of a message (`kMaxEntries`).
const MAX_ENTRIES: usize = 128;
/// More than the values of any message have.
const MAX_VALUES: u32 = 32 * 1024;

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with these tags and values.
    pub(in super::super) fn message(tag: &[u8; 4], entries: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut bytes = tag.to_vec();
        bytes.extend((entries.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        let mut end = 0_u32;
        for (tag, value) in entries {
            end += value.len() as u32;
            bytes.extend(*tag);
            bytes.extend(end.to_le_bytes());
        }
        entries.iter().for_each(|(_, value)| bytes.extend(*value));
        bytes
    }

    fn hello() -> Vec<u8> {
        message(
            b"CHLO",
            &[(b"PAD\0", &[b'-'; 40]), (b"SNI\0", b"example.org"), (b"VER\0", b"Q043"), (b"UAID", b"Test 1")],
        )
    }

    #[test]
    fn values_and_tags_are_read() {
        let bytes = [&[0; 30][..], &hello()].concat();
        let message = Message::find(&bytes).unwrap();
        assert!(message.is_from_client());
        assert_eq!(message.value(*b"SNI\0"), Some(&b"example.org"[..]));
        assert_eq!(message.value(*b"UAID"), Some(&b"Test 1"[..]));
        assert_eq!(message.value(*b"KEXS"), None);
        assert_eq!(message.tags().collect::<Vec<_>>(), [&b"PAD"[..], b"SNI", b"VER", b"UAID"]);
    }

    #[test]
    fn a_cut_message_keeps_the_values_that_are_whole() {
        let bytes = hello();
        let message = Message::parse(&bytes[..bytes.len() - 8]).unwrap();
        assert_eq!(message.value(*b"SNI\0"), Some(&b"example.org"[..]));
        assert_eq!(message.value(*b"UAID"), None);
    }

    #[test]
    fn tags_out_of_order_and_words_in_other_text_are_no_message() {
        assert!(Message::parse(&message(b"CHLO", &[(b"VER\0", b"Q043"), (b"SNI\0", b"a")])).is_none());
        assert!(Message::parse(&message(b"CHLO", &[])).is_none());
        assert!(Message::find(b"to be or not to be CHLO is in the middle of this text").is_none());
    }

    #[test]
    fn a_version_is_read_from_a_public_header_only() {
        let bytes =
            |flags, version: &[u8; 4]| [&[flags, 1, 2, 3, 4, 5, 6, 7, 8][..], version, &[1, 2]].concat();
        assert_eq!(public_version(&bytes(0x09, b"Q043")), Some(Version(0x5130_3433)));
        assert_eq!(public_version(&bytes(0x0d, b"Q025")), Some(Version(0x5130_3235)));
        assert_eq!(public_version(&bytes(0x0c, b"Q025")), None);
        assert_eq!(public_version(&bytes(0xc9, b"Q043")), None);
        assert_eq!(public_version(&bytes(0x09, b"Q046")), None, "it has a long header");
        assert_eq!(public_version(&bytes(0x09, b"Q0x3")), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300), at in 0_usize..40) {
            let mut bytes = bytes;
            if let Some(place) = bytes.get_mut(at..at + 8) {
                place.copy_from_slice(b"CHLO\x03\0\0\0");
            }
            if let Some(message) = Message::find(&bytes) {
                message.value(*b"SNI\0");
                message.tags().count();
            }
            public_version(&bytes);
        }
    }
}
