//! Requests and replies: lengths, addresses, names.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::ArrayVec;
use memchr::memchr;

use crate::protocols::framed::{Cursor, Masked};

/// Where a connection is wanted to.
#[derive(Debug, Default)]
pub(super) struct Target {
    pub(super) address: Option<IpAddr>,
    pub(super) host: ArrayVec<u8, 255>,
    pub(super) port: u16,
}

/// Bytes of a request of version 4, None while its end is not there.
pub(super) fn request_4(bytes: &[u8], most: usize) -> Result<Option<usize>, &'static str> {
    let Some((head, rest)) = bytes.split_first_chunk::<8>() else { return Ok(None) };
    let mut len = head.len();
    let mut names = rest;
    // The user, and in 4A, where the address is 0.0.0.x, the host.
    let [_, _, _, _, a, b, c, d] = head;
    let count = if [*a, *b, *c] == [0; 3] && *d != 0 { 2 } else { 1 };
    for _ in 0..count {
        let Some(end) = memchr(0, names) else {
            return if bytes.len() >= most { Err("endless_request") } else { Ok(None) };
        };
        len += end + 1;
        names = names.get(end + 1..).unwrap_or_default();
    }
    Ok(Some(len))
}

/// Bytes of a request or a reply of version 5.
pub(super) fn request_5(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    let &[_, _, _, kind, first, ..] = bytes else { return Ok(None) };
    match kind {
        1 => Ok(Some(10)),
        3 => Ok(Some(7 + usize::from(first))),
        4 => Ok(Some(22)),
        _ => Err("unknown_address_type"),
    }
}

/// Target and user of a request of version 4.
pub(super) fn target_4(bytes: &[u8]) -> Option<(Target, Masked)> {
    let mut cursor = Cursor::new(bytes);
    cursor.u16()?;
    let port = cursor.u16()?;
    let address = *cursor.array::<4>()?;
    let mut names = cursor.rest().split(|byte| *byte == 0);
    let user = Masked::of(names.next()?);
    let mut target = Target { port, ..Target::default() };
    match address {
        [0, 0, 0, 1..=255] => {
            let host = names.next()?;
            target.host.try_extend_from_slice(host.get(..255).unwrap_or(host)).ok()?;
        }
        address => target.address = Some(Ipv4Addr::from(address).into()),
    }
    Some((target, user))
}

/// Where a server of version 4 waits: port, address.
pub(super) fn bound_4(rest: &[u8]) -> Option<Target> {
    let [p1, p0, address @ ..] = *rest.first_chunk::<6>()?;
    let port = u16::from_be_bytes([p1, p0]);
    Some(Target { address: Some(Ipv4Addr::from(address).into()), port, ..Target::default() })
}

/// Kind of address, address, port (RFC 1928, 5).
pub(super) fn target_5(bytes: &[u8]) -> Option<Target> {
    let mut cursor = Cursor::new(bytes);
    let mut target = Target::default();
    match cursor.u8()? {
        1 => target.address = Some(Ipv4Addr::from(*cursor.array::<4>()?).into()),
        4 => target.address = Some(Ipv6Addr::from(*cursor.array::<16>()?).into()),
        3 => {
            let len = cursor.u8()?;
            target.host.try_extend_from_slice(cursor.take(usize::from(len))?).ok()?;
        }
        _ => return None,
    }
    target.port = cursor.u16()?;
    Some(target)
}

pub(super) const fn command(code: u8) -> &'static str {
    match code {
        1 => "connect",
        2 => "bind",
        3 => "udp_associate",
        _ => "unknown",
    }
}

/// Methods of authentication (IANA registry).
pub(super) const fn method(code: u8) -> &'static str {
    match code {
        0 => "none",
        1 => "gssapi",
        2 => "password",
        3 => "challenge",
        5 => "challenge_response",
        6 => "tls",
        7 => "nds",
        8 => "multiple",
        9 => "json",
        0x80..=0xfe => "private",
        0xff => "refused",
        _ => "unknown",
    }
}

pub(super) const fn reply_4(code: u8) -> &'static str {
    match code {
        90 => "granted",
        91 => "rejected",
        92 => "no_identd",
        93 => "wrong_user",
        _ => "unknown",
    }
}

/// Replies (RFC 1928, 6).
pub(super) const fn reply_5(code: u8) -> &'static str {
    match code {
        0 => "granted",
        1 => "failure",
        2 => "not_allowed",
        3 => "network_unreachable",
        4 => "host_unreachable",
        5 => "refused",
        6 => "expired",
        7 => "command_not_supported",
        8 => "address_type_not_supported",
        _ => "unknown",
    }
}
