use core::mem::ManuallyDrop;
use core::ops::{BitOrAssign, Range};
use core::ptr::NonNull;
use core::slice;

use arrayvec::ArrayVec;
use dpdk_sys::rte_mbuf;

use crate::{BURST, Burst, ChecksumOffload, PacketBuf};

/// A packet in a DPDK buffer: one segment, one owner; back in its pool when dropped.
#[derive(Debug)]
#[repr(transparent)]
pub struct Mbuf(NonNull<rte_mbuf>);

// SAFETY: an `Mbuf` is the one owner of its buffer, and pools take buffers back from any thread.
unsafe impl Send for Mbuf {}
// SAFETY: a shared `Mbuf` is only read.
unsafe impl Sync for Mbuf {}

impl Mbuf {
    /// Takes over a buffer that a driver, pool or ring handed out.
    ///
    /// # Safety
    /// `raw` is valid, has one reference, and nobody else will use or free it.
    pub(super) unsafe fn from_raw(raw: NonNull<rte_mbuf>) -> Self {
        Self(raw)
    }

    fn raw(&self) -> &rte_mbuf {
        // SAFETY: the pointer is valid as long as `self` lives, and only changed through `&mut self`.
        unsafe { self.0.as_ref() }
    }

    fn raw_mut(&mut self) -> &mut rte_mbuf {
        // SAFETY: as above, and `&mut self` is the only way to this buffer.
        unsafe { self.0.as_mut() }
    }

    fn data(&self) -> *mut u8 {
        let raw = self.raw();
        raw.buf_addr.cast::<u8>().wrapping_add(usize::from(raw.data_off))
    }

    /// Bytes of the packet, all segments.
    pub(super) fn len(&self) -> u32 {
        self.raw().pkt_len
    }

    /// Buffers that the packet is in.
    pub(super) fn segments(&self) -> u16 {
        self.raw().nb_segs
    }

    /// Moves all segments into the first; `false` where they do not fit.
    pub(super) fn linearize(&mut self) -> bool {
        // SAFETY: the buffer is ours alone, and segments that become empty return to their pool.
        unsafe { dpdk_sys::dpdk_shim_pktmbuf_linearize(self.0.as_ptr()) == 0 }
    }

    /// What there is to say about it besides its bytes.
    #[inline]
    pub(super) fn said(&self) -> Said {
        let raw = self.raw();
        Said { segments: raw.nb_segs, flags: raw.ol_flags }
    }

    /// What the hardware found about checksums.
    pub(super) fn checksums(&self) -> ChecksumOffload {
        let raw = self.raw();
        checksums(raw.ol_flags, raw.packet_type)
    }

    /// The receive time of the driver, in its unit.
    pub(super) fn timestamp(&self, place: TimestampPlace) -> Option<u64> {
        let at = self.0.as_ptr().wrapping_byte_add(place.offset).cast::<u64>();
        if self.raw().ol_flags & place.flag == 0 {
            return None;
        }
        // SAFETY: DPDK registered eight bytes at this offset of every buffer.
        Some(unsafe { at.read_unaligned() })
    }

    /// Lengthens the packet by `count` bytes before its start, which keep what was there; `None` where there is no
    /// room.
    pub fn prepend(&mut self, count: u16) -> Option<&mut [u8]> {
        let raw = self.raw_mut();
        let data_len = raw.data_len.checked_add(count)?;
        raw.data_off = raw.data_off.checked_sub(count)?;
        raw.data_len = data_len;
        raw.pkt_len = u32::from(data_len);
        self.bytes_mut().get_mut(..usize::from(count))
    }

    /// Lengthens the packet by `count` bytes after its end, which keep what was there; `None` where there is no room.
    pub fn append(&mut self, count: u16) -> Option<&mut [u8]> {
        let raw = self.raw_mut();
        let old = raw.data_len;
        let data_len = old.checked_add(count)?;
        if data_len > raw.buf_len.checked_sub(raw.data_off)? {
            return None;
        }
        raw.data_len = data_len;
        raw.pkt_len = u32::from(data_len);
        self.bytes_mut().get_mut(usize::from(old)..)
    }

