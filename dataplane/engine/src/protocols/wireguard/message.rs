//! The messages.

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Handshake initiation, 148 bytes.
    Initiation {
        sender: u32,
        /// The second MAC is there: the responder asked for it under load.
        has_cookie: bool,
    },
    /// Handshake response, 92 bytes.
    Response { sender: u32, receiver: u32, has_cookie: bool },
    /// Cookie reply, 64 bytes.
    Cookie { receiver: u32 },
    /// Data, padded to 16 bytes; without content it keeps the session alive.
    Data { receiver: u32, counter: u64, is_empty: bool },
}

impl Message {
    /// Reads the start of a message of `len` bytes; at least the first 16 have to be there. None where type, zeros
    /// and length do not agree.
    pub(super) fn parse(bytes: &[u8], len: usize) -> Option<Self> {
        let ([kind, 0, 0, 0, a, b, c, d, e, f, g, h, i, j, k, l], _) = bytes.split_first_chunk::<16>()?
        else {
            return None;
        };
        let first = u32::from_le_bytes([*a, *b, *c, *d]);
        let second = u32::from_le_bytes([*e, *f, *g, *h]);
        let has_cookie = || bytes.get(len - 16..len).is_some_and(|mac| mac.iter().any(|byte| *byte != 0));
        match (kind, len) {
            (1, INITIATION_LEN) => Some(Self::Initiation { sender: first, has_cookie: has_cookie() }),
            (2, RESPONSE_LEN) => {
                Some(Self::Response { sender: first, receiver: second, has_cookie: has_cookie() })
            }
            (3, COOKIE_LEN) => Some(Self::Cookie { receiver: first }),
            (4, LEAST_DATA_LEN..) if len.is_multiple_of(16) => Some(Self::Data {
                receiver: first,
                counter: u64::from(u32::from_le_bytes([*i, *j, *k, *l])) << 32 | u64::from(second),
                is_empty: len == LEAST_DATA_LEN,
            }),
            _ => None,
        }
    }
}

const INITIATION_LEN: usize = 148;
const RESPONSE_LEN: usize = 92;
const COOKIE_LEN: usize = 64;
const LEAST_DATA_LEN: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(kind: u8, len: usize) -> Vec<u8> {
        let mut bytes = vec![kind, 0, 0, 0, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0];
        bytes.resize(len, 0x5a);
        bytes
    }

    #[test]
    fn every_message_has_its_length() {
        let cases = [
            (1, 148, Some(Message::Initiation { sender: 0x0403_0201, has_cookie: true })),
            (2, 92, Some(Message::Response { sender: 0x0403_0201, receiver: 5, has_cookie: true })),
            (3, 64, Some(Message::Cookie { receiver: 0x0403_0201 })),
            (4, 32, Some(Message::Data { receiver: 0x0403_0201, counter: 5, is_empty: true })),
            (4, 128, Some(Message::Data { receiver: 0x0403_0201, counter: 5, is_empty: false })),
            (1, 147, None),
            (2, 93, None),
            (4, 40, None),
            (5, 64, None),
        ];
        for (kind, len, expected) in cases {
            assert_eq!(Message::parse(&message(kind, len), len), expected);
        }
        let mut bytes = message(1, 148);
        bytes[3] = 1;
        assert_eq!(Message::parse(&bytes, 148), None, "reserved bytes are zero");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 1_u8..5, len in 0_usize..200) {
            let mut bytes = bytes;
            bytes.iter_mut().zip([kind, 0, 0, 0]).for_each(|(place, byte)| *place = byte);
            Message::parse(&bytes, len);
        }
    }
}
