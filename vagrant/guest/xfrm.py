"""In the guest: a gateway of ours on one side of a wire, the kernel's ESP on the other.

    near: 10.1.0.10  <->  gate: data plane, 192.0.2.1  <->  far: 192.0.2.2, kernel, 10.2.0.1

`export`: a daemon at either end agrees on keys; at the far one `wirewarden tunnel export-xfrm` gives them to the kernel.
`import`: `ip xfrm` plays an IKE daemon in the namespace `ike`, and `wirewarden tunnel import-xfrm` gives its keys to the data
plane; the far kernel has the same by `ip xfrm`.
"""

import itertools
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time

from esp import PATIENCE, Task, family, receive, send, sh, within

OUTER = {"v4": ("192.0.2.1", "192.0.2.2", 24), "v6": ("2001:db8:1::1", "2001:db8:1::2", 64)}
NEAR, FAR = "10.1.0.10", "10.2.0.1"
NAMESPACES = ("near", "gate", "far", "ike")
PROGRAMS = os.environ["PROGRAMS"]
WORK = "/run/xfrm"
# Largest inner packet at 1,500 bytes outside: docs/tunnel.md.
MTU = {"v4": 1446, "v6": 1426}


def program(namespace, name, *words):
    return ["ip", "netns", "exec", namespace, f"{PROGRAMS}/{name}", *words]


