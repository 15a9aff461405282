//! The system calls that the backends on kernel interfaces share, each checked and typed.

#![expect(unsafe_code, reason = "system calls that no safe wrapper in use has")]

use std::ffi::{CString, c_int, c_void};
use std::io;
use std::mem::{MaybeUninit, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

/// The error of a call that returned below zero.
pub(crate) fn check(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// A socket that a child process does not inherit.
pub(crate) fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes numbers only.
    let fd = check(unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, protocol) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A type whose every bit pattern is a value, and that has no padding.
///
/// # Safety
/// Both must be true of the type.
pub(crate) unsafe trait Plain: Copy {}

// SAFETY: a number.
unsafe impl Plain for u32 {}
// SAFETY: a number.
unsafe impl Plain for i32 {}
// SAFETY: numbers, without padding.
unsafe impl Plain for libc::xdp_umem_reg {}
// SAFETY: numbers, without padding.
unsafe impl Plain for libc::xdp_mmap_offsets {}
// SAFETY: numbers, without padding.
unsafe impl Plain for libc::xdp_statistics {}
// SAFETY: a number.
unsafe impl Plain for libc::xdp_options {}
// SAFETY: numbers, without padding.
unsafe impl Plain for libc::sockaddr_xdp {}
// SAFETY: numbers, without padding.
unsafe impl Plain for libc::packet_mreq {}
// SAFETY: numbers, without padding.
unsafe impl Plain for libc::xdp_desc {}
// SAFETY: a number.
unsafe impl Plain for u64 {}

/// Bytes of a value as the kernel counts them.
fn len_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(libc::socklen_t::MAX)
}

/// Sets a socket option.
pub(crate) fn set_option<T: Plain>(
    fd: &impl AsRawFd,
    level: c_int,
    name: c_int,
    value: &T,
) -> io::Result<()> {
    let from = ptr::from_ref(value).cast::<c_void>();
    // SAFETY: the kernel reads as many bytes as said, all of them initialised.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), level, name, from, len_of::<T>()) }).map(drop)
}

/// Reads a socket option; what the kernel does not fill is zero, and its length is given beside it.
pub(crate) fn option<T: Plain>(fd: &impl AsRawFd, level: c_int, name: c_int) -> io::Result<(T, usize)> {
    let (mut value, mut len) = (MaybeUninit::<T>::zeroed(), len_of::<T>());
    // SAFETY: the kernel writes at most as many bytes as said.
    let result =
        unsafe { libc::getsockopt(fd.as_raw_fd(), level, name, value.as_mut_ptr().cast(), &raw mut len) };
    check(result)?;
    // SAFETY: zeroed, and every bit pattern is a value.
    Ok((unsafe { value.assume_init() }, usize::try_from(len).unwrap_or(0)))
}

/// Binds a socket to an address of its family.
pub(crate) fn bind<T: Plain>(fd: &impl AsRawFd, address: &T) -> io::Result<()> {
    let from = ptr::from_ref(address).cast::<libc::sockaddr>();
    // SAFETY: the kernel reads as many bytes as said.
    check(unsafe { libc::bind(fd.as_raw_fd(), from, len_of::<T>()) }).map(drop)
}

/// Index of an interface in this network namespace.
pub(crate) fn interface_index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// Name of an interface in this network namespace.
pub(crate) fn interface_name(index: u32) -> Option<String> {
    let mut name = [0_u8; libc::IF_NAMESIZE];
    // SAFETY: the array is as long as the kernel may fill.
    let found = unsafe { libc::if_indextoname(index, name.as_mut_ptr().cast()) };
    let name = std::ffi::CStr::from_bytes_until_nul(&name).ok()?;
    (!found.is_null()).then(|| name.to_string_lossy().into_owned())
}

/// An `ifreq` for an interface, with a pointer or number as the kernel wants it.
#[repr(C)]
struct Request {
    name: [u8; libc::IFNAMSIZ],
    data: RequestData,
}

#[repr(C)]
union RequestData {
    number: c_int,
    pointer: *mut c_void,
    // Size of the union in the kernel.
    _size: [u8; 24],
}

impl Request {
    fn new(name: &str) -> Option<Self> {
        let mut request = Self { name: [0; libc::IFNAMSIZ], data: RequestData { _size: [0; 24] } };
        let (bytes, room) = (name.as_bytes(), libc::IFNAMSIZ - 1);
        request.name.get_mut(..bytes.len().min(room))?.copy_from_slice(bytes.get(..bytes.len().min(room))?);
        (bytes.len() <= room).then_some(request)
    }
}

/// Largest packet above Ethernet that an interface is set to, bytes.
pub(crate) fn mtu(name: &str) -> io::Result<u32> {
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0)?;
    let mut request = Request::new(name).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    // SAFETY: the kernel reads the name and writes the number of one `ifreq`.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) })?;
    // SAFETY: the kernel wrote this member.
    Ok(u32::try_from(unsafe { request.data.number }).unwrap_or(0))
}

