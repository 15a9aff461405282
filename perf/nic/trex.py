"""Loads for a card, for TRex in stateless mode (v3 or newer):

    t-rex-64 -i
    trex-console
    trex> start -f perf/nic/trex.py -m 1mpps -d 60 --port 0 -t --shape imix

shape is imix (64, 576 and 1,514 bytes as 7:4:1), random_udp (65,536 flows in frames of 64 bytes) or syn_scan (a source of its own
for each packet). Compare `opackets` with `wirewarden stats` on the other side.
"""

import argparse

from trex_stl_lib.api import (
    STLPktBuilder, STLProfile, STLScVmRaw, STLStream, STLTXCont, STLVmFixIpv4, STLVmFlowVar, STLVmWrFlowVar,
)
from scapy.all import IP, TCP, UDP, Ether

SHAPES = ("imix", "random_udp", "syn_scan")
# The share of each size in a simple internet mix.
IMIX = ((64, 7), (576, 4), (1514, 1))


def sources(bits):
    """Source addresses of 10.0.0.0/8, one after the other, `bits` of them."""
    last = 0x0A000000 + (1 << bits) - 1
    return STLScVmRaw([
        STLVmFlowVar("source", min_value=0x0A000000, max_value=last, size=4, op="random"),
        STLVmWrFlowVar(fv_name="source", pkt_offset="IP.src"),
        STLVmFixIpv4(offset="IP"),
    ])


def udp(size, pps):
    # Without the checksum that the card adds.
    head = Ether(dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="203.0.113.1") / UDP(sport=40000, dport=9000)
    packet = head / (b"\x5a" * max(0, size - 4 - len(head)))
    return STLStream(packet=STLPktBuilder(pkt=packet, vm=sources(16)), mode=STLTXCont(pps=pps))


def syn(pps):
    packet = Ether(dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="203.0.113.1") / TCP(sport=40000, dport=443, flags="S")
    return STLStream(packet=STLPktBuilder(pkt=packet, vm=sources(24)), mode=STLTXCont(pps=pps))


class Loads:
    def get_streams(self, direction=0, tunables=(), **_):
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--shape", choices=SHAPES, default="imix")
        shape = parser.parse_args(list(tunables)).shape
        if shape == "imix":
            return [udp(size, share) for size, share in IMIX]
        return [udp(64, 1)] if shape == "random_udp" else [syn(1)]


def register():
    return Loads()
