//! A socket with its rings, bound to a queue of an interface.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::error::AfXdpError;
use super::frames::Frames;
use super::ring::{Consumer, Place, Producer};
use crate::linux;

/// Whether packets are copied between the card's memory and ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyChoice {
    /// Not where the driver can do without.
    #[default]
    Auto,
    /// Never: an error where the driver must.
    ZeroCopy,
    /// Always.
    Copy,
}

/// The queue of an interface that a socket is for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) interface: String,
    pub(super) index: u32,
    pub(super) queue: u32,
}

impl Target {
    fn failed(&self, step: &'static str) -> impl Fn(io::Error) -> AfXdpError + '_ {
        move |source| AfXdpError::Socket {
            interface: self.interface.clone(),
            queue: self.queue,
            step,
            source,
        }
    }
}

/// Entries of the rings, powers of two.
#[derive(Clone, Copy, Debug)]
pub(super) struct RingSizes {
    pub(super) rx: u32,
    pub(super) tx: u32,
    pub(super) fill: u32,
    pub(super) completion: u32,
}

/// How a socket is bound.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub(super) copy: CopyChoice,
    /// Frames may come in several pieces (kernel 6.6).
    pub(super) in_pieces: bool,
}

/// A bound socket.
#[derive(Debug)]
pub(super) struct Socket {
    // Rings first: they are unmapped before the socket closes.
    pub(super) rx: Consumer<libc::xdp_desc>,
    pub(super) tx: Producer<libc::xdp_desc>,
    pub(super) fill: Producer<u64>,
    pub(super) completion: Consumer<u64>,
    pub(super) fd: OwnedFd,
    pub(super) is_zero_copy: bool,
}

impl Socket {
    /// Makes a socket on `frames`, registered by it or shared with the socket `first` of the same worker, and binds it.
    pub(super) fn open(
        target: &Target,
        frames: &Frames,
        sizes: RingSizes,
        binding: Binding,
        first: Option<&Self>,
    ) -> Result<Self, AfXdpError> {
        let fd = linux::socket(libc::AF_XDP, libc::SOCK_RAW, 0).map_err(target.failed("no socket"))?;
        if first.is_none() {
            register(&fd, frames).map_err(target.failed("the memory is not taken"))?;
        }
        for (name, entries) in [
            (libc::XDP_UMEM_FILL_RING, sizes.fill),
            (libc::XDP_UMEM_COMPLETION_RING, sizes.completion),
            (libc::XDP_RX_RING, sizes.rx),
            (libc::XDP_TX_RING, sizes.tx),
        ] {
            linux::set_option(&fd, libc::SOL_XDP, name, &entries)
                .map_err(target.failed("a ring is refused"))?;
        }
        let (offsets, _) =
            linux::option::<libc::xdp_mmap_offsets>(&fd, libc::SOL_XDP, libc::XDP_MMAP_OFFSETS)
                .map_err(target.failed("the rings cannot be found"))?;
        let place = |page_offset, offsets, entries| Place { page_offset, offsets, entries };
        let mapped = target.failed("a ring cannot be mapped");
        let rx = Consumer::map(&fd, place(libc::XDP_PGOFF_RX_RING, offsets.rx, sizes.rx)).map_err(&mapped)?;
        let tx = Producer::map(&fd, place(libc::XDP_PGOFF_TX_RING, offsets.tx, sizes.tx)).map_err(&mapped)?;
        let fill = Producer::map(&fd, place(FILL_OFFSET, offsets.fr, sizes.fill)).map_err(&mapped)?;
        let completion =
            Consumer::map(&fd, place(COMPLETION_OFFSET, offsets.cr, sizes.completion)).map_err(&mapped)?;
        bind(&fd, target, binding, first).map_err(target.failed("the socket cannot be bound"))?;
        let options = linux::option::<libc::xdp_options>(&fd, libc::SOL_XDP, libc::XDP_OPTIONS);
        let is_zero_copy = options.is_ok_and(|(options, _)| options.flags & libc::XDP_OPTIONS_ZEROCOPY != 0);
        Ok(Self { rx, tx, fill, completion, fd, is_zero_copy })
    }