class Case:
    def __init__(self, what, outer):
        self.what, self.outer = what, outer
        self.name = f"{what}-{outer}"
        self.problems, self.about, self.running = [], [], {}
        self.folder = f"{WORK}/{self.name}"

    def check(self, holds, problem):
        if not holds:
            self.problems.append(problem)

    def start(self, label, command):
        log = open(f"{self.folder}/{label}.log", "w")
        self.running[label] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self, label, how=signal.SIGTERM):
        child = self.running.pop(label)
        child.send_signal(how)
        return child.wait(timeout=PATIENCE)

    def log(self, label):
        with open(f"{self.folder}/{label}.log") as file:
            return file.read()

    def until(self, what, holds):
        began = time.monotonic()
        while not (got := holds()):
            if time.monotonic() - began > PATIENCE:
                raise RuntimeError(f"not {what} within {PATIENCE} s: {self.logs()}")
            time.sleep(0.2)
        return got

    def logs(self):
        return "".join(f"\n--- {name}\n{self.log(name[:-4])[-1500:]}" for name in sorted(os.listdir(self.folder)) if name.endswith(".log"))

    def network(self):
        near, far, width = OUTER[self.outer]
        for name in NAMESPACES:
            sh(f"ip netns add {name} && ip -n {name} link set lo up")
            sh(f"ip netns exec {name} sh -c 'for f in all default; do echo 1 >/proc/sys/net/ipv6/conf/$f/accept_dad; done'", check=False)
        for one, interface, other, its in (("near", "net", "gate", "lan"), ("gate", "wan", "far", "wire"), ("gate", "keys", "far", "keys")):
            sh(f"ip -n {one} link add {interface} type veth peer name {its} netns {other}")
            for namespace, name in ((one, interface), (other, its)):
                sh(f"ip netns exec {namespace} ethtool -K {name} tx off gso off tso off gro off", check=False)
                sh(f"ip -n {namespace} link set {name} addrgenmode none; ip -n {namespace} link set {name} up")
        sh(f"ip -n near addr add {NEAR}/16 dev net && ip -n near route add default via 10.1.0.1")
        # What is larger is told to the sender by the gateway, which a test of sizes would only make slower.
        sh(f"ip -n near link set net mtu {MTU[self.outer]}")
        sh(f"ip -n far addr add {far}/{width} dev wire {'nodad' if self.outer == 'v6' else ''}")
        sh(f"ip -n far addr add {FAR}/32 dev lo && ip -n far route add 10.1.0.0/16 dev wire src {FAR}")
        for at, name in ((1, "gate"), (2, "far")):
            sh(f"ip -n {name} addr add 10.99.0.{at}/24 dev keys")

    def configuration(self, at, exchange=True):
        """That of a side: 1 is the gateway's, 2 the far host's."""
        other, ours, theirs = 3 - at, OUTER[self.outer][at - 1], OUTER[self.outer][2 - at]
        names = {1: "west", 2: "east"}
        text = f"""version = 1
[boot]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
mib = 128
[boot.xdp]
watchdog = "30s"
[[boot.ports]]
name = "lan"
device = "lan"
mode = "inline"
peer = "wan"
[[boot.ports]]
name = "wan"
device = "wan"
mode = "inline"
peer = "lan"
[live.tunnel]
outside = "wan"
local = ["{ours}"]
inside = ["10.{at}.0.1/16"]
[[live.tunnel.rules]]
filter = "net 10.{other}.0.0/16"
verdict = "encrypt"
[[live.tunnel.peers]]
name = "{names[other]}"
address = "{theirs}"
prefixes = ["10.{other}.0.0/16"]
ours = ["10.{at}.0.0/16"]
"""
        if exchange:
            text += f"""endpoint = "10.99.0.{other}:4510"
[live.tunnel.exchange]
listen = "10.99.0.{at}:4510"
profile = "balanced"
identity = "{self.folder}/pki/{names[at]}.pem"
ca = "{self.folder}/pki/ca.crt"
crl = "{self.folder}/pki/ca.crl"
"""
        path = f"{self.folder}/{names[at]}.toml"
        with open(path, "w") as file:
            file.write(text)
        return path

    def ping(self, size, count=3, wait=10):
        done = sh(f"ip netns exec near ping -n -q -M do -i 0.05 -c {count} -W {wait} -s {size} {FAR}", check=False)
        return int((re.search(r"(\d+) received", done) or [0, 0])[1])

    def traffic(self):
        largest = MTU[self.outer] - 28
        sizes = [0, 56, 57, 58, 59, 511, 1000, largest - 1, largest]
        self.until("a ping that comes back", lambda: self.ping(56, 1, 2))
        back = {size: self.ping(size) for size in sizes}
        for size, got in back.items():
            self.check(got == 3, f"ping of {size} bytes: {got} of 3 came back")
        self.about.append(f"{sum(back.values())} of {3 * len(sizes)} pings")
        length, right = int(os.environ["KIB"]) * 1024, 0
        for source, target, from_name, to_name in ((NEAR, FAR, "near", "far"), (FAR, NEAR, "far", "near")):
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
        self.about.append(f"{right} of 2 files of {length // 1024} KiB")

    def kernel_counts(self):
        """What the far kernel refused, but for packets without payload, which it counts as errors of the protocol."""
        lines = (line.split() for line in sh("ip netns exec far cat /proc/net/xfrm_stat").splitlines())
        return {name: int(count) for name, count in lines if int(count) and name != "XfrmInStateProtoError"}

    def sas(self, namespace):
        return len(re.findall(r"^src ", sh(f"ip -n {namespace} xfrm state"), re.MULTILINE))

    def show(self, side):
        done = subprocess.run([f"{PROGRAMS}/wirewarden", "tunnel", "--socket", f"{self.folder}/{side}/control.sock", "show", "-o", "json"], capture_output=True, text=True)
        try:
            return json.loads(done.stdout)["peers"][0]
        except (ValueError, IndexError, KeyError):
            return {}

    def export(self):
        pki = f"{PROGRAMS}/wirewarden pki --dir {self.folder}/pki"
        sh(f"{pki} init Test --profile balanced && {pki} issue west --profile balanced && {pki} issue east --profile balanced")
        west, east = self.configuration(1), self.configuration(2)
        for side in ("west", "east"):
            os.makedirs(f"{self.folder}/{side}/state", exist_ok=True)
        daemon = ("--no-http", "--unconfined", "lab")
        of = lambda side: ("--state", f"{self.folder}/{side}/state", "--run", f"{self.folder}/{side}", *daemon)
        self.start("export", program("far", "wirewarden", "tunnel", "export-xfrm", "-c", east, "--control", f"{self.folder}/east/dataplane.sock"))
        self.until("policies", lambda: "dir out" in sh("ip -n far xfrm policy"))
        self.start("daemon-east", program("far", "wirewardend", "-c", east, "--external", *of("east")))
        self.start("daemon-west", program("gate", "wirewardend", "-c", west, *of("west"), "--dataplane", f"{PROGRAMS}/wirewarden-dataplane"))
        both = lambda: [self.show(side) for side in ("west", "east")]
        is_up = lambda: all(row.get("state") == "up" for row in both())
        self.until("up", is_up)
        self.traffic()
        before = max(row.get("epoch") or 0 for row in both())
        flood = subprocess.Popen(["ip", "netns", "exec", "near", "ping", "-n", "-q", "-i", "0.05", "-w", "120", FAR], stdout=subprocess.PIPE, text=True)
        for turn in range(3):
            sh(f"{PROGRAMS}/wirewarden tunnel --socket {self.folder}/west/control.sock rotate {'--resume' if turn else ''}")
            self.until("new keys", lambda: all((row.get("epoch") or 0) > before for row in both()) and is_up())
            before = max(row.get("epoch") or 0 for row in both())
        time.sleep(1)
        flood.send_signal(signal.SIGINT)
        said = flood.communicate()[0]
        sent, got = (int(number) for number in re.search(r"(\d+) packets transmitted, (\d+) received", said).groups())
        # One may be on its way when it ends.
        self.check(sent - got <= 1, f"{got} of {sent} pings came back while there were new keys")
        self.about.append(f"{got} of {sent} pings while keys changed three times")
        row = self.show("east")
        self.check(row.get("counters", {}).get("rx_packets", 0) > 50 and row["counters"]["tx_packets"] > 50, f"what the kernel counted is not told: {row}")
        self.check(not self.kernel_counts(), f"the kernel counted {self.kernel_counts()}")
        self.check(self.end("export") == 0, "export-xfrm did not end in order")
        self.check(self.sas("far") == 0, f"SAs are left: {self.sas('far')}")
        self.check("dir out" in sh("ip -n far xfrm policy"), "policies are gone, so that traffic is in the clear")
        self.check(self.ping(56, 3, 2) == 0, "a ping came back without keys")
        sh(" ".join(program("far", "wirewarden", "tunnel", "export-xfrm", "--clear")))
        self.check("dir out" not in sh("ip -n far xfrm policy"), "policies are left after --clear")
        self.about.append("closed without keys")

    def give(self, namespace, mine, theirs, send_spi, receive_spi, keys):
        """An SA each way in a namespace, as an IKE daemon makes them."""
        for source, target, spi, key in ((theirs, mine, receive_spi, keys[1]), (mine, theirs, send_spi, keys[0])):
            sh(f"ip -n {namespace} xfrm state add src {source} dst {target} proto esp spi {spi} reqid 1 mode tunnel"
               f" replay-window 128 flag esn {'af-unspec' if self.outer == 'v6' else ''} aead 'rfc4106(gcm(aes))' 0x{key} 128")

    def take(self, namespace, mine, theirs, send_spi, receive_spi):
        for source, target, spi in ((mine, theirs, send_spi), (theirs, mine, receive_spi)):
            sh(f"ip -n {namespace} xfrm state delete src {source} dst {target} proto esp spi {spi}")

    def policies(self, namespace, mine, theirs, ours, other):
        for way, source, target, tunnel_source, tunnel_target in (("out", ours, other, mine, theirs), ("in", other, ours, theirs, mine), ("fwd", other, ours, theirs, mine)):
            sh(f"ip -n {namespace} xfrm policy add src {source} dst {target} dir {way}"
               f" tmpl src {tunnel_source} dst {tunnel_target} proto esp reqid 1 mode tunnel")

    def imported(self):
        near, far, width = OUTER[self.outer]
        ours, other = "10.1.0.0/16", "10.2.0.0/16"
        config = self.configuration(1, exchange=False)
        control = f"{self.folder}/dataplane.sock"
        self.policies("ike", near, far, ours, other)
        self.policies("far", far, near, other, ours)
        self.start("dataplane", program("gate", "wirewarden-dataplane", "-c", config, "--control", control))
        self.until("a key socket", lambda: os.path.exists(f"{control}.keys"))
        first, second = ([secrets.token_hex(36) for _ in range(2)] for _ in range(2))
        # Made before anybody looks: whether it has sent cannot be known.
        self.give("ike", near, far, 0x1000, 0x2000, first)
        self.start("import", program("gate", "wirewarden", "tunnel", "import-xfrm", "--netns", "ike", "-c", config, "--control", control))
        self.until("refused", lambda: "was there before" in self.log("import"))
        self.take("ike", near, far, 0x1000, 0x2000)
        first = [secrets.token_hex(36) for _ in range(2)]
        self.give("far", far, near, 0x2001, 0x1001, first[::-1])
        self.give("ike", near, far, 0x1001, 0x2001, first)
        self.traffic()
        # A rekey, as an IKE daemon does it: the new ones first.
        self.give("far", far, near, 0x2002, 0x1002, second[::-1])
        self.give("ike", near, far, 0x1002, 0x2002, second)
        self.until("the second epoch", lambda: "epoch 2 is up" in self.log("import"))
        self.take("far", far, near, 0x2001, 0x1001)
        self.take("ike", near, far, 0x1001, 0x2001)
        got = self.ping(56, 20)
        self.check(got == 20, f"{got} of 20 pings came back after a rekey")
        self.check(not self.kernel_counts(), f"the kernel counted {self.kernel_counts()}")
        self.check("torn down" not in self.log("import"), "it was torn down although the kernel sent nothing")
        # Somebody sends in the namespace of the IKE daemon after all.
        sh("ip -n ike link add stray type veth peer name lost && ip -n ike link set lost up && ip -n ike link set stray up")
        sh(f"ip -n ike addr add {near}/{width} dev stray {'nodad' if self.outer == 'v6' else ''} && ip -n ike addr add 10.1.0.99/32 dev lo")
        sh("ip -n ike route add 10.2.0.0/16 dev stray src 10.1.0.99")
        sh(f"ip netns exec ike ping -n -c 1 -W 1 {FAR}", check=False)
        self.until("torn down", lambda: "torn down" in self.log("import"))
        self.check(self.ping(56, 3, 2) == 0, "a ping came back after the kernel had used the SA")
        self.about.append("torn down when the kernel had used one")
        self.check(self.end("import") == 0, "import-xfrm did not end in order")

    def take_down(self):
        # Else the data plane runs on without its daemon.
        sh(f"{PROGRAMS}/wirewarden stop --socket {self.folder}/west/control.sock", check=False)
        for label in list(self.running):
            try:
                self.end(label)
            except (subprocess.TimeoutExpired, OSError):
                self.problems.append(f"{label} did not end")
        for name in NAMESPACES:
            sh(f"ip netns del {name}", check=False)

    def run(self):
        os.makedirs(self.folder)
        try:
            self.network()
            self.export() if self.what == "export" else self.imported()
        except Exception as error:  # One case that cannot be run does not keep the others from it.
            self.problems.append(f"{type(error).__name__}: {error}")
        if self.problems:
            self.problems.append(self.logs())
        self.take_down()
        return {"case": self.name, "ok": not self.problems, "about": ", ".join(self.about), "problems": self.problems}


def main():
    failed = 0
    with open("/run/lab/results", "w") as results:
        for what, outer in itertools.product(("export", "import"), ("v4", "v6")):
            case = Case(what, outer)
            if os.environ["ONLY"] in case.name:
                result = case.run()
                failed += not result["ok"]
                results.write(json.dumps(result) + "\n")
                results.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
