#!/usr/bin/env python3
"""What the kernel path costs, on veth in a network namespace: prints JSON, and fails where a target is missed.

    perf/xdp.py [--target-dir DIR] [--only receive,deny,shunt,failover,lists] [--runs N]

Needs root, clang, libbpf-dev, tcpreplay and two cores; a release build is made first. Packets come from BPF_PROG_RUN with
live frames on core 1, where the driver's side of the veth runs too; what receives them is on core 0. Costs are CPU time:
of the generator's process, less what it takes when the other end drops everything at once, and of the worker's thread.
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMESPACE = f"wwperf-{os.getpid()}"
SESSIONS = 200

CONFIGURATION = """
version = 1
[boot]
backend = "af_xdp"
cores = [0]
main_core = 1
flow_memory = "64MiB"
[boot.memory]
hugepages = false
[boot.xdp]
watchdog = "30s"
{boot}
[[boot.ports]]
name = "tap"
device = "ta"
rx_descriptors = 8192
{live}
[[live.output.eve]]
path = "{eve}"
types = ["flow", "stats"]
"""


def run(*command, **more):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True, **more).stdout


def inside(core, *command):
    """A command in the namespace, on one core. `ip netns exec` would hide nothing that is needed, but costs a mount."""
    return ["taskset", "-c", str(core), "nsenter", f"--net=/run/netns/{NAMESPACE}", *map(str, command)]


class Namespace:
    def __enter__(self):
        run("ip", "netns", "add", NAMESPACE)
        self.veth()
        return self

    def veth(self):
        run("ip", "-n", NAMESPACE, "link", "add", "ta", "type", "veth", "peer", "name", "tb")
        for name in ("ta", "tb"):
            run("ip", "netns", "exec", NAMESPACE, "sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            run("ip", "-n", NAMESPACE, "link", "set", name, "up")

    def __exit__(self, *_):
        run("ip", "netns", "del", NAMESPACE)


class Bench:
    def __init__(self, target, folder):
        self.release, self.folder = target / "release", folder
        for name in ("flood", "receive"):
            source = ROOT / "perf" / "xdp" / name
            arch = os.uname().machine
            run("clang", "-target", "bpf", "-g", "-O2", "-mcpu=v3", f"-I/usr/include/{arch}-linux-gnu", "-c", f"{source}.bpf.c", "-o", folder / f"{name}.o")
            run("cc", "-O2", f"{source}.c", "-o", folder / name, "-lbpf")
        objects = (target / "release" / "build").glob("ebpf-maps-*/out/wirewarden.o")
        self.program = max(objects, key=lambda path: path.stat().st_mtime)

    def flood(self, kind, flows, packets, pps=0):
        return json.loads(run(*inside(1, self.folder / "flood", self.folder / "flood.o", "tb", kind, flows, packets, pps)))

    def receiver(self, *command):
        """Starts something that says `ready`, on core 0; the kernel gives a queue free some time after its socket is closed."""
        for _ in range(50):
            child = subprocess.Popen(inside(0, *command), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            said = []
            for line in child.stderr:
                if "ready" in line:
                    return child
                said.append(line)
            child.wait()
            time.sleep(0.1)
        raise SystemExit(f"{command[0]} did not start: {''.join(said)}")

    def minimal(self, program, seconds=3600):
        program_file = self.program if program == "wirewarden" else self.folder / "receive.o"
        return self.receiver(self.folder / "receive", program_file, program, "ta", seconds)

    def base(self, kind, flows, packets):
        """CPU seconds of the generator for each packet, where each is dropped by a program of one instruction."""
        child = self.minimal("drop")
        sent = self.flood(kind, flows, packets)
        finish(child)
        return sent["cpu_seconds"] / sent["packets"]


def finish(child):
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    return out


class DataPlane:
    def __init__(self, bench, boot="", live="", arguments=()):
        self.eve = bench.folder / "eve.json"
        self.eve.unlink(missing_ok=True)
        config = bench.folder / "dataplane.toml"
        config.write_text(CONFIGURATION.format(boot=boot, live=live, eve=self.eve))
        self.said = bench.folder / "said"
        command = inside("0,1", bench.release / "wirewarden-dataplane", "-c", config, *arguments)
        self.started = time.monotonic()
        self.child = subprocess.Popen(command, stderr=self.said.open("w"))
        self.wait_for("port tap: AF_XDP")
        self.opened_after = time.monotonic() - self.started
        time.sleep(0.3)

    def wait_for(self, text, seconds=60):
        until = time.monotonic() + seconds
        while text not in self.said.read_text():
            if time.monotonic() > until or self.child.poll() is not None:
                raise SystemExit(f"no {text!r} in {self.said.read_text()}")
            time.sleep(0.002)

    def worker_seconds(self):
        """CPU time of the worker's thread."""
        for task in Path(f"/proc/{self.child.pid}/task").iterdir():
            if (task / "comm").read_text().strip() == "worker-0":
                return int((task / "schedstat").read_text().split()[0]) / 1e9
        raise SystemExit("no worker")

    def resident_kib(self):
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.child.pid}/status").read_text())[1])

    def stop(self):
        self.child.send_signal(signal.SIGINT)
        self.child.wait(timeout=60)
        return self.said.read_text()


