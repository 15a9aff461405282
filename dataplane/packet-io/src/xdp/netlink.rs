//! What the kernel says of an interface's XDP program, by rtnetlink (rtnetlink(7)).

use std::io;
use std::os::fd::AsRawFd;

use super::program::Mode;
use crate::linux;

/// Which program is attached, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) mode: Mode,
    pub(super) program: u32,
}

const IFLA_XDP: u16 = 43;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_PROG_ID: u16 = 4;
const NLA_TYPE_MASK: u16 = 0x3fff;
const HEADER: usize = 16;
const INTERFACE: usize = 16;
/// Longer than any answer about one interface.
const ANSWER: usize = 64 << 10;

/// Asks about one interface.
pub(super) fn attached(index: u32) -> io::Result<Option<Seen>> {
    let socket = linux::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE)?;
    let mut request = Vec::with_capacity(HEADER + INTERFACE);
    request.extend(32_u32.to_ne_bytes());
    request.extend(libc::RTM_GETLINK.to_ne_bytes());
    request.extend(1_u16.to_ne_bytes()); // NLM_F_REQUEST
    request.extend([0; 8]); // sequence, sender
    request.extend([0; 4]); // family and type
    request.extend(index.to_ne_bytes());
    request.extend([0; 8]); // flags and change
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
    read(&answer)
}

/// Reads an answer: one message, or an error.
fn read(answer: &[u8]) -> io::Result<Option<Seen>> {
    let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (header, rest) = answer.split_first_chunk::<HEADER>().ok_or_else(short)?;
    let [.., a, b, _, _, _, _, _, _, _, _, _, _] = *header;
    if i32::from(u16::from_ne_bytes([a, b])) == libc::NLMSG_ERROR {
        let (code, _) = rest.split_first_chunk::<4>().ok_or_else(short)?;
        return Err(io::Error::from_raw_os_error(i32::from_ne_bytes(*code).saturating_neg()));
    }
    let attributes = rest.get(INTERFACE..).ok_or_else(short)?;
    let Some(nested) = attribute(attributes, IFLA_XDP) else { return Ok(None) };
    let mode = match attribute(nested, IFLA_XDP_ATTACHED).and_then(<[u8]>::first) {
        Some(1) => Mode::Native,
        Some(2) => Mode::Generic,
        Some(3) => Mode::Offloaded,
        Some(4) => Mode::Several,
        _ => return Ok(None),
    };
    let program = attribute(nested, IFLA_XDP_PROG_ID).and_then(<[u8]>::first_chunk::<4>);
    Ok(Some(Seen { mode, program: program.map_or(0, |id| u32::from_ne_bytes(*id)) }))
}

/// The value of the first attribute of a kind.
fn attribute(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(attributes: &[u8]) -> Vec<u8> {
        let mut message = vec![0; HEADER + INTERFACE];
        message[4] = 16; // RTM_NEWLINK
        message.extend(attributes);
        message
    }

    #[test]
    fn mode_and_program_are_read_behind_other_attributes() {
        let name = [7, 0, 3, 0, b'l', b'o', 0, 0];
        let xdp = [20, 0, 43, 0x80, 5, 0, 2, 0, 2, 0, 0, 0, 8, 0, 4, 0, 17, 0, 0, 0];
        let seen = read(&message(&[&name[..], &xdp].concat())).unwrap();
        assert_eq!(seen, Some(Seen { mode: Mode::Generic, program: 17 }));
        assert_eq!(read(&message(&name)).unwrap(), None);
    }

    #[test]
    fn an_error_is_one() {
        let mut message = message(&[]);
        message[4] = 2;
        message[16..20].copy_from_slice(&(-libc::ENODEV).to_ne_bytes());
        assert_eq!(read(&message).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    #[test]
    fn the_loopback_interface_has_no_program() {
        assert_eq!(attached(linux::interface_index("lo").unwrap()).unwrap(), None);
        assert_eq!(attached(u32::MAX >> 1).unwrap_err().raw_os_error(), Some(libc::ENODEV));
    }

    proptest! {
        #[test]
        fn any_answer_is_read_safely(answer in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&answer);
            let _ = read(&message(&answer));
        }
    }
}
