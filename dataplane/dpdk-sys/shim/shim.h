/* What the Rust side sees of DPDK, besides its exported functions.
 *
 * Most of the data path of DPDK is static inline C, which has no symbol to link with: `shim.c` gives each function
 * that is needed one. The flags are macros, which have no type: here they become typed constants. */
#ifndef WIREWARDEN_DPDK_SHIM_H
#define WIREWARDEN_DPDK_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <rte_ring.h>
#include <rte_version.h>

/* rte_errno of the calling thread. */
int dpdk_shim_errno(void);
/* Number that the EAL gave to the calling thread; LCORE_UNKNOWN for a thread it does not know. */
unsigned int dpdk_shim_lcore_id(void);
static const uint32_t LCORE_UNKNOWN = LCORE_ID_ANY;

uint16_t dpdk_shim_eth_rx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);
uint16_t dpdk_shim_eth_tx_burst(uint16_t port, uint16_t queue, struct rte_mbuf **mbufs, uint16_t count);

struct rte_mbuf *dpdk_shim_pktmbuf_alloc(struct rte_mempool *pool);
void dpdk_shim_pktmbuf_free(struct rte_mbuf *mbuf);
int dpdk_shim_pktmbuf_linearize(struct rte_mbuf *mbuf);

/* One producer, one consumer: how many of `count` pointers went in or came out. */
unsigned int dpdk_shim_ring_sp_enqueue_burst(struct rte_ring *ring, struct rte_mbuf *const *mbufs, unsigned int count);
unsigned int dpdk_shim_ring_sc_dequeue_burst(struct rte_ring *ring, struct rte_mbuf **mbufs, unsigned int count);

/* `struct rte_eth_link` is made of bit fields, so it is taken apart here. */
struct dpdk_shim_link {
	uint32_t speed_mbps;
	uint8_t is_up;
	uint8_t is_full_duplex;
};
int dpdk_shim_eth_link(uint16_t port, struct dpdk_shim_link *link);

/* One direction of a flow, as a rule of the card matches it; numbers in network order. */
struct dpdk_shim_flow {
	uint8_t source[16];
	uint8_t destination[16];
	uint16_t source_port;
	uint16_t destination_port;
	uint16_t vlans[2]; /* outer, inner; 0 where there is none */
	uint8_t is_v6;
	uint8_t is_tcp; /* UDP where it is not */
};

/* Has a port count such packets and drop them, apart from those that begin or end a TCP connection; null, and a negative
 * errno in `error`, where it cannot. */
void *dpdk_shim_flow_count_and_drop(uint16_t port, const struct dpdk_shim_flow *flow, int *error);
int dpdk_shim_flow_counted(uint16_t port, void *rule, uint64_t *packets, uint64_t *bytes);
int dpdk_shim_flow_remove(uint16_t port, void *rule);

static const uint32_t LINK_SPEED_UNKNOWN = RTE_ETH_SPEED_NUM_UNKNOWN;

/* A size or an offset as the C compiler sees it. */
enum dpdk_shim_layout_item {
	LAYOUT_MBUF_SIZE,
	LAYOUT_MBUF_BUF_ADDR,
	LAYOUT_MBUF_DATA_OFF,
	LAYOUT_MBUF_REFCNT,
	LAYOUT_MBUF_NB_SEGS,
	LAYOUT_MBUF_PORT,
	LAYOUT_MBUF_OL_FLAGS,
	LAYOUT_MBUF_PACKET_TYPE,
	LAYOUT_MBUF_PKT_LEN,
	LAYOUT_MBUF_DATA_LEN,
	LAYOUT_MBUF_RSS,
	LAYOUT_MBUF_BUF_LEN,
	LAYOUT_MBUF_POOL,
	LAYOUT_ETH_CONF_SIZE,
	LAYOUT_ETH_CONF_RXMODE,
	LAYOUT_ETH_CONF_TXMODE,
	LAYOUT_ETH_CONF_RX_ADV,
	LAYOUT_ETH_RXMODE_OFFLOADS,
	LAYOUT_ETH_DEV_INFO_SIZE,
	LAYOUT_ETH_DEV_INFO_RX_OFFLOAD_CAPA,
	LAYOUT_ETH_DEV_INFO_RSS_OFFLOADS,
	LAYOUT_ETH_DEV_INFO_DEFAULT_RXCONF,
	LAYOUT_ETH_RXCONF_SIZE,
	LAYOUT_ETH_TXCONF_SIZE,
	LAYOUT_ETH_STATS_SIZE,
	LAYOUT_ETH_STATS_IMISSED,
	LAYOUT_ETH_STATS_RX_NOMBUF,
	LAYOUT_ETH_XSTAT_SIZE,
	LAYOUT_ETH_XSTAT_NAME_SIZE,
	LAYOUT_ETHER_ADDR_SIZE,
	LAYOUT_LINK_SIZE,
};
size_t dpdk_shim_layout(enum dpdk_shim_layout_item item);

