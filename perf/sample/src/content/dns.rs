//! DNS (RFC 1035).

use std::net::IpAddr;

use super::with_length;

/// Type of a record: IPv4 address.
pub const A: u16 = 1;
/// Type of a record: IPv6 address (RFC 3596).
pub const AAAA: u16 = 28;

/// A query for one name, recursion desired.
#[must_use]
pub fn query(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = header(id, 0x0100, 0);
    question(&mut message, name, kind);
    message
}

/// The answer to [`query`], with an address record per address; the name is compressed.
#[must_use]
pub fn response(id: u16, name: &str, kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    let mut message = header(id, 0x8180, u16::try_from(addresses.len()).unwrap_or(u16::MAX));
    question(&mut message, name, kind);
    for address in addresses {
        // A pointer to the name in the question, which starts behind the 12 bytes of the header.
        message.extend_from_slice(&[0xc0, 12]);
        message.extend_from_slice(&kind.to_be_bytes());
        message.extend_from_slice(&[0, 1, 0, 0, 1, 0x2c]);
        with_length::<2>(&mut message, |out| match address {
            IpAddr::V4(v4) => out.extend_from_slice(&v4.octets()),
            IpAddr::V6(v6) => out.extend_from_slice(&v6.octets()),
        });
    }
    message
}

/// The answer "no such name".
#[must_use]
pub fn no_such_name(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut message = header(id, 0x8183, 0);
    question(&mut message, name, kind);
    message
}

fn header(id: u16, flags: u16, answers: u16) -> Vec<u8> {
    [id, flags, 1, answers, 0, 0].iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn question(message: &mut Vec<u8>, name: &str, kind: u16) {
    for label in name.split('.') {
        with_length::<1>(message, |out| out.extend(label.bytes().take(63)));
    }
    message.push(0);
    message.extend_from_slice(&kind.to_be_bytes());
    message.extend_from_slice(&[0, 1]);
}
