//! What the kernel dropped before a `net_af_packet` read it: its driver (DPDK 22.11) does not ask. The kernel tells whoever has
//! the driver's sockets, which is this process.

use core::cell::Cell;
use core::ffi::c_int;
use core::mem::{MaybeUninit, size_of};
use std::ffi::CString;

use super::device::Device;
use super::memif::descriptors;

/// The sockets of one port, open for as long as the port is.
#[derive(Debug, Default)]
pub(super) struct RingSockets {
    fds: Vec<c_int>,
    /// The kernel counts anew after it was asked.
    dropped: Cell<u64>,
}

/// `SOL_PACKET` options and a value of `PACKET_VERSION` (Linux `if_packet.h`); the third is what the driver asks for.
const PACKET_STATISTICS: c_int = 6;
const PACKET_VERSION: c_int = 10;
const TPACKET_V2: c_int = 1;

impl RingSockets {
    /// Those of a device, which is open; of another kind of device there are none.
    pub(super) fn of(device: &Device) -> Self {
        let named = || device.arguments().split(',').find_map(|argument| argument.strip_prefix("iface="));
        let name = if device.name().starts_with("net_af_packet") { named() } else { None };
        let Some(index) = name.and_then(interface_index) else { return Self::default() };
        let is_ring = |fd: &c_int| {
            interface_of(*fd) == Some(index)
                && option::<c_int>(*fd, PACKET_VERSION).is_some_and(|version| version == TPACKET_V2)
        };
        Self { fds: descriptors().filter(is_ring).collect(), dropped: Cell::new(0) }
    }

    /// Packets that found no room in the rings since the port was opened.
    pub(super) fn dropped(&self) -> u64 {
        let since = self.fds.iter().filter_map(|fd| option::<libc::tpacket_stats>(*fd, PACKET_STATISTICS));
        let since: u64 = since.map(|counted| u64::from(counted.tp_drops)).sum();
        self.dropped.set(self.dropped.get().saturating_add(since));
        self.dropped.get()
    }
}

fn interface_index(name: &str) -> Option<c_int> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is NUL-terminated.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    c_int::try_from(index).ok().filter(|index| *index != 0)
}

/// The interface that a packet socket is bound to; none of anything else.
fn interface_of(fd: c_int) -> Option<c_int> {
    let mut address = MaybeUninit::<libc::sockaddr_ll>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).ok()?;
    // SAFETY: the kernel writes at most as many bytes as said; what is no socket is an error.
    let result = unsafe { libc::getsockname(fd, address.as_mut_ptr().cast(), &raw mut len) };
    // SAFETY: zeroed, and numbers only.
    let address = unsafe { address.assume_init() };
    (result == 0 && c_int::from(address.sll_family) == libc::AF_PACKET).then_some(address.sll_ifindex)
}

/// Numbers that a packet socket tells.
trait Told: Copy {}
impl Told for c_int {}
impl Told for libc::tpacket_stats {}

fn option<T: Told>(fd: c_int, name: c_int) -> Option<T> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = libc::socklen_t::try_from(size_of::<T>()).ok()?;
    // SAFETY: the kernel writes at most as many bytes as said.
    let result =
        unsafe { libc::getsockopt(fd, libc::SOL_PACKET, name, value.as_mut_ptr().cast(), &raw mut len) };
    // SAFETY: zeroed, and numbers only.
    (result == 0).then(|| unsafe { value.assume_init() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_devices_and_interfaces_that_are_not_there_have_no_rings() {
        for device in
            ["net_null0", "net_af_packet0", "net_af_packet0,iface=nosuchinterface", "net_af_packet0,iface=lo"]
        {
            let sockets = RingSockets::of(&device.parse().unwrap());
            assert!(sockets.fds.is_empty(), "{device}");
            assert_eq!(sockets.dropped(), 0);
        }
    }
}
