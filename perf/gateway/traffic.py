"""What hosts say to each other, what is on the wire between the gateways, and a relay there that changes the order."""

import hashlib
import json
import multiprocessing
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import time

PORT = 9000
# The last packets are on their way for so long at most.
REST = 2.0
LAST = (1 << 64) - 1


def main():
    """One role in a namespace of its own; what came of it goes to standard output, as JSON, when it is told to end."""
    role, arguments = sys.argv[1], json.loads(sys.argv[2])
    # Told to end by a byte on standard input: what is under way is not interrupted.
    ROLES[role](ended, **arguments)


def ended():
    return bool(select.select([sys.stdin], [], [], 0)[0])


def tell(result):
    print(json.dumps(result), flush=True)


def send_datagrams(ended, to, rate):
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    began, number, padding = time.monotonic(), 0, bytes(400)
    while not (number % 16 == 0 and ended()):
        try:
            sender.sendto(struct.pack("!Q", number) + padding, (to, PORT))
            number += 1
        except OSError:
            time.sleep(0.01)
        late = began + number / rate - time.monotonic()
        if late > 0:
            time.sleep(late)
    tell(number)


def receive_datagrams(ended):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # SO_RCVBUFFORCE
    receiver.bind(("0.0.0.0", PORT))
    receiver.settimeout(0.2)
    print("ready", flush=True)
    seen, arrived, twice, late, newest, gap, last = bytearray(), 0, 0, 0, -1, 0.0, None
    while True:
        try:
            data = receiver.recv(2048)
        except TimeoutError:
            if ended() and (last is None or time.monotonic() - last > REST):
                break
            continue
        (number,) = struct.unpack_from("!Q", data)
        now = time.monotonic()
        gap, last = max(gap, now - last if last else 0.0), now
        if number >= len(seen):
            seen.extend(bytes(number + 65_536 - len(seen)))
        if seen[number]:
            twice += 1
            continue
        seen[number] = 1
        arrived += 1
        late += number < newest
        newest = max(newest, number)
    tell({"arrived": arrived, "twice": twice, "late": late, "longest_gap": round(gap, 3)})


def send_stream(ended, to, rate, shared):
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    stream = socket.socket(family, socket.SOCK_STREAM)
    if rate:
        stream.setsockopt(socket.SOL_SOCKET, 47, rate)  # SO_MAX_PACING_RATE
    stream.settimeout(60)
    stream.connect((to, PORT))
    digest, count = hashlib.sha256(), 0
    while not ended():
        piece = os.urandom(1 << 16)
        stream.sendall(piece)
        digest.update(piece)
        count += len(piece)
        with open(shared, "w") as progress:
            progress.write(str(count))
    stream.close()
    tell({"bytes": count, "hash": digest.hexdigest()})


def receive_stream(ended):
    listener = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("::", PORT))
    listener.listen(1)
    print("ready", flush=True)
    stream, _ = listener.accept()
    stream.settimeout(120)
    digest, count = hashlib.sha256(), 0
    while piece := stream.recv(1 << 16):
        digest.update(piece)
        count += len(piece)
    tell({"bytes": count, "hash": digest.hexdigest()})


def junk(ended, source, to, port, rate):
    """Connections that say what looks like the start of a ClientHello (RFC 8446, 5.1 and 4.1.2) and goes on at random."""
    began, sent, refused, open_ones = time.monotonic(), 0, 0, []
    while not (sent % 16 == 0 and ended()):
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        one.setblocking(False)
        one.bind((source, 0))
        one.connect_ex((to, port))
        open_ones.append(one)
        sent += 1
        # What was opened a moment ago is connected by now, or it waits for room.
        while len(open_ones) > 64:
            old = open_ones.pop(0)
            length = random.randrange(64, 1400)
            hello = b"\x16\x03\x01" + struct.pack("!H", length) + b"\x01\x00" + struct.pack("!H", length - 4)
            try:
                old.send(hello + b"\x03\x03" + os.urandom(length - 6))
            except OSError:
                refused += 1
            old.close()
        late = began + sent / rate - time.monotonic()
        if late > 0:
            time.sleep(late)
    took = time.monotonic() - began
    for one in open_ones:
        one.close()
    tell({"sent": sent, "refused": refused, "per_second": round(sent / took)})


