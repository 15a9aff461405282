"""In the guest: the kernel's ESP in one network namespace, `tun-gateway` between it and another.

    near: 10.1.0.1, TUN `inner`  <->  tun-gateway  <->  far: TUN `wire`, 192.0.2.2, `ip xfrm`, 10.2.0.1

Each case makes both anew, sends pings of every size up to the largest, a file both ways over TCP and what iperf3 sends, and
looks at what was counted about the packets that the gateway repeated and forged.
"""

import ctypes
import fcntl
import hashlib
import itertools
import json
import os
import re
import secrets
import socket
import struct
import subprocess
import sys
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
UDP_ENCAP, UDP_ENCAP_ESPINUDP = 100, 2
NAT_PORT = 4500
CLONE_NEWNET = 0x40000000
# Emulated on a busy machine, a second may take a minute.
PATIENCE = 300
# One packet in so many is repeated, and one forged.
EVERY = 7
OUTER = {"v4": ("192.0.2.1", "192.0.2.2", 24), "v6": ("2001:db8:1::1", "2001:db8:1::2", 64)}
INNER = {"v4": ("10.1.0.1", "10.2.0.1", "10.1.0.0/16", "10.2.0.0/16", 16), "v6": ("2001:db8:a::1", "2001:db8:b::1", "2001:db8:a::/48", "2001:db8:b::/48", 48)}
# Largest inner packet at 1,500 bytes: docs/tunnel.md.
MTU = {("v4", "ip"): 1446, ("v4", "udp"): 1438, ("v6", "ip"): 1426, ("v6", "udp"): 1418}
HEADER = {"v4": 20, "v6": 40}


def sh(text, check=True):
    done = subprocess.run(text, shell=True, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"{text}: {done.stdout}{done.stderr}")
    return done.stdout


def tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


