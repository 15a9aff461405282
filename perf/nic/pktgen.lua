-- A load for a card, for Pktgen-DPDK 24.10 or newer (DPDK 24.11 or newer):
--
--   pktgen -l 0-2 -n 4 -a 0000:03:00.0 -- -P -m "[1:2].0" -f perf/nic/pktgen.lua
--
-- 65,536 flows of UDP from 10.1.0.0/16 to 203.0.113.1, in frames of each size, at rising rates. Compare what it says it
-- sent with `wirewarden stats` on the other side.

package.path = package.path .. ";?.lua;test/?.lua;app/?.lua;"
require "Pktgen"

local port = "0"
local seconds = 10
local sizes = { 64, 128, 256, 512, 1024, 1514 }
local rates = { 10, 25, 50, 75, 90, 100 }

local function prepare(size)
    pktgen.stop(port)
    pktgen.clear("all")
    pktgen.range.dst_mac(port, "start", "02:00:00:00:00:02")
    pktgen.range.src_ip(port, "start", "10.1.0.0")
    pktgen.range.src_ip(port, "min", "10.1.0.0")
    pktgen.range.src_ip(port, "max", "10.1.255.255")
    pktgen.range.src_ip(port, "inc", "0.0.0.1")
    pktgen.range.dst_ip(port, "start", "203.0.113.1")
    pktgen.range.dst_ip(port, "inc", "0.0.0.0")
    pktgen.range.ip_proto(port, "udp")
    pktgen.range.src_port(port, "start", 40000)
    pktgen.range.src_port(port, "inc", 0)
    pktgen.range.dst_port(port, "start", 9000)
    pktgen.range.dst_port(port, "inc", 0)
    -- Pktgen counts without the checksum of the frame.
    pktgen.range.pkt_size(port, "start", size - 4)
    pktgen.range.pkt_size(port, "inc", 0)
    pktgen.set_range(port, "on")
end

for _, size in ipairs(sizes) do
    for _, rate in ipairs(rates) do
        prepare(size)
        pktgen.set(port, "rate", rate)
        local before = pktgen.portStats(port, "port")[tonumber(port)].opackets
        pktgen.start(port)
        pktgen.delay(seconds * 1000)
        pktgen.stop(port)
        pktgen.delay(500)
        local sent = pktgen.portStats(port, "port")[tonumber(port)].opackets - before
        printf("size %4d  rate %3d %%  sent %12d  %8.3f Mpps\n", size, rate, sent, sent / seconds / 1e6)
    end
end