    /// Takes `count` bytes off the start; `None`, and nothing taken, where there are fewer.
    pub fn trim_front(&mut self, count: u16) -> Option<()> {
        let raw = self.raw_mut();
        let data_len = raw.data_len.checked_sub(count)?;
        raw.data_off = raw.data_off.checked_add(count)?;
        raw.data_len = data_len;
        raw.pkt_len = u32::from(data_len);
        Some(())
    }

    /// Cuts the packet after its first `length` bytes; does nothing where there are fewer.
    pub fn truncate(&mut self, length: u16) {
        let raw = self.raw_mut();
        raw.data_len = raw.data_len.min(length);
        raw.pkt_len = u32::from(raw.data_len);
    }
}

impl PacketBuf for Mbuf {
    fn bytes(&self) -> &[u8] {
        // SAFETY: `data_off + data_len` lies within the buffer: drivers promise it and the methods above keep it; the
        // buffer lives as long as `self` and is changed through `&mut self` only.
        unsafe { slice::from_raw_parts(self.data(), usize::from(self.raw().data_len)) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and the buffer has one reference, which is `self`.
        unsafe { slice::from_raw_parts_mut(self.data(), usize::from(self.raw().data_len)) }
    }

    fn storage_mut(&mut self) -> (&mut [u8], Range<usize>) {
        let raw = self.raw();
        let (start, len) = (usize::from(raw.data_off), usize::from(raw.data_len));
        let (storage, size) = (raw.buf_addr.cast::<u8>(), usize::from(raw.buf_len));
        // SAFETY: the buffer has `buf_len` bytes from `buf_addr` on, of memory that DPDK mapped, and one reference,
        // which is `self`.
        let storage = unsafe { slice::from_raw_parts_mut(storage, size) };
        (storage, start..start + len)
    }

    fn place(&mut self, range: Range<usize>) -> bool {
        let raw = self.raw_mut();
        let (Ok(start), Ok(len)) = (u16::try_from(range.start), u16::try_from(range.len())) else {
            return false;
        };
        let fits = raw.nb_segs == 1 && range.start <= range.end && range.end <= usize::from(raw.buf_len);
        if fits {
            (raw.data_off, raw.data_len, raw.pkt_len) = (start, len, u32::from(len));
        }
        fits
    }

    fn release(burst: &mut Burst<Self>) {
        let packets = &mut burst.bufs;
        if packets.is_empty() {
            return;
        }
        let count = u32::try_from(packets.len()).unwrap_or_default();
        // SAFETY: each `Mbuf` owns its buffer, whose one reference is released here; they are forgotten below.
        unsafe { dpdk_sys::rte_pktmbuf_free_bulk(packets.as_mut_ptr().cast(), count) };
        forget_first(packets, BURST);
        burst.metas.clear();
    }
}

impl Drop for Mbuf {
    fn drop(&mut self) {
        // SAFETY: `Mbuf` is not `Clone` and is only made from a buffer whose reference was handed to us, so this is
        // the one release of that reference.
        unsafe { dpdk_sys::dpdk_shim_pktmbuf_free(self.0.as_ptr()) }
    }
}

/// What drivers said of packets: all that they said of any of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Said {
    segments: u16,
    flags: u64,
}

impl Said {
    /// Whether each packet is in one buffer, and no device or driver said anything of any: hash, checksums or time.
    pub(super) fn nothing(self) -> bool {
        self.segments <= 1 && self.flags == 0
    }
}

impl BitOrAssign for Said {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.segments |= other.segments;
        self.flags |= other.flags;
    }
}

/// Up to a burst of packets.
pub(super) type Packets = ArrayVec<Mbuf, BURST>;

/// Has packets, `room` at most, written behind those that are there, by a function that gets the place and the room, and
/// says how many it wrote; that many are returned.
///
/// # Safety
/// Each pointer that the function wrote is a valid buffer of one reference, handed to us.
#[inline]
pub(super) unsafe fn fill(
    packets: &mut Packets,
    room: usize,
    write: impl FnOnce(*mut *mut rte_mbuf, usize) -> usize,
) -> usize {
    let (before, room) = (packets.len(), packets.remaining_capacity().min(room));
    let place = packets.as_mut_ptr().wrapping_add(before).cast::<*mut rte_mbuf>();
    let count = write(place, room).min(room);
    // SAFETY: so many were written there, and `Mbuf` is a pointer to a buffer.
    unsafe { packets.set_len(before + count) };
    count
}