class Case:
    def __init__(self, inner, outer, carrier, sequence):
        self.inner, self.outer, self.carrier, self.sequence = inner, outer, carrier, sequence
        self.name = f"{inner}-in-{outer}-{carrier}-{sequence}"
        self.problems = []

    def check(self, holds, problem):
        if not holds:
            self.problems.append(problem)

    def set_up(self):
        near, far, width = OUTER[self.outer]
        here, there, ours, theirs, inner_width = INNER[self.inner]
        for name in ("near", "far"):
            sh(f"ip netns add {name} && ip -n {name} link set lo up")
        inner, wire = tun("inner"), tun("wire")
        nodad = "nodad" if self.inner == "v6" else ""
        # Nothing but what the case sends: no neighbour or router is asked for.
        sh("ip link set inner addrgenmode none && ip link set wire addrgenmode none")
        sh(f"ip link set inner netns near && ip -n near link set inner mtu {MTU[self.outer, self.carrier]} up")
        sh(f"ip -n near addr add {here}/{inner_width} dev inner {nodad} && ip -n near route add {theirs} dev inner")
        nodad = "nodad" if self.outer == "v6" else ""
        sh("ip link set wire netns far && ip -n far link set wire mtu 1500 up")
        sh(f"ip -n far addr add {far}/{width} dev wire {nodad}")
        sh(f"ip -n far addr add {there}/{128 if self.inner == 'v6' else 32} dev lo")
        sh(f"ip -n far route add {ours} dev wire src {there}")
        keys = [secrets.token_hex(36) for _ in range(2)]
        encap = f"encap espinudp {NAT_PORT} {NAT_PORT} 0.0.0.0" if self.carrier == "udp" else ""
        flags = ["esn"] if self.sequence == "extended" else []
        # Else the kernel expects inside what is outside.
        flags += ["af-unspec"] if self.inner != self.outer else []
        window = f"replay-window {128 if self.sequence == 'extended' else 32}" + (f" flag {' '.join(flags)}" if flags else "")
        for source, target, spi, key in ((near, far, 0xA001, keys[0]), (far, near, 0xB002, keys[1])):
            sh(f"ip -n far xfrm state add src {source} dst {target} proto esp spi {spi} reqid 1 mode tunnel {window}"
               f" aead 'rfc4106(gcm(aes))' 0x{key} 128 {encap}")
        policies = (("out", theirs, ours, far, near), ("in", ours, theirs, near, far), ("fwd", ours, theirs, near, far))
        for way, source, target, tunnel_source, tunnel_target in policies:
            sh(f"ip -n far xfrm policy add src {source} dst {target} dir {way}"
               f" tmpl src {tunnel_source} dst {tunnel_target} proto esp reqid 1 mode tunnel")
        self.encap = within("far", lambda: encap_socket(far)) if self.carrier == "udp" else None
        words = [f"local={near}", f"remote={far}", f"carrier={self.carrier}", f"sequence={self.sequence}",
                 f"send=a001:{keys[0]}", f"receive=b002:{keys[1]}", f"every={EVERY}"]
        self.gateway = subprocess.Popen([os.environ["GATEWAY"], *words], stdin=inner, stdout=wire, stderr=subprocess.PIPE, text=True)
        os.close(inner)
        os.close(wire)

    def pings(self):
        """Every size class, the largest that may pass included; how many came back."""
        target = INNER[self.inner][1]
        largest = MTU[self.outer, self.carrier] - HEADER[self.inner] - 8
        sizes = [0, 1, 2, 3, 56, 57, 58, 59, 100, 255, 256, 511, 1000, 1300, largest - 3, largest - 2, largest - 1, largest]
        back = 0
        for size in sizes:
            done = sh(f"ip netns exec near ping -n -q -M do -i 0.05 -c 3 -W 10 -s {size} {target}", check=False)
            got = int((re.search(r"(\d+) received", done) or [0, 0])[1])
            self.check(got == 3, f"ping of {size} bytes: {got} of 3 came back")
            back += got
            if got == 0:
                raise RuntimeError(f"nothing comes back{self.seen()}")
        return f"{back} of {3 * len(sizes)} pings"

    def seen(self):
        """What is known of a case that does not work at all."""
        told, kernel = self.take_down()
        kernel = {name: count for name, count in kernel.items() if count}
        return f": the gateway said {told}, the kernel counted {kernel}"

    def files(self):
        """The same file there and back again; whether its hash is right on both sides."""
        here, there = INNER[self.inner][:2]
        length = int(os.environ["KIB"]) * 1024
        right = 0
        for source, target, from_name, to_name in ((here, there, "near", "far"), (there, here, "far", "near")):
            server = within(to_name, lambda: socket.create_server((target, 9000), family=family(target)))
            received = Task(lambda: receive(server))
            try:
                connect = lambda: socket.create_connection((target, 9000), timeout=PATIENCE, source_address=(source, 0))
                sent = send(within(from_name, connect), length)
            except OSError as error:
                sent = f"nothing: {error}"
            got = received.result()
            self.check(sent == got, f"file {from_name} to {to_name}: sent {sent}, received {got}")
            right += sent == got
        return f"{right} of 2 files of {length // 1024} KiB"

    def iperf(self):
        """iperf3 by TCP from here to there; what arrived."""
        here, there = INNER[self.inner][:2]
        command = ["ip", "netns", "exec", "far", "iperf3", "-s", "-1", "--forceflush"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            while "listening" not in server.stdout.readline():
                if server.poll() is not None:
                    raise RuntimeError("iperf3 does not listen")
            done = sh(f"ip netns exec near timeout {PATIENCE} iperf3 -J -c {there} -B {here} -n {os.environ['KIB']}K", check=False)
            server.kill()
        end = json.loads(done).get("end", {}) if done.strip() else {}
        arrived = int(end.get("sum_received", {}).get("bytes", 0))
        # It ends when all is sent, not when all has come.
        self.check(arrived >= int(os.environ["KIB"]) * 256, f"iperf3: {arrived} bytes arrived: {done[-300:]}")
        return f"iperf3 {arrived // 1024} KiB"

    def take_down(self):
        """Ends the gateway by taking its devices away; what it and the kernel counted."""
        statistics, before = {}, None
        # The last packets may still be on their way.
        while statistics != before:
            before = statistics
            time.sleep(1)
            statistics = dict(line.split() for line in sh("ip netns exec far cat /proc/net/xfrm_stat").splitlines())
        sh("ip -n near link del inner; ip -n far link del wire")
        try:
            told = self.gateway.communicate(timeout=PATIENCE)[1]
        except subprocess.TimeoutExpired:
            self.gateway.kill()
            told = self.gateway.communicate()[1]
            self.problems.append("the gateway did not end")
        if self.encap:
            self.encap.close()
        sh("ip netns del near; ip netns del far")
        try:
            return json.loads(told.strip().splitlines()[-1]), {name: int(count) for name, count in statistics.items()}
        except (IndexError, ValueError):
            self.problems.append(f"the gateway said {told!r}")
            return {"sealed": {}, "opened": {}}, {}

    def attacks(self, told, kernel):
        """Each packet that was repeated or forged was refused, by both."""
        sealed, opened = told["sealed"], told["opened"]
        repeated, forged = sealed.get("repeated", 0), sealed.get("forged", 0)
        self.check(repeated > 0 and forged > 0, f"too few packets for attacks: {sealed}")
        refused = kernel.get("XfrmInStateSeqError", 0)
        self.check(refused == repeated, f"the kernel refused {refused} of {repeated} replays")
        rejected = kernel.get("XfrmInStateProtoError", 0)
        self.check(rejected == forged, f"the kernel refused {rejected} of {forged} forgeries")
        ours = opened.get("repeated: a replay", 0), opened.get("forged: not authentic", 0)
        self.check(min(ours) > 0, f"too few packets for attacks: {opened}")
        for name in ("repeated and accepted", "forged and accepted"):
            self.check(name not in opened, f"{name} by the gateway: {opened.get(name)}")
        expected = {"packets", "repeated: a replay", "forged: not authentic", "ended by", "not of the tunnel"}
        odd = {name: count for name, count in opened.items() if not any(name.startswith(known) for known in expected)}
        odd = {name: count for name, count in odd.items() if "not a packet of a tunnel" not in name}
        self.check(not odd, f"what the gateway also said: {odd}")
        wrong = {name: count for name, count in kernel.items() if count and name not in ("XfrmInStateSeqError", "XfrmInStateProtoError")}
        self.check(not wrong, f"what the kernel also counted: {wrong}")
        return f"replays refused {refused} + {ours[0]}, forgeries {rejected} + {ours[1]}, packets {sealed.get('packets', 0)} + {opened.get('packets', 0)}"

    def run(self):
        about = []
        try:
            self.set_up()
            about += [self.pings(), self.files(), self.iperf()]
            told, kernel = self.take_down()
            about.append(self.attacks(told, kernel))
        except Exception as error:  # One case that cannot be run does not keep the others from it.
            self.problems.append(f"{type(error).__name__}: {error}")
            sh("ip netns del near; ip netns del far; ip link del inner; ip link del wire", check=False)
        return {"case": self.name, "ok": not self.problems, "about": ", ".join(about), "problems": self.problems}


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


class Task:
    """A function on a thread of its own, and what it returned or failed with."""

    def __init__(self, function):
        self.returned, self.failed = None, None
        self.thread = threading.Thread(target=self.run, args=(function,))
        self.thread.start()

    def run(self, function):
        try:
            self.returned = function()
        except Exception as error:
            self.failed = error

    def result(self):
        self.thread.join()
        if self.failed:
            raise self.failed
        return self.returned


def within(namespace, function):
    """What a function returns that is called in a network namespace: a thread has its own, and a socket keeps it."""

    def enter():
        with open(f"/run/netns/{namespace}") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), f"setns {namespace}")
        return function()

    return Task(enter).result()


