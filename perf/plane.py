"""What the scripts that measure a daemon and its data plane have in common: what the data plane plays, and how it is asked."""

import json
import socket

# A capture over and over, faster than it can be read, to one worker.
CONFIGURATION = """
version = 1
[boot]
cores = [0]
main_core = 1
flow_memory = "64MiB"
[boot.memory]
hugepages = false
mib = 256
[[boot.ports]]
name = "load"
device = "net_pcap0,rx_pcap={capture},infinite_rx=1"
"""


class Client:
    """Asks whoever listens at a socket; OSError where nobody does."""

    def __init__(self, path, patience=60.0):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")

    def ask(self, do, **more):
        request = {"version": 1, "id": 1, "command": {"do": do, **more}}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        told = json.loads(self.lines.readline())
        return told.get("answer", told)
