"""Frames out of a capture, into the card of a machine.

The card's other end is a Unix socket: one datagram is one frame, and sending waits where qemu has not taken the one before,
so nothing is lost ahead of the card.
"""

import socket
import struct
import time

from lab.machine import Stuck


def frames(path):
    """The frames of a pcap file with nanoseconds, little-endian: what make-sample writes."""
    data = path.read_bytes()
    magic, _, _, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    if magic != 0xA1B23C4D or link != 1:
        raise ValueError(f"{path} is no capture of make-sample")
    at, found = 24, []
    while at < len(data):
        _, _, length, whole = struct.unpack_from("<IIII", data, at)
        if length != whole:
            raise ValueError(f"{path} has frames that were cut")
        found.append(data[at + 16 : at + 16 + length])
        at += 16 + length
    return found


class Wire:
    """The other end of a card."""

    def __init__(self, folder):
        self.here, self.there = folder / "wire.here", folder / "wire.card"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.here))

    def netdev(self, name):
        return f"dgram,id={name},local.type=unix,local.path={self.there},remote.type=unix,remote.path={self.here}"

    def send(self, machine, all_frames, per_second):
        """Sends frames no faster than so many in a second."""
        self.socket.connect(str(self.there))
        start = time.monotonic()
        for number, frame in enumerate(all_frames):
            wait = start + number / per_second - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            # The card takes nothing while its ring is full.
            self.socket.settimeout(max(machine.left(), 0.1))
            try:
                self.socket.send(frame)
            except OSError as error:
                raise Stuck(f"frame {number} was not taken: {error}\n{machine.told()}") from None
        return time.monotonic() - start

    def close(self):
        self.socket.close()