def number(summary, word):
    found = re.search(re.escape(word) + r"\s*(\d+)", summary)
    return int(found[1]) if found else 0


def receive(bench, runs):
    """Packets a second on one core: the backend, and the least loop behind the same program and behind the least one."""
    packets, rates = 4_000_000, {"backend": [], "least_loop_same_program": [], "least_loop_least_program": []}
    starts = {
        "backend": lambda: bench.receiver(bench.release / "examples" / "af_xdp_receive", "ta", 60, 0),
        "least_loop_same_program": lambda: bench.minimal("wirewarden", 60),
        "least_loop_least_program": lambda: bench.minimal("redirect", 60),
    }
    lost = {}
    for _ in range(runs):
        for name, start in starts.items():
            child = start()
            bench.flood("udp", 1000, packets)
            # The backend's example ends by itself, after a second without packets.
            time.sleep(0.2)
            got = json.loads(child.communicate(timeout=60)[0] if name == "backend" else finish(child))
            rates[name].append(got["packets"] / got["seconds"])
            lost[name] = 1 - got["packets"] / packets
    median = {name: statistics.median(all_of) for name, all_of in rates.items()}
    ratio = median["backend"] / median["least_loop_same_program"]
    return {
        "packets_per_second": {name: round(rate) for name, rate in median.items()},
        "all": {name: [round(rate) for rate in all_of] for name, all_of in rates.items()},
        "lost_in_last_run": {name: round(share, 4) for name, share in lost.items()},
        "ratio": round(ratio, 3),
        "ratio_to_least_program": round(median["backend"] / median["least_loop_least_program"], 3),
        "target": ">= 0.9 of the least loop",
        "met": ratio >= 0.9,
    }


def deny(bench, runs):
    """CPU time of a packet that is dropped by a list in the kernel, and by a worker that reads it."""
    results = []
    for _ in range(runs):
        packets = 2_000_000
        base = bench.base("udp", 1000, packets)
        plane = DataPlane(bench, live='[[live.lists.list]]\nprefixes = ["198.18.0.0/15"]')
        sent = bench.flood("udp", 1000, packets)
        summary = plane.stop()
        assert number(summary, "xdp.tap.drop.denied_source.packets") == packets, summary
        kernel = max(sent["cpu_seconds"] / packets - base, 1e-9)
        plane = DataPlane(bench, live='[live.shunt]\nports = "off"')
        before = plane.worker_seconds()
        sent = bench.flood("udp", 1000, packets)
        worker = plane.worker_seconds() - before
        received = number(plane.stop(), "received ")
        # What the ring had no room for has cost the kernel less, and the worker nothing.
        user = max(sent["cpu_seconds"] / packets - base, 0) + worker / max(received, 1)
        results.append({"kernel_ns": kernel * 1e9, "worker_ns": user * 1e9, "generator_ns": base * 1e9, "received": received, "ratio": user / kernel})
    ratio = statistics.median(result["ratio"] for result in results)
    return {
        "runs": [{key: round(value, 1) for key, value in result.items()} for result in results],
        "packets_per_cpu_second": {
            "in_kernel": round(1e9 / statistics.median(result["kernel_ns"] for result in results)),
            "in_worker": round(1e9 / statistics.median(result["worker_ns"] for result in results)),
        },
        "ratio": round(ratio, 2),
        "target": ">= 5",
        "met": ratio >= 5,
    }


