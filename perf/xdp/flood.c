// SPDX-License-Identifier: Apache-2.0
/* Sends packets out of an interface as fast as one core makes them, or so many a second: BPF_PROG_RUN with live frames
 * (kernel 5.18). The other end of a veth must have an XDP program, or its packets are lost.
 *
 *	flood OBJECT INTERFACE udp|tls FLOWS PACKETS [PACKETS_PER_SECOND]
 *
 * `udp` sends frames of 64 bytes, `tls` the data of TLS sessions in frames of 1,514 bytes. Prints what it did as JSON. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#define MOST 1514
#define CHUNK 100000

static __u64 now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return (__u64)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Ethernet, IPv4, UDP or TCP; the rest is what ciphertext looks like. */
static unsigned make(unsigned char *frame, int is_tls)
{
	unsigned len = is_tls ? MOST : 60, ip = len - 14;
	static const unsigned char ethernet[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0 };

	for (unsigned at = 0; at < len; at++)
		frame[at] = (unsigned char)(at * 2654435761u >> 13);
	memcpy(frame, ethernet, sizeof(ethernet));
	unsigned char header[20] = { 0x45, 0, ip >> 8, ip & 255, 0, 0, 0x40, 0, 64, is_tls ? 6 : 17 };
	static const unsigned char tls[8] = { 203, 0, 113, 1, 10, 1, 0, 0 };
	static const unsigned char udp[8] = { 198, 18, 0, 0, 10, 1, 0, 1 };
	memcpy(header + 12, is_tls ? tls : udp, 8);
	memcpy(frame + 14, header, sizeof(header));
	if (is_tls) {
		static const unsigned char tcp[20] = { 1, 187, 192, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0x50, 0x10, 255, 255 };
		memcpy(frame + 34, tcp, sizeof(tcp));
	} else {
		const unsigned char head[8] = { 0x27, 0x10, 0x4e, 0x20, 0, ip - 20, 0, 0 };
		memcpy(frame + 34, head, sizeof(head));
	}
	return len;
}

static int fail(const char *what)
{
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	return 3;
}

int main(int argc, char **argv)
{
	if (argc < 6) {
		fprintf(stderr, "usage: flood OBJECT INTERFACE udp|tls FLOWS PACKETS [PACKETS_PER_SECOND]\n");
		return 2;
	}
	int is_tls = !strcmp(argv[3], "tls");
	__u32 index = if_nametoindex(argv[2]), flows = strtoul(argv[4], 0, 10), tls = is_tls;
	__u64 packets = strtoull(argv[5], 0, 10), pps = argc > 6 ? strtoull(argv[6], 0, 10) : 0;
	struct bpf_object *object = bpf_object__open_file(argv[1], 0);

	if (!index || !flows || !object)
		return fail(argv[2]);
	struct bpf_map *constants = bpf_object__find_map_by_name(object, ".rodata");
	size_t size = 0;
	__u32 *values = constants ? (__u32 *)bpf_map__initial_value(constants, &size) : 0;
	if (!values || size < 12)
		return fail("constants");
	values[0] = index;
	values[1] = flows;
	values[2] = tls;
	if (bpf_object__load(object))
		return fail("loading");
	int program = bpf_program__fd(bpf_object__find_program_by_name(object, "flood"));
	unsigned char frame[MOST];
	unsigned len = make(frame, is_tls);
	struct xdp_md context = { .data_end = len };
	__u64 cpu = now(CLOCK_PROCESS_CPUTIME_ID), start = now(CLOCK_MONOTONIC), sent = 0;
	while (sent < packets) {
		__u64 chunk = pps ? pps / 1000 + 1 : CHUNK;
		if (chunk > packets - sent)
			chunk = packets - sent;
		LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame, .data_size_in = len, .ctx_in = &context,
			    .ctx_size_in = sizeof(context), .repeat = (int)chunk, .flags = BPF_F_TEST_XDP_LIVE_FRAMES);
		if (bpf_prog_test_run_opts(program, &options))
			return fail("BPF_PROG_RUN");
		sent += chunk;
		if (pps) {
			__u64 due = start + (__u64)((double)sent / (double)pps * 1e9);
			while (now(CLOCK_MONOTONIC) < due)
				nanosleep(&(struct timespec){ .tv_nsec = 100000 }, 0);
		}
	}
	printf("{\"packets\": %llu, \"frame_bytes\": %u, \"seconds\": %.6f, \"cpu_seconds\": %.6f}\n", sent, len,
	       (double)(now(CLOCK_MONOTONIC) - start) / 1e9, (double)(now(CLOCK_PROCESS_CPUTIME_ID) - cpu) / 1e9);
	return 0;
}
