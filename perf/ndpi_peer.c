/* Packets per CPU second of libndpi alone: the frames of a capture lie in memory, flows in a table of this program.
 *
 *     cc -O2 -o ndpi_peer ndpi_peer.c $(pkg-config --cflags --libs libndpi)
 *     ndpi_peer FILE.pcap      prints: packets nanoseconds flows
 *
 * A flow is shown to libndpi until it is recognised and nothing more is expected of it, or until as many packets were
 * seen as ndpiReader looks at (80 with TCP, 24 otherwise); after that its packets only find their flow. What is timed
 * is what a program around libndpi cannot go without: headers, the flow, libndpi. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <ndpi_api.h>
#include <ndpi_main.h>
#include <ndpi_typedefs.h>

enum { BUCKETS = 1 << 20, TCP_PACKETS = 80, OTHER_PACKETS = 24 };

struct key {
    uint8_t ends[2][18]; /* address and port of the lower and of the upper end */
    uint8_t protocol;
    uint8_t version;
    uint16_t vlan;
};

struct flow {
    struct key key;
    struct flow *next;
    struct ndpi_flow_struct *state; /* none once it is done */
    uint32_t packets;
};

struct frame {
    const uint8_t *bytes;
    uint32_t len;
    uint64_t time_ms;
};

struct packet {
    const uint8_t *ip;
    uint16_t len;
    uint64_t time_ms;
    struct key key;
};

static struct flow *table[BUCKETS];
static uint64_t flows;

static uint64_t cpu_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint16_t be16(const uint8_t *at) { return (uint16_t)(at[0] << 8 | at[1]); }

static uint32_t hash(const struct key *key) {
    const uint8_t *bytes = (const uint8_t *)key;
    uint64_t sum = 0xcbf29ce484222325u;
    for (size_t at = 0; at + 8 <= sizeof *key; at += 8) {
        uint64_t word;
        memcpy(&word, bytes + at, 8);
        sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
        sum ^= sum >> 29;
    }
    return (uint32_t)(sum >> 32) & (BUCKETS - 1);
}

/* Finds the IP packet of an Ethernet frame and its key; 0 where there is none. */
static int read_frame(const uint8_t *frame, uint32_t len, struct packet *packet) {
    uint32_t at = 12;
    memset(&packet->key, 0, sizeof packet->key);
    if (len < 14)
        return 0;
    uint16_t type = be16(frame + at);
    while ((type == 0x8100 || type == 0x88a8) && at + 6 <= len) {
        packet->key.vlan = be16(frame + at + 2) & 0x0fff;
        at += 4;
        type = be16(frame + at);
    }
    at += 2;
    const uint8_t *ip = frame + at;
    uint32_t left = len - at, header, address;
    if (type == 0x0800 && left >= 20) {
        header = (ip[0] & 15u) * 4u;
        packet->key.protocol = ip[9];
        address = 4;
        ip += 12;
    } else if (type == 0x86dd && left >= 40) {
        header = 40;
        packet->key.protocol = ip[6];
        address = 16;
        ip += 8;
    } else {
        return 0;
    }
    if (left < header)
        return 0;
    packet->key.version = address == 4 ? 4 : 6;
    uint8_t ends[2][18] = {{0}};
    memcpy(ends[0], ip, address);
    memcpy(ends[1], ip + address, address);
    if ((packet->key.protocol == 6 || packet->key.protocol == 17) && left >= header + 4) {
        memcpy(ends[0] + 16, frame + at + header, 2);
        memcpy(ends[1] + 16, frame + at + header + 2, 2);
    }
    int turned = memcmp(ends[0], ends[1], sizeof ends[0]) > 0;
    memcpy(packet->key.ends[0], ends[turned], sizeof ends[0]);
    memcpy(packet->key.ends[1], ends[!turned], sizeof ends[0]);
    packet->ip = frame + at;
    packet->len = (uint16_t)(left > 65535 ? 65535 : left);
    return 1;
}

static struct flow *find(const struct key *key) {
    struct flow **place = &table[hash(key)];
    for (struct flow *flow = *place; flow; flow = flow->next)
        if (memcmp(&flow->key, key, sizeof *key) == 0)
            return flow;
    struct flow *flow = calloc(1, sizeof *flow);
    flow->key = *key;
    flow->next = *place;
    flow->state = ndpi_flow_malloc(SIZEOF_FLOW_STRUCT);
    memset(flow->state, 0, SIZEOF_FLOW_STRUCT);
    *place = flow;
    flows++;
    return flow;
}

static void take(struct ndpi_detection_module_struct *ndpi, const struct packet *packet) {
    struct flow *flow = find(&packet->key);
    flow->packets++;
    if (!flow->state)
        return;
    ndpi_protocol found = ndpi_detection_process_packet(ndpi, flow->state, packet->ip, packet->len, packet->time_ms);
    uint32_t most = packet->key.protocol == 6 ? TCP_PACKETS : OTHER_PACKETS;
    int known = found.app_protocol != NDPI_PROTOCOL_UNKNOWN || found.master_protocol != NDPI_PROTOCOL_UNKNOWN;
    int done = known && !ndpi_extra_dissection_possible(ndpi, flow->state);
    if (!done && flow->packets < most)
        return;
    if (!known) {
        uint8_t guessed;
        ndpi_detection_giveup(ndpi, flow->state, 1, &guessed);
    }
    ndpi_free_flow(flow->state);
    flow->state = NULL;
}

static uint8_t *read_file(const char *path, size_t *len) {
    struct stat info;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &info) != 0)
        return NULL;
    *len = (size_t)info.st_size;
    uint8_t *bytes = malloc(*len ? *len : 1);
    if (fread(bytes, 1, *len, file) != *len)
        return NULL;
    fclose(file);
    return bytes;
}

int main(int count, char **arguments) {
    size_t len = 0;
    uint8_t *file = count == 2 ? read_file(arguments[1], &len) : NULL;
    uint32_t magic = 0;
    if (file && len >= 24)
        memcpy(&magic, file, 4);
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d) {
        fprintf(stderr, "usage: ndpi_peer FILE.pcap (of this machine's byte order)\n");
        return 2;
    }
    uint32_t per_ms = magic == 0xa1b2c3d4 ? 1000 : 1000000;
    struct frame *frames = malloc((len / 16 + 1) * sizeof *frames);
    size_t total = 0;
    for (size_t at = 24; at + 16 <= len;) {
        uint32_t head[4];
        memcpy(head, file + at, 16);
        if (at + 16 + head[2] > len)
            break;
        frames[total++] = (struct frame){file + at + 16, head[2], (uint64_t)head[0] * 1000 + head[1] / per_ms};
        at += 16 + head[2];
    }
    struct ndpi_detection_module_struct *ndpi = ndpi_init_detection_module(ndpi_no_prefs);
    NDPI_PROTOCOL_BITMASK all;
    NDPI_BITMASK_SET_ALL(all);
    ndpi_set_protocol_detection_bitmask2(ndpi, &all);
    ndpi_finalize_initialization(ndpi);
    uint64_t start = cpu_ns();
    for (size_t at = 0; at < total; at++) {
        struct packet packet = {.time_ms = frames[at].time_ms};
        if (read_frame(frames[at].bytes, frames[at].len, &packet))
            take(ndpi, &packet);
    }
    uint64_t end = cpu_ns();
    printf("%zu %llu %llu\n", total, (unsigned long long)(end - start), (unsigned long long)flows);
    return 0;
}