/* The same values as libclang sees them, for a check at compile time. */
static const size_t MBUF_OFFSET_BUF_ADDR = offsetof(struct rte_mbuf, buf_addr);
static const size_t MBUF_OFFSET_DATA_OFF = offsetof(struct rte_mbuf, data_off);
static const size_t MBUF_OFFSET_REFCNT = offsetof(struct rte_mbuf, refcnt);
static const size_t MBUF_OFFSET_NB_SEGS = offsetof(struct rte_mbuf, nb_segs);
static const size_t MBUF_OFFSET_PORT = offsetof(struct rte_mbuf, port);
static const size_t MBUF_OFFSET_OL_FLAGS = offsetof(struct rte_mbuf, ol_flags);
static const size_t MBUF_OFFSET_PACKET_TYPE = offsetof(struct rte_mbuf, packet_type);
static const size_t MBUF_OFFSET_PKT_LEN = offsetof(struct rte_mbuf, pkt_len);
static const size_t MBUF_OFFSET_DATA_LEN = offsetof(struct rte_mbuf, data_len);
static const size_t MBUF_OFFSET_RSS = offsetof(struct rte_mbuf, hash.rss);
static const size_t MBUF_OFFSET_BUF_LEN = offsetof(struct rte_mbuf, buf_len);
static const size_t MBUF_OFFSET_POOL = offsetof(struct rte_mbuf, pool);
static const size_t MBUF_SIZE = sizeof(struct rte_mbuf);
static const uint16_t MBUF_HEADROOM = RTE_PKTMBUF_HEADROOM;

static const uint64_t RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t RX_OUTER_IP_CKSUM_BAD = RTE_MBUF_F_RX_OUTER_IP_CKSUM_BAD;
static const uint32_t PTYPE_L3_MASK = RTE_PTYPE_L3_MASK;
static const uint32_t PTYPE_L3_IPV6 = RTE_PTYPE_L3_IPV6;
static const uint32_t PTYPE_L3_IPV6_EXT = RTE_PTYPE_L3_IPV6_EXT;
static const uint32_t PTYPE_L3_IPV6_EXT_UNKNOWN = RTE_PTYPE_L3_IPV6_EXT_UNKNOWN;

static const uint64_t RX_OFFLOAD_CHECKSUM = RTE_ETH_RX_OFFLOAD_CHECKSUM;
static const uint64_t RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t RX_OFFLOAD_TIMESTAMP = RTE_ETH_RX_OFFLOAD_TIMESTAMP;

static const uint32_t MQ_RX_NONE = RTE_ETH_MQ_RX_NONE;
static const uint32_t MQ_RX_RSS = RTE_ETH_MQ_RX_RSS;
/* Fields of the hash: addresses, fragments by their addresses, and addresses with ports. */
static const uint64_t RSS_ADDRESSES = RTE_ETH_RSS_IP;
static const uint64_t RSS_FLOWS = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;

static const uint16_t PORTS_MAX = RTE_MAX_ETHPORTS;
static const uint32_t RING_SP_ENQ = RING_F_SP_ENQ;
static const uint32_t RING_SC_DEQ = RING_F_SC_DEQ;
static const uint32_t MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const int32_t NUMA_ANY = SOCKET_ID_ANY;

#endif
