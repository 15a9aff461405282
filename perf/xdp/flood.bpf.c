// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Makes each packet one of another flow and sends it to an interface: the packet generator of `flood.c`. */
#include <linux/bpf.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* Set by flood.c before it is loaded. */
volatile const struct {
	__u32 interface;
	__u32 flows;
	__u32 is_tls;
} constants = { 0, 1, 0 };

__u64 sent;

SEC("xdp")
int flood(struct xdp_md *context)
{
	__u8 *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 flow = sent++ % constants.flows;

	if (data + 42 > end)
		return XDP_ABORTED;
	if (constants.is_tls) {
		/* The flows of the made capture `bulk-tls`, from server to client. */
		data[29] = 1 + flow % 250;
		data[32] = flow >> 8;
		data[33] = flow;
		*(__be16 *)(data + 36) = bpf_htons(49152 + (flow & 0xff));
	} else {
		/* Sources in 198.18.0.0/15 (RFC 2544, 12.1.2 ff.). */
		data[27] = 18 + (flow >> 16 & 1);
		data[28] = flow >> 8;
		data[29] = flow;
	}
	return bpf_redirect(constants.interface, 0);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
