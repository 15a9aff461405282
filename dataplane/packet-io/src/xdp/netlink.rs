//! What the kernel says of an interface's XDP program, by rtnetlink (rtnetlink(7)), and its exchange for another.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use super::program::Mode;
use crate::netlink::{self, HEADER, attribute, done};

/// Which program is attached, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) mode: Mode,
    pub(super) program: u32,
}

const IFLA_XDP: u16 = 43;
const IFLA_XDP_FD: u16 = 1;
const IFLA_XDP_ATTACHED: u16 = 2;
const IFLA_XDP_FLAGS: u16 = 3;
const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_EXPECTED_FD: u16 = 8;
const XDP_FLAGS_SKB_MODE: u32 = 2;
const XDP_FLAGS_DRV_MODE: u32 = 4;
const XDP_FLAGS_HW_MODE: u32 = 8;
const XDP_FLAGS_REPLACE: u32 = 16;
const NLA_F_NESTED: u16 = 0x8000;
const INTERFACE: usize = 16;

/// Asks about one interface.
pub(super) fn attached(index: u32) -> io::Result<Option<Seen>> {
    read(&netlink::ask(libc::RTM_GETLINK, 0, &about(index))?)
}

/// Puts a program, or none, in the place of the one that an interface has, if it is the expected one.
pub(super) fn exchange(
    index: u32,
    program: Option<BorrowedFd<'_>>,
    expected: BorrowedFd<'_>,
    mode: Mode,
) -> io::Result<()> {
    let flags = XDP_FLAGS_REPLACE
        | match mode {
            Mode::Native => XDP_FLAGS_DRV_MODE,
            Mode::Generic => XDP_FLAGS_SKB_MODE,
            Mode::Offloaded => XDP_FLAGS_HW_MODE,
            Mode::Several => 0,
        };
    let program = program.map_or(-1, |program| program.as_raw_fd());
    let mut attributes = Vec::new();
    netlink::put(&mut attributes, IFLA_XDP_FD, &program.to_ne_bytes());
    netlink::put(&mut attributes, IFLA_XDP_FLAGS, &flags.to_ne_bytes());
    netlink::put(&mut attributes, IFLA_XDP_EXPECTED_FD, &expected.as_raw_fd().to_ne_bytes());
    let mut message = about(index);
    netlink::put(&mut message, IFLA_XDP | NLA_F_NESTED, &attributes);
    netlink::order(libc::RTM_SETLINK, 0, &message)
}

/// The head of a message about one interface (`struct ifinfomsg`).
fn about(index: u32) -> Vec<u8> {
    let mut head = vec![0; 4]; // family and type
    head.extend(index.to_ne_bytes());
    head.extend([0; 8]); // flags and change
    head
}

/// Reads an answer: one message, or an error.
fn read(answer: &[u8]) -> io::Result<Option<Seen>> {
    done(answer)?;
    let attributes =
        answer.get(HEADER + INTERFACE..).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::linux;

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