    /// Has the kernel receive: where it sleeps, and where busy polling is on.
    #[inline]
    pub(super) fn wake_receiver(&self) {
        let (fd, nothing) = (self.fd.as_raw_fd(), std::ptr::null_mut());
        // SAFETY: nothing is to be written, by the length.
        unsafe {
            libc::recvfrom(fd, nothing, 0, libc::MSG_DONTWAIT, std::ptr::null_mut(), std::ptr::null_mut())
        };
    }

    /// Has the kernel send; true where it says that there is more to do.
    #[inline]
    pub(super) fn wake_sender(&self) -> bool {
        let (fd, nothing) = (self.fd.as_raw_fd(), std::ptr::null());
        // SAFETY: nothing is to be read, by the length.
        let sent = unsafe { libc::sendto(fd, nothing, 0, libc::MSG_DONTWAIT, std::ptr::null(), 0) };
        sent < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)
    }

    /// Turns busy polling on (kernel 5.11): the worker's calls do the driver's work.
    pub(super) fn busy_poll(&self, micros: u32, budget: u32) -> io::Result<()> {
        for (name, value) in
            [(SO_PREFER_BUSY_POLL, 1), (libc::SO_BUSY_POLL, micros), (SO_BUSY_POLL_BUDGET, budget)]
        {
            linux::set_option(&self.fd, libc::SOL_SOCKET, name, &value)?;
        }
        Ok(())
    }
}

/// What the kernel counted of a socket.
pub(super) fn statistics(fd: &OwnedFd) -> io::Result<libc::xdp_statistics> {
    linux::option::<libc::xdp_statistics>(fd, libc::SOL_XDP, libc::XDP_STATISTICS).map(|(counts, _)| counts)
}

fn register(fd: &OwnedFd, frames: &Frames) -> io::Result<()> {
    let memory = libc::xdp_umem_reg {
        addr: u64::try_from(frames.start().addr()).unwrap_or(0),
        len: frames.len(),
        chunk_size: frames.size(),
        headroom: 0,
        flags: 0,
        tx_metadata_len: 0,
    };
    linux::set_option(fd, libc::SOL_XDP, libc::XDP_UMEM_REG, &memory)
}

fn bind(fd: &OwnedFd, target: &Target, binding: Binding, first: Option<&Socket>) -> io::Result<()> {
    let mut address = libc::sockaddr_xdp {
        sxdp_family: u16::try_from(libc::AF_XDP).unwrap_or_default(),
        sxdp_flags: 0,
        sxdp_ifindex: target.index,
        sxdp_queue_id: target.queue,
        sxdp_shared_umem_fd: 0,
    };
    if let Some(first) = first {
        // How the memory is used was settled with its first socket.
        address.sxdp_flags = libc::XDP_SHARED_UMEM;
        address.sxdp_shared_umem_fd = u32::try_from(first.fd.as_raw_fd()).unwrap_or(0);
        return linux::bind(fd, &address);
    }
    address.sxdp_flags = libc::XDP_USE_NEED_WAKEUP
        | match binding.copy {
            CopyChoice::Auto => 0,
            CopyChoice::ZeroCopy => libc::XDP_ZEROCOPY,
            CopyChoice::Copy => libc::XDP_COPY,
        };
    if binding.in_pieces {
        address.sxdp_flags |= libc::XDP_USE_SG;
    }
    linux::bind(fd, &address)
}

#[expect(clippy::cast_possible_wrap, reason = "both are below 2^33, and offsets have 63 bits")]
const FILL_OFFSET: libc::off_t = libc::XDP_UMEM_PGOFF_FILL_RING as libc::off_t;
#[expect(clippy::cast_possible_wrap, reason = "both are below 2^33, and offsets have 63 bits")]
const COMPLETION_OFFSET: libc::off_t = libc::XDP_UMEM_PGOFF_COMPLETION_RING as libc::off_t;

// asm-generic/socket.h
const SO_PREFER_BUSY_POLL: libc::c_int = 69;
const SO_BUSY_POLL_BUDGET: libc::c_int = 70;
