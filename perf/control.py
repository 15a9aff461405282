#!/usr/bin/env python3
"""Whether every packet is accounted for while a data plane runs at full rate, and what asking it costs: prints JSON, and fails
where a target is missed.

    perf/control.py [--target-dir DIR] [--only conserve,api] [--seconds 600] [--requests 1000] [--no-build]

A daemon and its data plane, which plays a capture with malformed frames over and over, faster than it can read them:

conserve   every second: received = processed + held + the sum of drops by cause, for each worker; `/metrics` lies between what
           the socket says before and after it, and so do `wirewarden stats` (every tenth second, where it was built) and
           what a Prometheus has scraped (Debian's package, `prometheus` in PATH or PROMETHEUS; what is not there is skipped
           and said so)
api        so many requests a second over 16 connections take 25 ms at most in 99 of 100, and packets per second fall by
           3 % at most: turns with and without requests

Needs two cores; a release build is made first.
"""

import argparse
import http.client
import json
import os
import random
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import plane

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 16
RECEIVED = "wirewarden_worker_received_packets_total"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def spoil(source, into):
    """Copies a capture and cuts or changes every tenth frame, so that there is something to drop."""
    data, chance = source.read_bytes(), random.Random(1)
    out, at, number = bytearray(data[:24]), 24, 0
    while at + 16 <= len(data):
        seconds, nanos, taken, _ = struct.unpack_from("<IIII", data, at)
        frame = bytearray(data[at + 16 : at + 16 + taken])
        at, number = at + 16 + taken, number + 1
        if number % 10 == 0:
            kind = chance.randrange(3)
            if kind == 0:
                frame = frame[: chance.randrange(15, 34)]
            elif kind == 1:
                frame[16:18] = b"\xff\xff"
            else:
                frame[14] = 0x41
        out += struct.pack("<IIII", seconds, nanos, len(frame), len(frame)) + frame
    into.write_bytes(out)


class Appliance:
    def __init__(self, release, folder):
        self.folder, self.http = folder, free_port()
        self.cli = release / "wirewarden"
        if not self.cli.is_file():
            print(f"SKIPPED: no {self.cli}", file=sys.stderr)
            self.cli = None
        subprocess.run([release / "make-sample", "random-udp", folder / "good.pcap", "100"], check=True)
        spoil(folder / "good.pcap", folder / "load.pcap")
        (folder / "first.toml").write_text(plane.CONFIGURATION.format(capture=folder / "load.pcap"))
        command = [release / "wirewardend", "-c", folder / "first.toml", "--state", folder / "state", "--run", folder / "run"]
        command += ["--listen", f"127.0.0.1:{self.http}", "--dataplane-log", folder / "plane.log", "--rate-limit", "100000"]
        self.daemon = subprocess.Popen(command, stderr=open(folder / "daemon.log", "ab"))
        try:
            self.wait()
        except BaseException:
            self.daemon.terminate()
            raise

    def wait(self):
        folder, until = self.folder, time.monotonic() + 60
        while True:
            try:
                self.client = plane.Client(folder / "run" / "control.sock")
                if self.ask("status").get("dataplane"):
                    return
            except OSError:
                pass
            if time.monotonic() > until:
                raise SystemExit((folder / "daemon.log").read_text() + (folder / "plane.log").read_text())
            time.sleep(0.05)

    def ask(self, do):
        told = self.client.ask(do)
        if "reply" not in told:
            logs = "".join((self.folder / name).read_text()[-4000:] for name in ("daemon.log", "plane.log"))
            raise SystemExit(f"{do} was refused: {told}\n{logs}")
        return told["reply"]

    def received(self):
        return sum(worker["received"] for worker in self.counters()["workers"])

    def counters(self):
        # The daemon gives everybody counters of the last tenth of a second.
        time.sleep(0.11)
        return self.ask("counters")

    def metrics(self):
        time.sleep(0.11)
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.http}/metrics").read().decode()
        return total(text, RECEIVED)

    def by_cli(self):
        time.sleep(0.11)
        command = [self.cli, "stats", "-o", "json", "--socket", self.folder / "run" / "control.sock"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        return sum(worker["received"] for worker in told["workers"])

    def stop(self):
        try:
            self.ask("stop")
            time.sleep(1)
        except SystemExit as refused:
            print(refused, file=sys.stderr)
        finally:
            self.daemon.terminate()
            self.daemon.wait(timeout=30)


def total(text, name):
    return sum(int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name + "{"))


class Prometheus:
    def __init__(self, appliance):
        self.child, program = None, os.environ.get("PROMETHEUS") or shutil.which("prometheus")
        if not program:
            print("SKIPPED: no prometheus", file=sys.stderr)
            return
        self.port = free_port()
        settings = appliance.folder / "prometheus.yml"
        settings.write_text(
            "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: box\n    static_configs:\n"
            f"      - targets: ['127.0.0.1:{appliance.http}']\n"
        )
        command = [program, f"--config.file={settings}", f"--storage.tsdb.path={appliance.folder / 'tsdb'}"]
        command.append(f"--web.listen-address=127.0.0.1:{self.port}")
        self.child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=open(appliance.folder / "prometheus.log", "ab"))

    def received(self):
        """The time of the last scrape and what it found; none before the first."""
        query = f"http://127.0.0.1:{self.port}/api/v1/query?query={RECEIVED}[5s]"
        try:
            found = json.load(urllib.request.urlopen(query))["data"]["result"]
        except OSError:
            return None
        points = [series["values"][-1] for series in found]
        return (points[0][0], sum(int(value) for _, value in points)) if points else None

    def stop(self):
        if self.child:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait(timeout=30)