def handshakes(bench):
    """The handshakes of bulk-tls with the first frames behind them, the ends of its sessions, and what `inspect` counts of
    both for each session."""
    whole, start, end, both = (bench.folder / f"{name}.pcap" for name in ("whole", "start", "end", "both"))
    run(bench.release / "make-sample", "bulk-tls", whole, SESSIONS)
    data = whole.read_bytes()
    header, at, packets = data[:24], 24, []
    while at < len(data):
        length = int.from_bytes(data[at + 8 : at + 12], "little")
        packets.append(data[at : at + 16 + length])
        at += 16 + length
    # 500 frames of each session, of which the first eight stay, and three that end it.
    last = 3 * SESSIONS
    first = len(packets) - last - SESSIONS * 492
    start.write_bytes(header + b"".join(packets[:first]))
    end.write_bytes(header + b"".join(packets[-last:]))
    both.write_bytes(header + b"".join(packets[:first] + packets[-last:]))
    eve = bench.folder / "both.json"
    run(bench.release / "wirewarden", "inspect", both, "--eve", eve)
    return start, end, counts(eve)


def counts(eve):
    """Packets and bytes each way of every TLS session, by its client."""
    flows = [json.loads(line) for line in eve.read_text().splitlines() if '"event_type":"flow"' in line]
    keys = ("pkts_toserver", "bytes_toserver", "pkts_toclient", "bytes_toclient")
    return {(flow["src_ip"], flow["src_port"]): tuple(flow["flow"][key] for key in keys) for flow in flows if flow.get("app_proto") == "tls"}


def replay(capture, pps):
    run(*inside(1, "tcpreplay", "-q", "-i", "tb", f"--pps={pps}", capture))


def bulk(bench, live, packets, sessions):
    """One run of bulk TLS: CPU time of a packet, and whether each session's record has all its packets and bytes."""
    start, end, _ = sessions
    plane = DataPlane(bench, live=live)
    replay(start, 20_000)
    # Enough of each session that it is shunted before the clock starts, where it is to be.
    warm = SESSIONS * 100
    bench.flood("tls", SESSIONS, warm, 100_000)
    time.sleep(0.5)
    counted = lambda: number(run(*inside(1, bench.release / "wirewarden", "xdp", "counters", "ta")), "redirect  flow")
    before_received, before = counted(), plane.worker_seconds()
    sent = bench.flood("tls", SESSIONS, packets)
    worker, handed_over = plane.worker_seconds() - before, counted() - before_received
    time.sleep(0.3)
    replay(end, 20_000)
    time.sleep(0.3)
    summary = plane.stop()
    each = (packets + warm) // SESSIONS
    return {
        "softirq": sent["cpu_seconds"] / packets,
        "worker": worker,
        "handed_over": handed_over,
        "shunted": number(summary, "xdp.tap.shunt.drop.packets"),
        "flows": counts(plane.eve),
        "each": each,
        "summary": summary,
    }