def relay(ended, reorder):
    """Hands frames on between side0 and side1; some of them only when others have gone before."""
    sides = []
    for at in (0, 1):
        side = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        side.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)
        side.setsockopt(263, 23, 1)  # PACKET_IGNORE_OUTGOING
        side.bind((f"side{at}", 0))
        side.setblocking(False)
        sides.append(side)
    for side in sides:  # What came before both were bound.
        side.getsockopt(263, 6, 8)
    print("ready", flush=True)
    kept, counts, refused = [[], []], [0, 0], 0

    def hand_on(frame, to):
        nonlocal refused
        for _ in range(100):
            try:
                return sides[to].send(frame)
            except OSError:
                select.select([], [sides[to]], [], 0.01)
        refused += 1

    def release(at, all_of_them):
        now, still = time.monotonic(), []
        for due, after, frame in kept[at]:
            if all_of_them or now >= due or counts[0] >= after:
                hand_on(frame, 1 - at)
            else:
                still.append((due, after, frame))
        kept[at] = still

    reordered = 0
    while not ended():
        ready, _, _ = select.select(sides, [], [], 0.002)
        for side in ready:
            at = sides.index(side)
            for _ in range(256):
                try:
                    frame = side.recv(65_536)
                except BlockingIOError:
                    break
                counts[0] += 1
                if random.random() < reorder:
                    # Behind up to 32 others, and not for longer than 5 ms.
                    kept[at].append((time.monotonic() + 0.005, counts[0] + random.randint(1, 32), frame))
                    reordered += 1
                else:
                    hand_on(frame, 1 - at)
                if kept[at]:
                    release(at, False)
        for at in (0, 1):
            if kept[at]:
                release(at, False)
    for at in (0, 1):
        release(at, True)
    overflowed = sum(struct.unpack("II", side.getsockopt(263, 6, 8))[1] for side in sides)
    tell({"frames": counts[0], "reordered": reordered, "lost": overflowed + refused})


ROLES = {
    "send_datagrams": send_datagrams,
    "receive_datagrams": receive_datagrams,
    "send_stream": send_stream,
    "receive_stream": receive_stream,
    "junk": junk,
    "relay": relay,
}


class Actor:
    """A role, in a namespace."""

    def __init__(self, sites, space, role, is_server=False, **arguments):
        program = sites.inside(space) + [sys.executable, __file__, role, json.dumps(arguments)]
        self.process = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if is_server:
            self.process.stdout.readline()

    def tell_to_end(self):
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass

    def end(self):
        self.tell_to_end()
        return self.result()

    def result(self):
        said = self.process.stdout.read()
        self.process.wait()
        return json.loads(said) if said.strip() else None


class Datagrams:
    """Numbered datagrams, by default both ways."""

    def __init__(self, sites, rate, ways=2):
        self.ways = []
        for at in range(ways):
            receiver = Actor(sites, f"host{1 - at}", "receive_datagrams", is_server=True)
            sender = Actor(sites, f"host{at}", "send_datagrams", to=f"10.{2 - at}.0.10", rate=rate)
            self.ways.append((sender, receiver))

    def end(self):
        results = []
        for sender, _ in self.ways:
            sender.tell_to_end()
        for sender, receiver in self.ways:
            sent = sender.result()
            result = receiver.end()
            results.append({"sent": sent, **result, "lost": sent - result["arrived"]})
        return results