/// Makes an open `/dev/net/tun` the other end of an interface of this name for IP packets, which is made where there is
/// none (`TUNSETIFF`).
pub(crate) fn become_tun(file: &impl AsRawFd, name: &str) -> io::Result<()> {
    let mut request = Request::new(name).ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))?;
    request.data.number = libc::IFF_TUN | libc::IFF_NO_PI;
    // SAFETY: the kernel reads the name and the flags of one `ifreq`, and writes the name.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) }).map(drop)
}

/// Waits until there is something to read, or the time is over.
pub(crate) fn wait_readable(file: &impl AsRawFd, limit: Duration) {
    let mut one = libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let millis = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the kernel reads and writes one `pollfd`. Where it refuses, its user looks earlier.
    unsafe { libc::poll(&raw mut one, 1, millis) };
}

/// `struct ethtool_channels` of `linux/ethtool.h`.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    max: [u32; 4],
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

const ETHTOOL_GCHANNELS: u32 = 0x3c;
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// Receive queues that an interface uses; 1 where its driver does not say.
pub(crate) fn receive_queues(name: &str) -> u32 {
    let mut channels = Channels { command: ETHTOOL_GCHANNELS, ..Channels::default() };
    let (Ok(socket), Some(mut request)) = (socket(libc::AF_INET, libc::SOCK_DGRAM, 0), Request::new(name))
    else {
        return 1;
    };
    request.data.pointer = (&raw mut channels).cast();
    // SAFETY: the kernel writes one `ethtool_channels`, to which the request points.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result < 0 { 1 } else { (channels.rx + channels.combined).max(1) }
}