def conserve(appliance, seconds):
    prometheus = Prometheus(appliance)
    try:
        return watch(appliance, prometheus, seconds)
    finally:
        prometheus.stop()


def watch(appliance, prometheus, seconds):
    result = {"seconds": 0, "not_conserved": [], "metrics_disagree": [], "prometheus_disagree": [], "scrapes_compared": 0}
    result.update({"cli_disagrees": [], "cli_compared": 0, "inexact": 0})
    seen = []
    until, scraped = time.monotonic() + seconds, None
    while time.monotonic() < until:
        began = time.monotonic()
        counters = appliance.counters()
        if not all(worker["exact"] for worker in counters["workers"]):
            # A worker that others starve did not answer in time: these are of no one moment, and say so.
            result["inexact"] += 1
            continue
        for worker in counters["workers"]:
            engine = worker["engine"]
            dropped = sum(count for name, count in engine.items() if name.startswith("drop."))
            accounted = engine["packets.processed"] + engine["defrag.held"] + dropped
            if worker["received"] != accounted:
                result["not_conserved"].append([worker["received"], accounted])
        before = sum(worker["received"] for worker in counters["workers"])
        seen.append((time.time(), before))
        metrics, after = appliance.metrics(), appliance.received()
        seen.append((time.time(), after))
        if not before <= metrics <= after:
            result["metrics_disagree"].append([before, metrics, after])
        if appliance.cli and result["seconds"] % 10 == 0:
            told, later = appliance.by_cli(), appliance.received()
            result["cli_compared"] += 1
            if not after <= told <= later:
                result["cli_disagrees"].append([after, told, later])
        found = prometheus.received() if prometheus.child else None
        if found and found != scraped:
            scraped = found
            low = [count for at, count in seen if at < found[0] - 0.3]
            high = [count for at, count in seen if at > found[0] + 0.3]
            if low and high:
                result["scrapes_compared"] += 1
                if not low[-1] <= found[1] <= high[0]:
                    result["prometheus_disagree"].append([low[-1], found[1], high[0]])
        seen = seen[-60:]
        result["seconds"] += 1
        time.sleep(max(0.0, 1 - (time.monotonic() - began)))
    last = appliance.counters()
    engine = last["workers"][0]["engine"]
    result["received"] = sum(worker["received"] for worker in last["workers"])
    result["drops"] = {name: count for name, count in engine.items() if name.startswith("drop.") and count}
    return result


def load(port, rate, seconds):
    """Latencies of requests that are sent when they are due, not when the one before was answered."""
    took, failed, start = [], [0], time.monotonic() + 0.1
    paths = ["/api/v1/status", "/metrics", "/api/v1/drops", "/healthz"]

    def work(number):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        turn, mine = number, []
        while (due := start + turn / rate) < start + seconds:
            time.sleep(max(0.0, due - time.monotonic()))
            connection.request("GET", paths[turn % len(paths)])
            answer = connection.getresponse()
            answer.read()
            failed[0] += answer.status != 200
            mine.append(time.monotonic() - due)
            turn += CONNECTIONS
        took.extend(mine)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CONNECTIONS)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return took, failed[0]


def api(appliance, rate, rounds=5, seconds=4):
    rates, took, failed = {"asked": [], "quiet": []}, [], 0
    for number in range(2 * rounds):
        kind = "asked" if number % 2 == 0 else "quiet"
        before, began = appliance.received(), time.monotonic()
        if kind == "asked":
            more, wrong = load(appliance.http, rate, seconds)
            took, failed = took + more, failed + wrong
        else:
            time.sleep(seconds)
        rates[kind].append((appliance.received() - before) / (time.monotonic() - began))
    took.sort()
    ratios = [one / other for one, other in zip(rates["asked"], rates["quiet"])]
    return {
        "requests": len(took),
        "failed": failed,
        "p50_ms": took[len(took) // 2] * 1000,
        "p99_ms": took[len(took) * 99 // 100] * 1000,
        "packets_per_second": {kind: statistics.median(rate) for kind, rate in rates.items()},
        "throughput_ratio": statistics.median(ratios),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target-dir", type=Path, default=os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--profile", default="release", help="folder of the programs in the target directory")
    parser.add_argument("--only", default="conserve,api")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    if not options.no_build:
        packages = ["-p", "runner", "-p", "daemon", "-p", "sample"]
        subprocess.run(["cargo", "build", "--release", "--locked", *packages], check=True, cwd=ROOT)
    folder = Path(tempfile.mkdtemp(prefix="wirewarden-control-"))
    result, missed = {}, []
    appliance = Appliance(Path(options.target_dir) / options.profile, folder)
    try:
        time.sleep(1)
        if "conserve" in options.only:
            result["conserve"] = found = conserve(appliance, options.seconds)
            missed += [what for what in ("not_conserved", "metrics_disagree", "cli_disagrees", "prometheus_disagree") if found[what]]
            missed += ["inexact"] if found["inexact"] > found["seconds"] / 10 else []
            missed += [] if found["drops"] and found["received"] else ["nothing was received, or nothing dropped"]
        if "api" in options.only:
            result["api"] = found = api(appliance, options.requests)
            missed += ["p99_ms"] if found["p99_ms"] > 25 else []
            missed += ["throughput_ratio"] if found["throughput_ratio"] < 0.97 else []
            missed += ["failed"] if found["failed"] else []
    finally:
        appliance.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print(json.dumps({**result, "missed": missed}, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