class Stream:
    """Random bytes by TCP, compared by hash; `rate` in bytes a second, 0 without limit."""

    def __init__(self, sites, to="10.2.0.10", rate=0):
        self.shared = str(sites.folder / f"stream-{time.monotonic_ns()}")
        self.began = time.monotonic()
        self.receiver = Actor(sites, "host1", "receive_stream", is_server=True)
        self.sender = Actor(sites, "host0", "send_stream", to=to, rate=rate, shared=self.shared)

    def sent(self):
        try:
            return int(open(self.shared).read() or 0)
        except OSError:
            return 0

    def end(self):
        sent = self.sender.end()
        took = time.monotonic() - self.began
        received = self.receiver.result() if sent else None
        if not sent:
            self.receiver.process.kill()
            return {"bytes": 0, "same": False}
        return {"bytes": sent["bytes"], "mbit_s": round(sent["bytes"] * 8e-6 / took, 1), "same": sent == received}


class Relay:
    """Between the gateways, in the place of a bridge."""

    def __init__(self, sites, reorder):
        sites.relayed = True
        self.actor = Actor(sites, "wire", "relay", is_server=True, reorder=reorder)

    def end(self):
        return self.actor.end()


class Capture:
    """What is on the wire between the gateways, as tshark sees it: heads of frames."""

    def __init__(self, sites, file):
        self.file = file
        program = ["tshark", "-q", "-i", "side0", "-s", "128", "-B", "64", "-w", str(file)]
        self.process = subprocess.Popen(sites.inside("wire") + program, stderr=subprocess.PIPE, text=True)
        # It says so when it captures.
        while line := self.process.stderr.readline():
            if "Capturing" in line:
                break

    def end(self):
        self.process.send_signal(signal.SIGINT)
        said = self.process.stderr.read()
        self.process.wait()
        fields = ["-T", "fields", "-e", "eth.type", "-e", "ip.proto", "-e", "ipv6.nxt", "-e", "icmpv6.type"]
        read = subprocess.Popen(["tshark", "-r", str(self.file)] + fields, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL, text=True)
        frames = {"esp": 0, "neighbours": 0, "others": 0}
        for line in read.stdout:
            parts = line.rstrip("\n").split("\t")
            if parts[:3] in (["0x0800", "50", ""], ["0x86dd", "", "50"]):
                frames["esp"] += 1
            elif parts[0] == "0x0806" or parts[3:] in (["135"], ["136"]):
                frames["neighbours"] += 1
            else:
                frames["others"] += 1
        read.wait()
        self.file.unlink(missing_ok=True)
        missed = [line for line in said.splitlines() if "dropped" in line]
        return {**frames, "said": missed[-1] if missed else ""}


def iperf(sites, to, *more, seconds=5):
    """What iperf3 says at its end, of bytes or datagrams that were received."""
    server = subprocess.Popen(sites.inside("host1") + ["iperf3", "-s", "-1", "--forceflush"], stdout=subprocess.PIPE, text=True)
    # It says so when it listens.
    while "listening" not in server.stdout.readline():
        pass
    program = ["iperf3", "-J", "-c", to, "-t", str(seconds), *more]
    done = subprocess.run(sites.inside("host0") + program, capture_output=True, text=True)
    server.kill()
    server.wait()
    said = json.loads(done.stdout)
    if "error" in said:
        return {"error": said["error"]}
    total = said["end"].get("sum_received") or said["end"]["sum"]
    wanted = ["bytes", "bits_per_second", "lost_packets", "packets", "out_of_order", "jitter_ms"]
    return {name: round(total[name], 3) for name in wanted if name in total}


def ping(sites, to, count=5, size=56):
    """Whether an answer comes; the first packet may be lost while addresses are asked for."""
    program = ["ping", "-n", "-q", "-i", "0.2", "-W", "1", "-c", str(count), "-s", str(size), to]
    done = subprocess.run(sites.inside("host0") + program, capture_output=True)
    return done.returncode == 0


if __name__ == "__main__":
    main()
