// SPDX-License-Identifier: Apache-2.0
/* The least loop that receives from an AF_XDP socket: what the backend is held against.
 *
 *	receive OBJECT PROGRAM INTERFACE SECONDS
 *
 * PROGRAM is `redirect` or `drop` of receive.bpf.c, or `wirewarden` of the object file of the XDP program. Prints how many
 * packets came as JSON. */
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_xdp.h>

#define RING 8192
#define FRAME 2048

struct ring {
	__u32 *producer, *consumer;
	void *entries;
};

static volatile sig_atomic_t is_over;

static void end(int signal)
{
	(void)signal;
	is_over = 1;
}

static __u64 now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (__u64)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int fail(const char *what)
{
	fprintf(stderr, "receive: %s: %s\n", what, strerror(errno));
	return 3;
}

static int map(int fd, const struct xdp_ring_offset *at, size_t entry, __u64 page, struct ring *ring)
{
	void *start = mmap(0, at->desc + RING * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, page);

	if (start == MAP_FAILED)
		return -1;
	ring->producer = start + at->producer;
	ring->consumer = start + at->consumer;
	ring->entries = start + at->desc;
	return 0;
}

static int open_socket(unsigned index, struct ring *fill, struct ring *rx)
{
	int fd = socket(AF_XDP, SOCK_RAW, 0), size = RING;
	void *memory = mmap(0, 2 * RING * FRAME, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	struct xdp_umem_reg umem = { .addr = (__u64)memory, .len = 2 * RING * FRAME, .chunk_size = FRAME };
	struct xdp_mmap_offsets at;
	socklen_t len = sizeof(at);

	if (fd < 0 || memory == MAP_FAILED || setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &size, sizeof(size)) ||
	    getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &len) ||
	    map(fd, &at.fr, sizeof(__u64), XDP_UMEM_PGOFF_FILL_RING, fill) ||
	    map(fd, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING, rx))
		return -1;
	struct sockaddr_xdp address = { .sxdp_family = AF_XDP, .sxdp_ifindex = index };
	for (__u32 at = 0; at < RING; at++)
		((__u64 *)fill->entries)[at] = (__u64)at * FRAME;
	__atomic_store_n(fill->producer, RING, __ATOMIC_RELEASE);
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: receive OBJECT redirect|drop|wirewarden INTERFACE SECONDS\n");
		return 2;
	}
	setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ RLIM_INFINITY, RLIM_INFINITY });
	struct bpf_object *object = bpf_object__open_file(argv[1], 0);
	if (!object)
		return fail(argv[1]);
	struct bpf_program *program, *wanted = bpf_object__find_program_by_name(object, argv[2]);
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, program == wanted);
	unsigned index = if_nametoindex(argv[3]);
	if (!index || !wanted || bpf_object__load(object))
		return fail("loading");
	/* Struct settings of ebpf/xdp/maps.h: everything is handed over. */
	__u32 settings[8] = { 0, 0xffffffff }, zero = 0;
	struct bpf_map *maps = bpf_object__find_map_by_name(object, "settings");
	if (maps && bpf_map__update_elem(maps, &zero, 4, settings, bpf_map__value_size(maps), 0))
		return fail("settings");
	struct ring fill, rx;
	int fd = open_socket(index, &fill, &rx);
	if (fd < 0)
		return fail("socket");
	if (bpf_map__update_elem(bpf_object__find_map_by_name(object, "sockets"), &zero, 4, &fd, 4, 0))
		return fail("map of sockets");
	struct bpf_link *link = bpf_program__attach_xdp(wanted, (int)index);
	if (!link)
		return fail("attaching");
	signal(SIGINT, end);
	signal(SIGTERM, end);
	fprintf(stderr, "receive: ready\n");
	__u64 packets = 0, bytes = 0, first = 0, last = 0, stop = now(CLOCK_MONOTONIC) + strtoull(argv[4], 0, 10) * 1000000000ull;
	__u32 polls = 0;
	while (!is_over) {
		__u32 head = *rx.consumer, count = __atomic_load_n(rx.producer, __ATOMIC_ACQUIRE) - head;
		if (!(++polls & 1023) && now(CLOCK_MONOTONIC) > stop)
			break;
		if (!count)
			continue;
		if (count > 64)
			count = 64;
		__u32 back = *fill.producer;
		for (__u32 at = 0; at < count; at++) {
			struct xdp_desc *packet = (struct xdp_desc *)rx.entries + ((head + at) & (RING - 1));
			bytes += packet->len;
			((__u64 *)fill.entries)[(back + at) & (RING - 1)] = packet->addr & ~(__u64)(FRAME - 1);
		}
		__atomic_store_n(fill.producer, back + count, __ATOMIC_RELEASE);
		__atomic_store_n(rx.consumer, head + count, __ATOMIC_RELEASE);
		packets += count;
		last = now(CLOCK_MONOTONIC);
		first = first ? first : last;
	}
	printf("{\"packets\": %llu, \"bytes\": %llu, \"seconds\": %.6f}\n", packets, bytes, (double)(last - first) / 1e9);
	bpf_link__destroy(link);
	return 0;
}