/// Addresses of this host, of all interfaces but loopback, with the name of the interface.
pub(crate) fn addresses() -> io::Result<Vec<(String, IpAddr)>> {
    let mut first = ptr::null_mut();
    // SAFETY: the call writes one pointer.
    check(unsafe { libc::getifaddrs(&raw mut first) })?;
    let (mut found, mut at) = (Vec::new(), first);
    // SAFETY: a pointer of the list is null or to an entry, which stays until the list is freed.
    while let Some(entry) = unsafe { at.as_ref() } {
        at = entry.ifa_next;
        // SAFETY: the name of an entry is NUL-terminated.
        let name = unsafe { std::ffi::CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        if let Some(address) = ip_of(entry.ifa_addr).filter(|address| !address.is_loopback()) {
            found.push((name, address));
        }
    }
    // SAFETY: the list came from `getifaddrs`, and nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    Ok(found)
}

/// The IP address of a socket address, none for other families.
fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: null, or to an address at least as long as its family says; all start with the family.
    let family = unsafe { address.as_ref() }.map(|address| c_int::from(address.sa_family))?;
    match family {
        libc::AF_INET => {
            // SAFETY: of this family; the read needs no alignment.
            let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of this family; the read needs no alignment.
            let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// A socket that keeps an interface in promiscuous mode for as long as it is open, however its process ends.
pub(crate) fn promiscuous(index: u32) -> io::Result<OwnedFd> {
    // No protocol: it receives nothing.
    let socket = socket(libc::AF_PACKET, libc::SOCK_RAW, 0)?;
    let member = libc::packet_mreq {
        mr_ifindex: i32::try_from(index).unwrap_or(0),
        mr_type: u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or_default(),
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_option(&socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &member)?;
    Ok(socket)
}

/// Lets the calling thread run on one core only.
pub(crate) fn pin(core: u16) -> io::Result<()> {
    let mut mask = [0_u64; MASK_WORDS];
    let word =
        mask.get_mut(usize::from(core) / 64).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    *word |= 1 << (core % 64);
    // SAFETY: the mask is as long as said, and the kernel reads it as an array of words of bits.
    check(unsafe { libc::sched_setaffinity(0, size_of_val(&mask), mask.as_ptr().cast()) }).map(drop)
}

/// Words of the affinity mask: 1,024 cores, as many as `cpu_set_t` has.
const MASK_WORDS: usize = 16;

/// Lets this process lock as much memory as it needs, where it may.
pub(crate) fn lift_memlock() {
    let limit = libc::rlimit { rlim_cur: libc::RLIM_INFINITY, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the kernel reads one structure. A refusal shows later, where the memory is asked for.
    unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) };
}

/// Memory of this process, given back when dropped.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: ptr::NonNull<u8>,
    len: usize,
}

// SAFETY: memory is not bound to a thread; what may be done with it is said where it is used.
unsafe impl Send for Mapping {}

// SAFETY: a shared mapping gives out nothing but where it is.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Zeroed memory, from hugepages where they are asked for and there.
    pub(crate) fn anonymous(len: usize, wants_hugepages: bool) -> io::Result<Self> {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
        if wants_hugepages
            && let Ok(mapping) = Self::map(len.next_multiple_of(HUGEPAGE), flags | libc::MAP_HUGETLB, -1, 0)
        {
            return Ok(mapping);
        }
        Self::map(len, flags, -1, 0)
    }

    /// A ring of an AF_XDP socket.
    pub(crate) fn ring(fd: &impl AsRawFd, len: usize, offset: libc::off_t) -> io::Result<Self> {
        Self::map(len, libc::MAP_SHARED | libc::MAP_POPULATE, fd.as_raw_fd(), offset)
    }

    fn map(len: usize, flags: c_int, fd: c_int, offset: libc::off_t) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: without an address to map at, nothing that is in use is replaced.
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, fd, offset) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = ptr::NonNull::new(start.cast()).ok_or_else(io::Error::last_os_error)?;
        Ok(Self { start, len })
    }

    /// The first byte, aligned to a page.
    pub(crate) const fn start(&self) -> *mut u8 {
        self.start.as_ptr()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by `map`, and nobody reaches into it any more: its users hold it.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
    }
}

/// Bytes of the hugepages that are asked for.
const HUGEPAGE: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found_by_name_and_index() {
        let index = interface_index("lo").unwrap();
        assert_eq!(interface_name(index).as_deref(), Some("lo"));
        assert_eq!(interface_index("no such interface"), None);
        assert_eq!(interface_index("a\0b"), None);
        assert!(mtu("lo").unwrap() >= 1500);
        assert_eq!(mtu("a name that is too long").unwrap_err().raw_os_error(), Some(libc::ENODEV));
        assert_eq!(receive_queues("lo"), 1);
    }

    #[test]
    fn loopback_addresses_are_not_given() {
        assert!(addresses().unwrap().iter().all(|(_, address)| !address.is_loopback()));
    }

    #[test]
    fn memory_is_zeroed_and_as_long_as_asked() {
        let memory = Mapping::anonymous(10_000, false).unwrap();
        // SAFETY: within the mapping, which nobody else knows of.
        assert_eq!(unsafe { memory.start().wrapping_add(9_999).read() }, 0);
    }
}
