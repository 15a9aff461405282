#include "shim.h"

int dpdk_shim_errno(void)
{
	return rte_errno;
}

unsigned int dpdk_shim_lcore_id(void)
{
	return rte_lcore_id();
}

uint16_t dpdk_shim_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_rx_burst(port, queue, mbufs, count);
}

uint16_t dpdk_shim_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count)
{
	return rte_eth_tx_burst(port, queue, mbufs, count);
}

struct rte_mbuf *dpdk_shim_pktmbuf_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

void dpdk_shim_pktmbuf_free(struct rte_mbuf *mbuf)
{
	rte_pktmbuf_free(mbuf);
}

int dpdk_shim_pktmbuf_linearize(struct rte_mbuf *mbuf)
{
	return rte_pktmbuf_linearize(mbuf);
}

unsigned int dpdk_shim_ring_sp_enqueue_burst(struct rte_ring *ring, struct rte_mbuf *const *mbufs, unsigned int count)
{
	return rte_ring_sp_enqueue_burst(ring, (void *const *)mbufs, count, NULL);
}

unsigned int dpdk_shim_ring_sc_dequeue_burst(struct rte_ring *ring, struct rte_mbuf **mbufs, unsigned int count)
{
	return rte_ring_sc_dequeue_burst(ring, (void **)mbufs, count, NULL);
}

int dpdk_shim_eth_link(uint16_t port, struct dpdk_shim_link *link)
{
	struct rte_eth_link found = {0};
	int result = rte_eth_link_get_nowait(port, &found);

	link->speed_mbps = found.link_speed;
	link->is_up = found.link_status == RTE_ETH_LINK_UP;
	link->is_full_duplex = found.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	return result;
}

size_t dpdk_shim_layout(enum dpdk_shim_layout_item item)
{
	switch (item) {
	case LAYOUT_MBUF_SIZE: return sizeof(struct rte_mbuf);
	case LAYOUT_MBUF_BUF_ADDR: return offsetof(struct rte_mbuf, buf_addr);
	case LAYOUT_MBUF_DATA_OFF: return offsetof(struct rte_mbuf, data_off);
	case LAYOUT_MBUF_REFCNT: return offsetof(struct rte_mbuf, refcnt);
	case LAYOUT_MBUF_NB_SEGS: return offsetof(struct rte_mbuf, nb_segs);
	case LAYOUT_MBUF_PORT: return offsetof(struct rte_mbuf, port);
	case LAYOUT_MBUF_OL_FLAGS: return offsetof(struct rte_mbuf, ol_flags);
	case LAYOUT_MBUF_PACKET_TYPE: return offsetof(struct rte_mbuf, packet_type);
	case LAYOUT_MBUF_PKT_LEN: return offsetof(struct rte_mbuf, pkt_len);
	case LAYOUT_MBUF_DATA_LEN: return offsetof(struct rte_mbuf, data_len);
	case LAYOUT_MBUF_RSS: return offsetof(struct rte_mbuf, hash.rss);
	case LAYOUT_MBUF_BUF_LEN: return offsetof(struct rte_mbuf, buf_len);
	case LAYOUT_MBUF_POOL: return offsetof(struct rte_mbuf, pool);
	case LAYOUT_ETH_CONF_SIZE: return sizeof(struct rte_eth_conf);
	case LAYOUT_ETH_CONF_RXMODE: return offsetof(struct rte_eth_conf, rxmode);
	case LAYOUT_ETH_CONF_TXMODE: return offsetof(struct rte_eth_conf, txmode);
	case LAYOUT_ETH_CONF_RX_ADV: return offsetof(struct rte_eth_conf, rx_adv_conf);
	case LAYOUT_ETH_RXMODE_OFFLOADS: return offsetof(struct rte_eth_rxmode, offloads);
	case LAYOUT_ETH_DEV_INFO_SIZE: return sizeof(struct rte_eth_dev_info);
	case LAYOUT_ETH_DEV_INFO_RX_OFFLOAD_CAPA: return offsetof(struct rte_eth_dev_info, rx_offload_capa);
	case LAYOUT_ETH_DEV_INFO_RSS_OFFLOADS: return offsetof(struct rte_eth_dev_info, flow_type_rss_offloads);
	case LAYOUT_ETH_DEV_INFO_DEFAULT_RXCONF: return offsetof(struct rte_eth_dev_info, default_rxconf);
	case LAYOUT_ETH_RXCONF_SIZE: return sizeof(struct rte_eth_rxconf);
	case LAYOUT_ETH_TXCONF_SIZE: return sizeof(struct rte_eth_txconf);
	case LAYOUT_ETH_STATS_SIZE: return sizeof(struct rte_eth_stats);
	case LAYOUT_ETH_STATS_IMISSED: return offsetof(struct rte_eth_stats, imissed);
	case LAYOUT_ETH_STATS_RX_NOMBUF: return offsetof(struct rte_eth_stats, rx_nombuf);
	case LAYOUT_ETH_XSTAT_SIZE: return sizeof(struct rte_eth_xstat);
	case LAYOUT_ETH_XSTAT_NAME_SIZE: return sizeof(struct rte_eth_xstat_name);
	case LAYOUT_ETHER_ADDR_SIZE: return sizeof(struct rte_ether_addr);
	case LAYOUT_LINK_SIZE: return sizeof(struct dpdk_shim_link);
	}
	return 0;
}
