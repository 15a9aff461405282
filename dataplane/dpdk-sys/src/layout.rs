use core::mem::offset_of;

use crate::bindings as c;
use crate::rte_mbuf;

/// A structure that the C compiler lays out otherwise than these bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutMismatch {
    /// The structure, or `structure.field` for an offset.
    pub name: &'static str,
    /// Size or offset in these bindings, bytes.
    pub rust: usize,
    /// The same in the compiled shim.
    pub c: usize,
}

/// The first structure whose layout differs between these bindings and the compiled shim; none on a sound build.
///
/// libclang and the C compiler read the same headers with the same flags, but are two programs.
#[must_use]
pub fn layout_mismatch() -> Option<LayoutMismatch> {
    first_mismatch(&EXPECTED)
}

fn first_mismatch(expected: &[(c::dpdk_shim_layout_item, &'static str, usize)]) -> Option<LayoutMismatch> {
    expected.iter().find_map(|&(item, name, rust)| {
        // SAFETY: the function reads nothing; an unknown item gives 0.
        let c = unsafe { c::dpdk_shim_layout(item) };
        (c != rust).then_some(LayoutMismatch { name, rust, c })
    })
}

#[rustfmt::skip]
const EXPECTED: [(c::dpdk_shim_layout_item, &str, usize); 31] = [
    (c::LAYOUT_MBUF_SIZE, "rte_mbuf", size_of::<rte_mbuf>()),
    (c::LAYOUT_MBUF_BUF_ADDR, "rte_mbuf.buf_addr", offset_of!(rte_mbuf, buf_addr)),
    (c::LAYOUT_MBUF_DATA_OFF, "rte_mbuf.data_off", offset_of!(rte_mbuf, data_off)),
    (c::LAYOUT_MBUF_REFCNT, "rte_mbuf.refcnt", offset_of!(rte_mbuf, refcnt)),
    (c::LAYOUT_MBUF_NB_SEGS, "rte_mbuf.nb_segs", offset_of!(rte_mbuf, nb_segs)),
    (c::LAYOUT_MBUF_PORT, "rte_mbuf.port", offset_of!(rte_mbuf, port)),
    (c::LAYOUT_MBUF_OL_FLAGS, "rte_mbuf.ol_flags", offset_of!(rte_mbuf, ol_flags)),
    (c::LAYOUT_MBUF_PACKET_TYPE, "rte_mbuf.packet_type", offset_of!(rte_mbuf, packet_type)),
    (c::LAYOUT_MBUF_PKT_LEN, "rte_mbuf.pkt_len", offset_of!(rte_mbuf, pkt_len)),
    (c::LAYOUT_MBUF_DATA_LEN, "rte_mbuf.data_len", offset_of!(rte_mbuf, data_len)),
    (c::LAYOUT_MBUF_RSS, "rte_mbuf.rss", offset_of!(rte_mbuf, rss)),
    (c::LAYOUT_MBUF_BUF_LEN, "rte_mbuf.buf_len", offset_of!(rte_mbuf, buf_len)),
    (c::LAYOUT_MBUF_POOL, "rte_mbuf.pool", offset_of!(rte_mbuf, pool)),
    (c::LAYOUT_ETH_CONF_SIZE, "rte_eth_conf", size_of::<c::rte_eth_conf>()),
    (c::LAYOUT_ETH_CONF_RXMODE, "rte_eth_conf.rxmode", offset_of!(c::rte_eth_conf, rxmode)),
    (c::LAYOUT_ETH_CONF_TXMODE, "rte_eth_conf.txmode", offset_of!(c::rte_eth_conf, txmode)),
    (c::LAYOUT_ETH_CONF_RX_ADV, "rte_eth_conf.rx_adv_conf", offset_of!(c::rte_eth_conf, rx_adv_conf)),
    (c::LAYOUT_ETH_RXMODE_OFFLOADS, "rte_eth_rxmode.offloads", offset_of!(c::rte_eth_rxmode, offloads)),
    (c::LAYOUT_ETH_DEV_INFO_SIZE, "rte_eth_dev_info", size_of::<c::rte_eth_dev_info>()),
    (c::LAYOUT_ETH_DEV_INFO_RX_OFFLOAD_CAPA, "rte_eth_dev_info.rx_offload_capa", offset_of!(c::rte_eth_dev_info, rx_offload_capa)),
    (c::LAYOUT_ETH_DEV_INFO_RSS_OFFLOADS, "rte_eth_dev_info.flow_type_rss_offloads", offset_of!(c::rte_eth_dev_info, flow_type_rss_offloads)),
    (c::LAYOUT_ETH_DEV_INFO_DEFAULT_RXCONF, "rte_eth_dev_info.default_rxconf", offset_of!(c::rte_eth_dev_info, default_rxconf)),
    (c::LAYOUT_ETH_RXCONF_SIZE, "rte_eth_rxconf", size_of::<c::rte_eth_rxconf>()),
    (c::LAYOUT_ETH_TXCONF_SIZE, "rte_eth_txconf", size_of::<c::rte_eth_txconf>()),
    (c::LAYOUT_ETH_STATS_SIZE, "rte_eth_stats", size_of::<c::rte_eth_stats>()),
    (c::LAYOUT_ETH_STATS_IMISSED, "rte_eth_stats.imissed", offset_of!(c::rte_eth_stats, imissed)),
    (c::LAYOUT_ETH_STATS_RX_NOMBUF, "rte_eth_stats.rx_nombuf", offset_of!(c::rte_eth_stats, rx_nombuf)),
    (c::LAYOUT_ETH_XSTAT_SIZE, "rte_eth_xstat", size_of::<c::rte_eth_xstat>()),
    (c::LAYOUT_ETH_XSTAT_NAME_SIZE, "rte_eth_xstat_name", size_of::<c::rte_eth_xstat_name>()),
    (c::LAYOUT_ETHER_ADDR_SIZE, "rte_ether_addr", size_of::<c::rte_ether_addr>()),
    (c::LAYOUT_LINK_SIZE, "dpdk_shim_link", size_of::<c::dpdk_shim_link>()),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bindings_and_the_c_compiler_agree() {
        assert_eq!(layout_mismatch(), None);
    }

    #[test]
    fn a_structure_that_moved_is_named() {
        let c = size_of::<rte_mbuf>();
        let wrong = [(c::LAYOUT_MBUF_SIZE, "rte_mbuf", c + 64)];
        assert_eq!(first_mismatch(&wrong), Some(LayoutMismatch { name: "rte_mbuf", rust: c + 64, c }));
    }

    #[test]
    fn the_library_is_the_one_the_headers_are_of() {
        // SAFETY: returns a static string.
        let version = unsafe { c::rte_version() };
        // SAFETY: it is NUL-terminated.
        let version = unsafe { core::ffi::CStr::from_ptr(version) };
        assert!(version.to_str().is_ok_and(|text| text.starts_with("DPDK ")));
    }
}