def receive(server):
    """One connection, to its end; the hash of what came."""
    digest, length = hashlib.sha256(), 0
    try:
        with server:
            server.settimeout(PATIENCE)
            connection, _ = server.accept()
        with connection:
            connection.settimeout(PATIENCE)
            while data := connection.recv(65536):
                digest.update(data)
                length += len(data)
    except OSError as error:
        return f"{length} bytes, then {error}"
    return f"{digest.hexdigest()[:16]} ({length} bytes)"


def send(connection, length):
    """Random bytes over a connection; their hash."""
    data = secrets.token_bytes(length)
    with connection:
        connection.settimeout(PATIENCE)
        connection.sendall(data)
    return f"{hashlib.sha256(data).hexdigest()[:16]} ({length} bytes)"


def encap_socket(address):
    """The socket by which the kernel knows that ESP comes on this port."""
    holder = socket.socket(family(address), socket.SOCK_DGRAM)
    holder.bind((address, NAT_PORT))
    holder.setsockopt(socket.IPPROTO_UDP, UDP_ENCAP, UDP_ENCAP_ESPINUDP)
    return holder


def main():
    failed = 0
    with open("/run/lab/results", "w") as results:
        for case in itertools.product(("v4", "v6"), ("v4", "v6"), ("ip", "udp"), ("short", "extended")):
            case = Case(*case)
            if os.environ["ONLY"] not in case.name:
                continue
            started = time.monotonic()
            result = case.run()
            failed += not result["ok"]
            result["seconds"] = round(time.monotonic() - started, 1)
            results.write(json.dumps(result) + "\n")
            results.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
