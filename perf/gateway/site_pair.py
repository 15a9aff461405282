"""Two sites behind a gateway each: namespaces, interfaces, certificates, daemons and their data planes."""

import json
import os
import signal
import socket
import subprocess
import time

NAMES = ["west", "east"]
SPACES = ["host0", "host1", "gate0", "gate1", "wire"]
PATIENCE = 90.0


class Failed(Exception):
    """Something did not happen that should have."""


class Site:
    """What belongs to one side."""

    def __init__(self, folder, at):
        self.folder = folder / NAMES[at]
        self.daemon = None
        (self.folder / "run").mkdir(parents=True)

    def ask(self, do, **more):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.settimeout(60)
            stream.connect(str(self.folder / "run" / "control.sock"))
            request = {"version": 1, "id": 1, "command": {"do": do, **more}}
            stream.sendall(json.dumps(request).encode() + b"\n")
            return json.loads(stream.makefile("rb").readline())


class Sites:
    """Both sides; everything ends and goes with the block."""

    def __init__(self, args, folder, outside=4, mtu=1500, link_mtu=1500, exchange=""):
        self.bin = os.path.join(args.target_dir, args.profile)
        self.folder = folder / f"sites-{time.monotonic_ns()}"
        self.outside, self.mtu, self.link_mtu, self.exchange = outside, mtu, link_mtu, exchange
        self.prefix = f"wwperf{os.getpid()}"
        self.relayed = False
        self.sites = []

    def __enter__(self):
        self.sites = [Site(self.folder, at) for at in (0, 1)]
        try:
            self.network()
        except Exception:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        for at, site in enumerate(self.sites):
            pid = self.plane_pid(at)
            if site.daemon:
                self.kill_daemon(at)
            if pid:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        for space in SPACES:
            subprocess.run(["ip", "netns", "del", self.space(space)], capture_output=True)

    def space(self, name):
        return f"{self.prefix}-{name}"

    def inside(self, space):
        return ["nsenter", f"--net=/run/netns/{self.space(space)}"]

    def run(self, space, line):
        done = subprocess.run(self.inside(space) + line.split(), capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{line}: {done.stderr}")

    def network(self):
        for space in SPACES:
            subprocess.run(["ip", "netns", "add", self.space(space)], check=True)
            self.run(space, "ip link set lo up")
        for at in (0, 1):
            host, gate = f"host{at}", f"gate{at}"
            self.pair((host, "net"), (gate, "lan"))
            self.pair((gate, "wan"), ("wire", f"side{at}"))
            self.run(host, "sysctl -qw net.ipv6.conf.net.disable_ipv6=0")
            self.run(host, f"ip addr add 10.{at + 1}.0.10/16 dev net")
            self.run(host, f"ip addr add fd0{at + 1}::10/64 dev net nodad")
            self.run(host, f"ip route add default via 10.{at + 1}.0.1")
            self.run(host, f"ip -6 route add default via fd0{at + 1}::1 dev net")
        self.pair(("gate0", "keys"), ("gate1", "keys"))
        for at in (0, 1):
            self.run(f"gate{at}", f"ip addr add 10.99.0.{at + 1}/24 dev keys")

    def pair(self, one, other):
        far = self.space(other[0])
        self.run(one[0], f"ip link add {one[1]} type veth peer name {other[1]} netns {far}")
        for space, interface in (one, other):
            self.run(space, f"sysctl -qw net.ipv6.conf.{interface}.disable_ipv6=1")
            self.run(space, f"ip link set dev {interface} mtu {self.link_mtu}")
            subprocess.run(
                self.inside(space) + f"ethtool -K {interface} tx off gso off tso off gro off".split(),
                capture_output=True,
            )
            self.run(space, f"ip link set dev {interface} up")

    def bridge(self):
        self.run("wire", "ip link add bridge type bridge")
        self.run("wire", "sysctl -qw net.ipv6.conf.bridge.disable_ipv6=1")
        for at in (0, 1):
            self.run("wire", f"ip link set dev side{at} master bridge")
        self.run("wire", "ip link set dev bridge up")

    def config(self, at, extra_rules=()):
        ours, theirs = at + 1, 2 - at
        address = (lambda n: f"192.0.2.{n}") if self.outside == 4 else (lambda n: f"2001:db8::{n}")
        mtu = f"mtu = {self.link_mtu}\n"
        rules = "".join(
            f'[[live.tunnel.rules]]\nfilter = "net 10.{theirs}.0.0/16 and {rule}"\nverdict = "encrypt"\n'
            for rule in extra_rules
        )
        return f"""version = 1
[boot]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
mib = 128
[[boot.ports]]
name = "lan"
device = "lan"
mode = "inline"
peer = "wan"
{mtu}[[boot.ports]]
name = "wan"
device = "wan"
mode = "inline"
peer = "lan"
{mtu}[live.tunnel]
outside = "wan"
local = ["{address(ours)}"]
inside = ["10.{ours}.0.1/16", "fd0{ours}::1/64"]
{rules}[[live.tunnel.rules]]
filter = "net 10.{theirs}.0.0/16 or net fd0{theirs}::/64"
verdict = "encrypt"
[[live.tunnel.peers]]
name = "{NAMES[1 - at]}"
address = "{address(theirs)}"
endpoint = "10.99.0.{theirs}:4510"
prefixes = ["10.{theirs}.0.0/16", "fd0{theirs}::/64"]
ours = ["10.{ours}.0.0/16", "fd0{ours}::/64"]
mtu = {self.mtu}
[live.tunnel.exchange]
listen = "10.99.0.{ours}:4510"
identity = "{self.folder}/pki/{NAMES[at]}.pem"
ca = "{self.folder}/pki/ca.crt"
crl = "{self.folder}/pki/ca.crl"
profile = "balanced"
{self.exchange}"""

    def start(self):
        """Starts both, and waits until there are keys."""
        if not self.relayed:
            self.bridge()
        pki = [os.path.join(self.bin, "wirewarden"), "pki", "--dir", str(self.folder / "pki")]
        for more in (["init", "Test"], ["issue", "west"], ["issue", "east"]):
            done = subprocess.run(pki + more + ["--profile", "balanced"], capture_output=True, text=True)
            if done.returncode:
                raise Failed(f"{' '.join(more)}: {done.stderr}")
        for at in (0, 1):
            (self.sites[at].folder / "first.toml").write_text(self.config(at))
            self.start_daemon(at)
        self.until_up()

    def start_daemon(self, at):
        site = self.sites[at]
        program = [os.path.join(self.bin, "wirewardend"), "-c", site.folder / "first.toml"]
        program += ["--state", site.folder / "state", "--run", site.folder / "run", "--no-http"]
        program += ["--dataplane", os.path.join(self.bin, "wirewarden-dataplane")]
        program += ["--dataplane-log", site.folder / "dataplane.log"]
        with open(site.folder / "daemon.log", "ab") as log:
            site.daemon = subprocess.Popen(self.inside(f"gate{at}") + [str(part) for part in program], stderr=log)

    def kill_daemon(self, at):
        self.sites[at].daemon.kill()
        self.sites[at].daemon.wait()

    def reply(self, at, do, **more):
        try:
            return self.sites[at].ask(do, **more)["answer"]["reply"]
        except (OSError, KeyError, ValueError):
            return {}

    def plane_pid(self, at):
        return (self.reply(at, "status").get("dataplane") or {}).get("pid")

    def row(self, at):
        return (self.reply(at, "tunnels").get("peers") or [{}])[0]

    def apply(self, at, **more):
        answer = self.sites[at].ask("config_apply", text=self.config(at, **more))
        if "answer" not in answer:
            raise Failed(f"not applied: {answer}")

    def rotate(self, by):
        """New keys, which both sides use."""
        before = self.row(0).get("epoch") or 0
        self.sites[0].ask("tunnel_rotate", by=by)
        rows = []

        def both():
            rows[:] = [self.row(0).get("epoch") or 0, self.row(1).get("epoch") or 0]
            return rows[0] > before and rows[0] == rows[1]

        self.until("new keys", both)

    def until(self, what, is_so):
        limit = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > limit:
                raise Failed(f"not {what}: {self.logs()}")
            time.sleep(0.01)

    def until_up(self):
        self.until("up", lambda: all(self.row(at).get("state") == "up" for at in (0, 1)))

    def logs(self):
        files = sorted(self.folder.glob("*/*.log"))
        return "\n".join(f"--- {file}\n{file.read_text(errors='replace')[-2000:]}" for file in files)
