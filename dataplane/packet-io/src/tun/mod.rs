//! An interface of the kernel's that a program is the other end of: IP packets that the kernel sends there are read, and
//! those that are written come to the kernel (TUN, Documentation/networking/tuntap.rst). It goes with who made it.

mod routes;

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

pub use routes::{Routes, TABLE};

use crate::linux;
use crate::netlink;

/// Why there is no such interface.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// The kernel has no TUN, or does not let us have it.
    #[error("cannot open {DEVICE}: {0} (`modprobe tun`; it takes the capability `net_admin`)")]
    Device(#[source] io::Error),
    /// The kernel refuses the interface.
    #[error("cannot make the interface {name}: {source}{}", mend(source))]
    Interface {
        /// Its name.
        name: String,
        /// What the kernel says.
        source: io::Error,
    },
}

fn mend(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EBUSY) => {
            " (another program is its other end; `boot.exception_port` can have another name)"
        }
        Some(libc::EINVAL) => " (there is one of that name and of another kind)",
        Some(libc::EPERM) => " (it takes the capability `net_admin`)",
        _ => "",
    }
}

/// The other end of an interface.
#[derive(Debug)]
pub struct Tun {
    file: File,
    index: u32,
}

impl Tun {
    /// Makes an interface for packets of at most `mtu` bytes, without an address, and sets it up.
    ///
    /// # Errors
    /// [`TunError`].
    pub fn open(name: &str, mtu: u16) -> Result<Self, TunError> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC);
        let file = options.open(DEVICE).map_err(TunError::Device)?;
        let refused = |source| TunError::Interface { name: name.to_owned(), source };
        linux::become_tun(&file, name).map_err(refused)?;
        let index = linux::interface_index(name)
            .ok_or_else(|| refused(io::Error::from_raw_os_error(libc::ENODEV)))?;
        set_up(index, mtu).map_err(refused)?;
        Ok(Self { file, index })
    }

    /// Number of the interface.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// The next IP packet that the kernel sends, into `place`; its length, none where there is no packet now.
    ///
    /// # Errors
    /// What the kernel says, as where the interface was removed.
    pub fn receive(&self, place: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match (&self.file).read(place) {
                Ok(length) => return Ok(Some(length)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands the kernel an IP packet.
    ///
    /// # Errors
    /// What the kernel says, as where the interface is down.
    pub fn send(&self, packet: &[u8]) -> io::Result<()> {
        (&self.file).write(packet).map(drop)
    }

    /// Waits until the kernel sends something, or the time is over.
    pub fn wait(&self, limit: Duration) {
        linux::wait_readable(&self.file, limit);
    }
}

/// Gives an interface its MTU, and sets it up.
fn set_up(index: u32, mtu: u16) -> io::Result<()> {
    let up = libc::IFF_UP.to_ne_bytes();
    let mut message = vec![0; 4]; // family and type
    message.extend(index.to_ne_bytes());
    message.extend(up); // flags
    message.extend(up); // which of them change
    netlink::put(&mut message, libc::IFLA_MTU, &u32::from(mtu).to_ne_bytes());
    netlink::order(libc::RTM_NEWLINK, 0, &message)
}

const DEVICE: &str = "/dev/net/tun";