def exact(result, sessions):
    """Whether each record has what was sent, to the byte: what `inspect` counts of the beginning and the end, and the frames
    that were made in between."""
    each = result["each"]
    wanted = {key: (to, bytes_to, back + each, bytes_back + each * 1514) for key, (to, bytes_to, back, bytes_back) in sessions[2].items()}
    return len(wanted) == SESSIONS and result["flows"] == wanted


def shunt(bench, runs):
    """CPU time of a packet of bulk TLS with and without shunting."""
    sessions, results = handshakes(bench), []
    for _ in range(runs):
        packets = SESSIONS * 10_000
        base = bench.base("tls", SESSIONS, packets)
        without = bulk(bench, '[live.shunt]\nports = "off"', packets, sessions)
        received = max(without["handed_over"], 1)
        taken = number(without["summary"], "received ")
        cost_without = max(without["softirq"] - base, 0) + without["worker"] / max(min(taken, received), 1)
        with_it = bulk(bench, "[live.shunt]\nafter_packets = 32", packets, sessions)
        # The worker polls all the time; what of it the packets cost is what the few that came cost it before.
        cost_with = max(with_it["softirq"] - base, 0) + with_it["handed_over"] / packets * cost_without
        results.append(
            {
                "without_ns": round(cost_without * 1e9, 1),
                "with_ns": round(cost_with * 1e9, 1),
                "generator_ns": round(base * 1e9, 1),
                "share": round(cost_with / cost_without, 4),
                "handed_over_with": with_it["handed_over"],
                "shunted": with_it["shunted"],
                "records_exact": exact(with_it, sessions),
            }
        )
    share = statistics.median(result["share"] for result in results)
    is_exact = all(result["records_exact"] for result in results)
    return {"runs": results, "share": share, "records_exact": is_exact, "target": "<= 0.2, exact", "met": share <= 0.2 and is_exact}


MEMIF = """
version = 1
[boot]
backend = "dpdk"
cores = [0]
flow_memory = "16MiB"
[boot.memory]
hugepages = false
mib = 256
[[boot.ports]]
name = "tap"
device = "net_memif0,role={role},socket={socket},socket-abstract=no"
rx_descriptors = 512
tx_descriptors = 512
{more}
"""


def start_dpdk(bench, folder, configuration):
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text(configuration)
    said = folder / "said"
    child = subprocess.Popen(inside("0,1", bench.release / "wirewarden-dataplane", "-c", folder / "config.toml"), stderr=said.open("w"))
    return child, said


def wait_for(said, text, seconds=30):
    until = time.monotonic() + seconds
    while text not in said.read_text():
        if time.monotonic() > until:
            raise SystemExit(f"no {text!r} in {said.read_text()}")
        time.sleep(0.002)


