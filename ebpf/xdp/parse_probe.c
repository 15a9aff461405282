// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writes down what the parser of the XDP program reads: for tests, by BPF_PROG_TEST_RUN. It is never attached. */
#include "parse.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct probe);
} probed SEC(".maps");

SEC("xdp")
int parse_probe(struct xdp_md *context)
{
	__u32 zero = 0;
	struct probe *probe = bpf_map_lookup_elem(&probed, &zero);

	if (!probe)
		return XDP_ABORTED;
	struct parsed parsed = {};
	parse(context, linear_len(context), &parsed);
	probe->parsed = parsed;
	probe->side = key_of(&parsed, SETTING_KEY_VLAN, &probe->key);
	probe->hash = hash_of(&parsed);
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
