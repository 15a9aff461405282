//! Messages of STUN (RFC 8489 5) and of TURN's channels (RFC 8656 12.4).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A message.
#[derive(Clone, Copy, Debug)]
pub(in crate::protocols) struct Message<'a> {
    kind: u16,
    /// Magic cookie and transaction id: what addresses are XORed with.
    key: [u8; 16],
    attributes: &'a [u8],
    /// All attributes end where the message does.
    pub(super) is_sound: bool,
    /// Bytes of the message.
    pub(in crate::protocols) len: usize,
}

/// What a message does (RFC 8489 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

/// An attribute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads the message at the start of `bytes`, of which `missing` at the end were not captured. None where there
    /// is no magic cookie.
    pub(in crate::protocols) fn parse(bytes: &'a [u8], missing: usize) -> Option<Self> {
        let message = Self::parse_any(bytes, missing)?;
        message.has_cookie().then_some(message)
    }

    /// Reads a message of RFC 3489, which had sixteen bytes of transaction id in place of the cookie.
    pub(in crate::protocols) fn parse_classic(bytes: &'a [u8]) -> Option<Self> {
        let message = Self::parse_any(bytes, 0)?;
        let is_defined = matches!(message.kind, 0x0001 | 0x0002 | 0x0101 | 0x0102 | 0x0111 | 0x0112);
        (is_defined && message.is_sound && message.len == bytes.len()).then_some(message)
    }

    fn parse_any(bytes: &'a [u8], missing: usize) -> Option<Self> {
        let ([k1, k2, l1, l2, key @ ..], rest) = bytes.split_first_chunk::<20>()?;
        let kind = u16::from_be_bytes([*k1, *k2]);
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        if kind >= 0x4000 || len > rest.len() + missing {
            return None;
        }
        let attributes = rest.get(..len).unwrap_or(rest);
        let mut walk = Attributes { rest: attributes };
        while walk.next().is_some() {}
        let is_sound = walk.rest.is_empty() || len > rest.len();
        Some(Self { kind, key: *key, attributes, is_sound, len: 20 + len })
    }

    pub(super) fn has_cookie(&self) -> bool {
        self.key.starts_with(&COOKIE)
    }

    pub(super) const fn class(&self) -> Class {
        match self.kind & 0x0110 {
            0x0000 => Class::Request,
            0x0010 => Class::Indication,
            0x0100 => Class::Success,
            _ => Class::Error,
        }
    }

    /// Number of the method.
    pub(super) const fn method(&self) -> u16 {
        self.kind & 0x000f | (self.kind & 0x00e0) >> 1 | (self.kind & 0x3e00) >> 2
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        Attributes { rest: self.attributes }
    }

    /// Address of an attribute that has one, XORed or not (RFC 8489 14.1 and 14.2).
    pub(super) fn address(&self, value: &[u8], is_hidden: bool) -> Option<SocketAddr> {
        let ([0, family, p1, p2], rest) = value.split_first_chunk::<4>()? else { return None };
        let key = if is_hidden { self.key } else { [0; 16] };
        let [k1, k2, ..] = key;
        let port = u16::from_be_bytes([p1 ^ k1, p2 ^ k2]);
        let open = |place: &mut [u8]| place.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        let ip: IpAddr = match family {
            1 => {
                let mut octets: [u8; 4] = rest.try_into().ok()?;
                open(&mut octets);
                Ipv4Addr::from(octets).into()
            }
            2 => {
                let mut octets: [u8; 16] = rest.try_into().ok()?;
                open(&mut octets);
                Ipv6Addr::from(octets).into()
            }
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let ([k1, k2, l1, l2], rest) = self.rest.split_first_chunk::<4>()?;
        let len = usize::from(u16::from_be_bytes([*l1, *l2]));
        let value = rest.get(..len)?;
        // Some senders leave the padding of the last attribute out.
        self.rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute { kind: u16::from_be_bytes([*k1, *k2]), value })
    }
}

/// Content of a ChannelData message, and the length of all of it without padding. Channels are 0x4000 to 0x4fff
/// (RFC 8656 12).
pub(in crate::protocols) fn channel_data(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let ([0x40..=0x4f, _, l1, l2], rest) = bytes.split_first_chunk::<4>()? else { return None };
    let len = usize::from(u16::from_be_bytes([*l1, *l2]));
    Some((rest.get(..len)?, 4 + len))
}

/// Name of a method (IANA "STUN Methods").
pub(super) const fn method_name(method: u16) -> Option<&'static str> {
    Some(match method {
        0x001 => "binding",
        0x002 => "shared_secret",
        0x003 => "allocate",
        0x004 => "refresh",
        0x006 => "send",
        0x007 => "data",
        0x008 => "create_permission",
        0x009 => "channel_bind",
        0x00a => "connect",
        0x00b => "connection_bind",
        0x00c => "connection_attempt",
        0x080 => "goog_ping",
        _ => return None,
    })
}

/// RFC 8489 5.
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "lengths of tests are small")]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A message with a cookie.
    pub(in super::super) fn message(kind: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (kind, value) in attributes {
            body.extend(kind.to_be_bytes());
            body.extend((value.len() as u16).to_be_bytes());
            body.extend(*value);
            body.resize(body.len().next_multiple_of(4), 0);
        }
        let mut bytes = kind.to_be_bytes().to_vec();
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(COOKIE);
        bytes.extend([0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae]);
        bytes.extend(body);
        bytes
    }

    #[test]
    fn addresses_are_those_of_rfc_5769() {
        // 2.2 and 2.3: XOR-MAPPED-ADDRESS of the two responses.
        let four = message(0x0101, &[(0x0020, &[0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43])]);
        let six = message(
            0x0101,
            &[(
                0x0020,
                &[
                    0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5,
                    0xbe, 0xd2, 0xb9, 0xd9,
                ],
            )],
        );
        for (bytes, address) in
            [(four, "192.0.2.1:32853"), (six, "[2001:db8:1234:5678:11:2233:4455:6677]:32853")]
        {
            let message = Message::parse(&bytes, 0).unwrap();
            let attribute = message.attributes().next().unwrap();
            assert_eq!((message.class(), message.method(), attribute.kind), (Class::Success, 1, 0x0020));
            assert_eq!(message.address(attribute.value, true).unwrap().to_string(), address);
            assert!(message.is_sound);
        }
    }

    #[test]
    fn class_and_method_are_interleaved() {
        for (kind, class, method) in [
            (0x0001, Class::Request, 1),
            (0x0011, Class::Indication, 1),
            (0x0113, Class::Error, 3),
            (0x0101, Class::Success, 1),
            (0x0200, Class::Request, 0x80),
        ] {
            let bytes = message(kind, &[]);
            let message = Message::parse(&bytes, 0).unwrap();
            assert_eq!((message.class(), message.method()), (class, method), "{kind:04x}");
        }
    }

    #[test]
    fn a_channel_has_a_number_and_a_length() {
        assert_eq!(channel_data(&[0x40, 1, 0, 2, 7, 8, 0, 0]), Some((&[7, 8][..], 6)));
        assert_eq!(channel_data(&[0x50, 1, 0, 2, 7, 8]), None);
        assert_eq!(channel_data(&[0x40, 1, 0, 3, 7, 8]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200), missing in 0_usize..100) {
            if let Some(message) = Message::parse_any(&bytes, missing) {
                for attribute in message.attributes() {
                    message.address(attribute.value, true);
                }
            }
            Message::parse_classic(&bytes);
            channel_data(&bytes);
        }
    }
}
