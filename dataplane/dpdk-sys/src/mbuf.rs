use core::ffi::c_void;
use core::mem::offset_of;

use crate::bindings as c;
use crate::rte_mempool;

/// A packet, or one segment of it: the first cache line as drivers fill it, and the second one unseen.
#[repr(C, align(64))]
pub struct rte_mbuf {
    /// Start of the segment's buffer.
    pub buf_addr: *mut c_void,
    /// The same for the device.
    pub buf_iova: u64,
    /// Where the data starts in the buffer.
    pub data_off: u16,
    /// References to this buffer; 1 for a packet that a driver handed over.
    pub refcnt: u16,
    /// Segments of the packet; in the first segment only.
    pub nb_segs: u16,
    /// Port it came from.
    pub port: u16,
    /// `RX_…` flags, static and dynamic.
    pub ol_flags: u64,
    /// `PTYPE_…` as the hardware found.
    pub packet_type: u32,
    /// Bytes of all segments.
    pub pkt_len: u32,
    /// Bytes of this segment.
    pub data_len: u16,
    /// VLAN tag, where the device stripped it.
    pub vlan_tci: u16,
    /// RSS hash, where the device gave one.
    pub rss: u32,
    /// Rest of the hash union.
    pub hash_rest: u32,
    /// Outer VLAN tag, where the device stripped it.
    pub vlan_tci_outer: u16,
    /// Length of the segment's buffer, headroom included.
    pub buf_len: u16,
    /// Where the buffer returns to.
    pub pool: *mut rte_mempool,
    /// Second cache line: `next`, transmit offloads, dynamic fields.
    second_line: [u64; 8],
}

const _: () = {
    assert!(size_of::<rte_mbuf>() == c::MBUF_SIZE);
    assert!(offset_of!(rte_mbuf, buf_addr) == c::MBUF_OFFSET_BUF_ADDR);
    assert!(offset_of!(rte_mbuf, data_off) == c::MBUF_OFFSET_DATA_OFF);
    assert!(offset_of!(rte_mbuf, refcnt) == c::MBUF_OFFSET_REFCNT);
    assert!(offset_of!(rte_mbuf, nb_segs) == c::MBUF_OFFSET_NB_SEGS);
    assert!(offset_of!(rte_mbuf, port) == c::MBUF_OFFSET_PORT);
    assert!(offset_of!(rte_mbuf, ol_flags) == c::MBUF_OFFSET_OL_FLAGS);
    assert!(offset_of!(rte_mbuf, packet_type) == c::MBUF_OFFSET_PACKET_TYPE);
    assert!(offset_of!(rte_mbuf, pkt_len) == c::MBUF_OFFSET_PKT_LEN);
    assert!(offset_of!(rte_mbuf, data_len) == c::MBUF_OFFSET_DATA_LEN);
    assert!(offset_of!(rte_mbuf, rss) == c::MBUF_OFFSET_RSS);
    assert!(offset_of!(rte_mbuf, buf_len) == c::MBUF_OFFSET_BUF_LEN);
    assert!(offset_of!(rte_mbuf, pool) == c::MBUF_OFFSET_POOL);
};
