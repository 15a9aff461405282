#include "shim.h"

#include <string.h>

#include <rte_flow.h>

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

#define RULE_ITEMS 6

/* Ethernet, tags, IP and TCP or UDP of one direction of a flow; `at` has the room that items point to. */
struct pattern {
	struct rte_flow_item items[RULE_ITEMS];
	struct rte_flow_item_vlan vlans[2], vlan_mask;
	struct rte_flow_item_ipv4 v4, v4_mask;
	struct rte_flow_item_ipv6 v6, v6_mask;
	struct rte_flow_item_tcp tcp, tcp_mask;
	struct rte_flow_item_udp udp, udp_mask;
};

static void add(struct rte_flow_item **at, enum rte_flow_item_type type, const void *spec, const void *mask)
{
	*(*at)++ = (struct rte_flow_item){ .type = type, .spec = spec, .mask = mask };
}

static void match_ip(const struct dpdk_shim_flow *flow, struct pattern *to, struct rte_flow_item **at)
{
	if (flow->is_v6) {
		memcpy(&to->v6.hdr.src_addr, flow->source, 16);
		memcpy(&to->v6.hdr.dst_addr, flow->destination, 16);
		memset(&to->v6_mask.hdr.src_addr, 0xff, 16);
		memset(&to->v6_mask.hdr.dst_addr, 0xff, 16);
		add(at, RTE_FLOW_ITEM_TYPE_IPV6, &to->v6, &to->v6_mask);
		return;
	}
	memcpy(&to->v4.hdr.src_addr, flow->source, 4);
	memcpy(&to->v4.hdr.dst_addr, flow->destination, 4);
	memset(&to->v4_mask.hdr.src_addr, 0xff, 4);
	memset(&to->v4_mask.hdr.dst_addr, 0xff, 4);
	add(at, RTE_FLOW_ITEM_TYPE_IPV4, &to->v4, &to->v4_mask);
}

static void match(const struct dpdk_shim_flow *flow, struct pattern *to)
{
	struct rte_flow_item *at = to->items;

	memset(to, 0, sizeof(*to));
	add(&at, RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	to->vlan_mask.hdr.vlan_tci = RTE_BE16(0x0fff);
	for (int tag = 0; tag < 2; tag++) {
		if (!flow->vlans[tag])
			continue;
		to->vlans[tag].hdr.vlan_tci = flow->vlans[tag];
		add(&at, RTE_FLOW_ITEM_TYPE_VLAN, &to->vlans[tag], &to->vlan_mask);
	}
	match_ip(flow, to, &at);
	if (flow->is_tcp) {
		to->tcp.hdr.src_port = flow->source_port;
		to->tcp.hdr.dst_port = flow->destination_port;
		to->tcp_mask.hdr.src_port = to->tcp_mask.hdr.dst_port = RTE_BE16(0xffff);
		/* None of SYN, FIN and RST: those are received. */
		to->tcp_mask.hdr.tcp_flags = RTE_TCP_SYN_FLAG | RTE_TCP_FIN_FLAG | RTE_TCP_RST_FLAG;
		add(&at, RTE_FLOW_ITEM_TYPE_TCP, &to->tcp, &to->tcp_mask);
	} else {
		to->udp.hdr.src_port = flow->source_port;
		to->udp.hdr.dst_port = flow->destination_port;
		to->udp_mask.hdr.src_port = to->udp_mask.hdr.dst_port = RTE_BE16(0xffff);
		add(&at, RTE_FLOW_ITEM_TYPE_UDP, &to->udp, &to->udp_mask);
	}
	add(&at, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
}

void *dpdk_shim_flow_count_and_drop(uint16_t port, const struct dpdk_shim_flow *flow, int *error)
{
	const struct rte_flow_attr attributes = { .ingress = 1 };
	const struct rte_flow_action_count count = { 0 };
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT, .conf = &count },
		{ .type = RTE_FLOW_ACTION_TYPE_DROP },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_error why = { 0 };
	struct pattern pattern;

	match(flow, &pattern);
	*error = rte_flow_validate(port, &attributes, pattern.items, actions, &why);
	if (*error)
		return NULL;
	struct rte_flow *rule = rte_flow_create(port, &attributes, pattern.items, actions, &why);
	if (!rule)
		*error = -rte_errno;
	return rule;
}

int dpdk_shim_flow_counted(uint16_t port, void *rule, uint64_t *packets, uint64_t *bytes)
{
	const struct rte_flow_action actions[] = {
		{ .type = RTE_FLOW_ACTION_TYPE_COUNT },
		{ .type = RTE_FLOW_ACTION_TYPE_END },
	};
	struct rte_flow_query_count count = { 0 };
	struct rte_flow_error why = { 0 };
	int result = rte_flow_query(port, rule, actions, &count, &why);

	*packets = count.hits_set ? count.hits : 0;
	*bytes = count.bytes_set ? count.bytes : 0;
	return result;
}

int dpdk_shim_flow_remove(uint16_t port, void *rule)
{
	struct rte_flow_error why = { 0 };

	return rte_flow_destroy(port, rule, &why);
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