/// Forgets the first `count` packets: a port or ring took them.
#[inline]
pub(super) fn forget_first(packets: &mut Packets, count: usize) {
    if count >= packets.len() {
        // A drain that is not run to its end leaves nothing behind, and drops nothing.
        let _taken = ManuallyDrop::new(packets.drain(..));
        return;
    }
    packets.drain(..count).for_each(|packet| {
        let _taken = ManuallyDrop::new(packet);
    });
}

/// Where in a buffer, and by which flag, a driver leaves the time of reception.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimestampPlace {
    offset: usize,
    flag: u64,
}

impl TimestampPlace {
    /// The place that a driver of this process registered, if one did.
    pub(super) fn find() -> Option<Self> {
        let no_description = core::ptr::null_mut();
        // SAFETY: the name is NUL-terminated and the description may be absent.
        let offset = unsafe { dpdk_sys::rte_mbuf_dynfield_lookup(FIELD_NAME.as_ptr(), no_description) };
        // SAFETY: as above.
        let bit = unsafe { dpdk_sys::rte_mbuf_dynflag_lookup(FLAG_NAME.as_ptr(), core::ptr::null_mut()) };
        let offset =
            usize::try_from(offset).ok().filter(|at| at + size_of::<u64>() <= size_of::<rte_mbuf>())?;
        Some(Self { offset, flag: 1_u64.checked_shl(u32::try_from(bit).ok()?)? })
    }
}

/// Names of `rte_mbuf_dyn.h`.
const FIELD_NAME: &core::ffi::CStr = c"rte_dynfield_timestamp";
const FLAG_NAME: &core::ffi::CStr = c"rte_dynflag_rx_timestamp";

/// The verdict of the flags of `rte_mbuf_core.h`: bad if either checksum is bad, good only if all there are were looked
/// at (IPv6 has none of its own).
fn checksums(flags: u64, packet_type: u32) -> ChecksumOffload {
    let ip = flags & dpdk_sys::RX_IP_CKSUM_MASK;
    let l4 = flags & dpdk_sys::RX_L4_CKSUM_MASK;
    if ip == dpdk_sys::RX_IP_CKSUM_BAD || flags & dpdk_sys::RX_OUTER_IP_CKSUM_BAD != 0 {
        return ChecksumOffload::BadIp;
    }
    if l4 == dpdk_sys::RX_L4_CKSUM_BAD {
        return ChecksumOffload::BadL4;
    }
    let is_ipv6 = matches!(
        packet_type & dpdk_sys::PTYPE_L3_MASK,
        dpdk_sys::PTYPE_L3_IPV6 | dpdk_sys::PTYPE_L3_IPV6_EXT | dpdk_sys::PTYPE_L3_IPV6_EXT_UNKNOWN
    );
    if l4 == dpdk_sys::RX_L4_CKSUM_GOOD && (ip == dpdk_sys::RX_IP_CKSUM_GOOD || is_ipv6) {
        ChecksumOffload::Good
    } else {
        ChecksumOffload::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dpdk_sys::{RX_IP_CKSUM_BAD, RX_IP_CKSUM_GOOD, RX_L4_CKSUM_BAD, RX_L4_CKSUM_GOOD, RX_L4_CKSUM_MASK};

    #[test]
    fn a_checksum_is_good_only_where_both_were_looked_at() {
        assert_eq!(checksums(RX_IP_CKSUM_GOOD | RX_L4_CKSUM_GOOD, 0), ChecksumOffload::Good);
        assert_eq!(checksums(RX_L4_CKSUM_GOOD, 0), ChecksumOffload::Unknown);
        assert_eq!(checksums(RX_L4_CKSUM_GOOD, dpdk_sys::PTYPE_L3_IPV6), ChecksumOffload::Good);
        assert_eq!(checksums(RX_IP_CKSUM_GOOD | RX_L4_CKSUM_MASK, 0), ChecksumOffload::Unknown);
        assert_eq!(checksums(0, 0), ChecksumOffload::Unknown);
    }

    #[test]
    fn a_bad_checksum_is_named() {
        assert_eq!(checksums(RX_IP_CKSUM_BAD | RX_L4_CKSUM_BAD, 0), ChecksumOffload::BadIp);
        assert_eq!(checksums(RX_IP_CKSUM_GOOD | RX_L4_CKSUM_BAD, 0), ChecksumOffload::BadL4);
    }
}