def failover(bench, _):
    """From the kill of what DPDK's port depends on, or of the data plane itself, to the first packet by AF_XDP."""
    capture = bench.folder / "load.pcap"
    run(bench.release / "make-sample", "random-udp", capture, 50)
    sender = subprocess.Popen(inside(1, "tcpreplay", "-q", "-i", "tb", "--pps=1000", "--loop=100000", capture), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    memif, killed_process = [], []
    for turn in range(10):
        socket = bench.folder / f"memif{turn}"
        peer, peer_said = start_dpdk(bench, bench.folder / "peer", MEMIF.format(role="server", socket=socket, more=""))
        wait_for(peer_said, "by DPDK")
        plane, said = start_dpdk(bench, bench.folder / "plane", MEMIF.format(role="client", socket=socket, more='failover = "ta"'))
        wait_for(said, "the link is up")
        time.sleep(0.1)
        killed = time.monotonic()
        peer.kill()
        wait_for(said, "the first packet by AF_XDP came")
        memif.append(time.monotonic() - killed)
        peer.wait()
        plane.send_signal(signal.SIGINT)
        plane.wait(timeout=30)
    for _ in range(10):
        device = 'device = "net_af_packet0,iface=ta,blocksz=16384,framesz=2048,framecnt=512"'
        configuration = re.sub(r'device = "net_memif0.*"', device, MEMIF).format(more="")
        plane, said = start_dpdk(bench, bench.folder / "plane", configuration)
        wait_for(said, "by DPDK")
        time.sleep(0.1)
        killed = time.monotonic()
        plane.kill()
        plane.wait()
        config = bench.folder / "plane" / "config.toml"
        config.write_text(configuration + f'[live.output]\nstats_interval = "100ms"\n')
        after = subprocess.Popen(inside("0,1", bench.release / "wirewarden-dataplane", "-c", config, "--on-kernel"), stderr=said.open("w"))
        wait_for(said, "port tap: AF_XDP")
        while number(run(*inside(1, bench.release / "wirewarden", "xdp", "counters", "ta")), "redirect  flow") == 0:
            time.sleep(0.002)
        killed_process.append(time.monotonic() - killed)
        after.send_signal(signal.SIGINT)
        after.wait(timeout=30)
    sender.kill()
    sender.wait()
    slowest = max(memif + killed_process)
    rounded = lambda times: [round(one, 3) for one in times]
    return {"memif_seconds": rounded(memif), "killed_process_seconds": rounded(killed_process), "slowest": round(slowest, 3), "target": "<= 2 s, 10 of 10", "met": slowest <= 2}


def lists(bench, _):
    """A start with 999,999 prefixes, against one without; another one fills the list."""
    file = bench.folder / "deny.txt"
    with file.open("w") as out:
        for index in range(999_999):
            out.write(f"{20 + index // 65536}.{index // 256 % 256}.{index % 256}.0/24\n")
    plain = DataPlane(bench)
    plain_after, plain_rss = plain.opened_after, plain.resident_kib()
    plain.stop()
    full = DataPlane(bench, live=f'[[live.lists.list]]\nfile = "{file}"')
    rss = full.resident_kib()
    with file.open("a") as out:
        out.write("198.18.0.0/15\n")
    changed = time.monotonic()
    packets = 100_000
    while True:
        bench.flood("udp", 1000, packets, 100_000)
        text = run(*inside(1, bench.release / "wirewarden", "xdp", "counters", "ta"))
        if number(text, "denied_source"):
            break
        if time.monotonic() - changed > 60:
            full.stop()
            raise SystemExit("the change of the file was not seen")
    in_force = time.monotonic() - changed
    full.stop()
    return {
        "prefixes": 999_999,
        "start_seconds": round(full.opened_after, 3),
        "start_seconds_without": round(plain_after, 3),
        "load_seconds": round(full.opened_after - plain_after, 3),
        "resident_mib": round(rss / 1024),
        "resident_mib_without": round(plain_rss / 1024),
        "change_in_force_after_seconds": round(in_force, 2),
    }


CASES = {"receive": receive, "deny": deny, "shunt": shunt, "failover": failover, "lists": lists}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target-dir", type=Path, default=Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")))
    parser.add_argument("--only", default=",".join(CASES))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--no-build", action="store_true")
    arguments = parser.parse_args()
    if not arguments.no_build:
        cargo = ["cargo", "build", "--release", "--target-dir", arguments.target_dir]
        run(*cargo, "-p", "runner", "-p", "cli", "-p", "sample", cwd=ROOT)
        run(*cargo, "-p", "packet-io", "--features", "xdp", "--example", "af_xdp_receive", cwd=ROOT)
    results = {"load_average": os.getloadavg()[0], "kernel": os.uname().release}
    with tempfile.TemporaryDirectory() as folder, Namespace():
        bench = Bench(arguments.target_dir, Path(folder))
        for name in arguments.only.split(","):
            results[name] = CASES[name](bench, arguments.runs)
            print(json.dumps({name: results[name]}), file=sys.stderr)
    print(json.dumps(results, indent=2))
    missed = [name for name, result in results.items() if isinstance(result, dict) and not result.get("met", True)]
    return f"missed: {', '.join(missed)}" if missed else 0


if __name__ == "__main__":
    sys.exit(main())
