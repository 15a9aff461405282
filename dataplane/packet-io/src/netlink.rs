//! Requests to the kernel about its network, one message each, by rtnetlink (rtnetlink(7)).

#![expect(unsafe_code, reason = "system calls that no safe wrapper in use has")]

use std::io;
use std::os::fd::AsRawFd;

use crate::linux;

pub(crate) const NLM_F_ACK: u16 = 4;
const NLM_F_REQUEST: u16 = 1;
const NLA_TYPE_MASK: u16 = 0x3fff;
/// Bytes of the header of every message.
pub(crate) const HEADER: usize = 16;
/// Longer than any answer about one thing.
const ANSWER: usize = 64 << 10;

/// Sends a message, and receives the answer.
pub(crate) fn ask(kind: u16, flags: u16, body: &[u8]) -> io::Result<Vec<u8>> {
    let socket = linux::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let len = HEADER + body.len();
    let mut request = Vec::with_capacity(len);
    request.extend(u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    request.extend([0; 8]); // sequence, sender
    request.extend(body);
    let (from, len) = (request.as_ptr().cast(), request.len());
    // SAFETY: the kernel reads as many bytes as the request has.
    let sent = unsafe { libc::send(socket.as_raw_fd(), from, len, 0) };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    let mut answer = vec![0_u8; ANSWER];
    // SAFETY: the kernel writes at most as many bytes as the buffer has.
    let got = unsafe { libc::recv(socket.as_raw_fd(), answer.as_mut_ptr().cast(), answer.len(), 0) };
    let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
    answer.truncate(got);
    Ok(answer)
}

/// Has something done: sends a message that is only answered by how it went.
pub(crate) fn order(kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    done(&ask(kind, flags | NLM_F_ACK, body)?)
}

/// What an answer says that is an error or that there was none.
pub(crate) fn done(answer: &[u8]) -> io::Result<()> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (header, rest) = answer.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let [_, _, _, _, a, b, ..] = *header;
    if i32::from(u16::from_ne_bytes([a, b])) == libc::NLMSG_ERROR {
        let (code, _) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        match i32::from_ne_bytes(*code) {
            0 => {}
            code => return Err(io::Error::from_raw_os_error(code.saturating_neg())),
        }
    }
    Ok(())
}

/// Appends an attribute: length, kind, value, padding.
pub(crate) fn put(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = 4 + value.len();
    message.extend(u16::try_from(len).unwrap_or(u16::MAX).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
}

/// The value of the first attribute of a kind.
pub(crate) fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    while let Some(([a, b, c, d], rest)) = attributes.split_first_chunk::<4>() {
        let len = usize::from(u16::from_ne_bytes([*a, *b])).checked_sub(4)?;
        let value = rest.get(..len)?;
        if u16::from_ne_bytes([*c, *d]) & NLA_TYPE_MASK == wanted {
            return Some(value);
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
    None
}
