#!/usr/bin/env python3
"""What a live reload of signatures costs while packets flow: prints JSON, and fails where a target is missed.

    perf/reload.py [--target-dir DIR] [--signatures 2000] [--rounds 10] [--swaps 10] [--changed 5]

A daemon and its data plane, which plays a capture over and over as fast as it can, use a folder of invented signatures.
Rounds with swaps, each of which changes some signatures, take turns with rounds without, and with rounds in which this script
counts for as long as each apply took: what the worker loses there is what it loses to any work on the other core, as where two
cores share a clock or caches. Measured are how long an apply takes from the request to the answer (the new set is in use by
then), packets per second of each kind of rounds, whether every packet is accounted for, and how long a start takes with and
without what was compiled before. Needs two cores; a release build is made first.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import plane

ROOT = Path(__file__).resolve().parent.parent
CONFIGURATION = plane.CONFIGURATION + """[live.classify]
signatures_dir = "{signatures}"
"""


def connected(path, child, patience=60.0):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            return plane.Client(path)
        except OSError:
            if child.poll() is not None:
                raise SystemExit(f"it ended with {child.returncode}")
            time.sleep(0.001)
    raise SystemExit(f"nobody listens at {path}")


def reply(answer):
    if "reply" not in answer:
        raise SystemExit(f"refused: {answer}")
    return answer["reply"]


def counters(client):
    taken = reply(client.ask("counters"))
    for _ in range(20):
        # A worker that others starve may not answer in time; then its counters are of no one moment, and say so.
        if all(worker["exact"] for worker in taken["workers"]):
            break
        time.sleep(0.15)
        taken = reply(client.ask("counters"))
    for worker in taken["workers"]:
        engine = worker["engine"]
        dropped = sum(count for name, count in engine.items() if name.startswith("drop."))
        if worker["received"] != engine["packets.processed"] + engine["defrag.held"] + dropped:
            raise SystemExit(f"does not add up: {worker}")
    lost = sum(port["rx_missed"] + port["rx_no_buffer"] for port in taken["ports"])
    return sum(worker["received"] for worker in taken["workers"]), taken["uptime_ms"], lost


class Signatures:
    """A folder of invented signatures, of which some change at every turn."""

    def __init__(self, folder, make, count):
        self.folder, self.turn = folder, 0
        subprocess.run([make, "signatures", folder, str(count)], check=True)
        self.files = sorted(folder.glob("network/*.toml"))

    def change(self, count):
        self.turn += 1
        for number in range(count):
            # Those with a word to be searched for are what takes longest.
            path = self.files[(self.turn * count + number) * 37 % len(self.files)]
            text = path.read_text()
            if "pattern = '<" in text:
                text = text.replace("pattern = '<", f"pattern = '<{'abcdefghij'[self.turn % 10]}")
            path.write_text(text + f"# turn {self.turn}\n")


def started(release, folder, cache):
    """Milliseconds from the start of a data plane until it answers."""
    command = [release / "wirewarden-dataplane", "-c", folder / "first.toml", "--control", folder / "alone.sock"]
    if cache:
        command += ["--cache", cache]
    began = time.monotonic()
    with open(folder / "alone.log", "ab") as log:
        child = subprocess.Popen(command, stderr=log)
    client = connected(folder / "alone.sock", child)
    took = (time.monotonic() - began) * 1000
    client.ask("stop")
    child.wait(timeout=30)
    return took


def starts(release, folder):
    cache = folder / "cache"
    without = [started(release, folder, None) for _ in range(3)]
    started(release, folder, cache)
    return {"without_cache_ms": min(without), "with_cache_ms": min(started(release, folder, cache) for _ in range(3))}


def swaps(client, signatures, text, options):
    took, inside, rates = [], [], {"swaps": [], "quiet": [], "counting": []}
    lost_before = counters(client)[2]
    length = None
    for kind in options.rounds * list(rates):
        packets, at, _ = counters(client)
        began = time.monotonic()
        for number in range(options.swaps if kind != "quiet" else 0):
            asked = time.monotonic()
            if kind == "swaps":
                signatures.change(options.changed)
                asked = time.monotonic()
                applied = reply(client.ask("config_apply", text=text(signatures.turn)))
                took.append((time.monotonic() - asked) * 1000)
                inside.append(applied["took_ms"])
            else:
                while (time.monotonic() - asked) * 1000 < took[number - options.swaps]:
                    pass
            time.sleep(0.1)
        length = length or time.monotonic() - began
        time.sleep(max(0.0, length - (time.monotonic() - began)))
        more, later, lost = counters(client)
        rates[kind].append((more - packets) / (later - at) * 1000)

    def ratio(kind, other):
        return statistics.median(one / another for one, another in zip(rates[kind], rates[other]))

    return {
        "swaps": len(took),
        "apply_ms": {"median": statistics.median(took), "worst": max(took)},
        "by_the_daemon_s_clock_ms": {"median": statistics.median(inside), "worst": max(inside)},
        "packets_per_second": {kind: statistics.median(rate) for kind, rate in rates.items()},
        "throughput_ratio": ratio("swaps", "quiet"),
        "throughput_ratio_of_counting": ratio("counting", "quiet"),
        "lost": lost - lost_before,
    }


def steps(log):
    """Median of the time of each step of a reload, as the data plane's log tells them."""
    took = {}
    for line in log.read_text().splitlines():
        told = re.search(r"settings in use, generation \d+, in \d+ ms \(([^)]*)\)", line)
        for step in told.group(1).split(", ") if told else ():
            name, _, ms = step.rpartition(" ")
            took.setdefault(name, []).append(float(ms))
    return {name: {"median": statistics.median(all), "worst": max(all)} for name, all in took.items()}


def refused(client, signatures, text):
    """A bad set is refused with all that is wrong with it, and the old one runs on."""
    version = reply(client.ask("status"))["dataplane"]["signatures_version"]
    bad = [signatures.folder / "network" / f"zz_bad_{number}.toml" for number in (1, 2)]
    bad[0].write_text("id = \"zz_bad_1\"\ncolour = \"red\"\n")
    bad[1].write_text("what is this\n")
    answer = client.ask("config_apply", text=text(-1))
    for path in bad:
        path.unlink()
    told = json.dumps(answer)
    same = reply(client.ask("status"))["dataplane"]["signatures_version"] == version
    return "reply" not in answer and all(path.name in told for path in bad) and same


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target-dir", type=Path, default=os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    parser.add_argument("--signatures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--swaps", type=int, default=10)
    parser.add_argument("--changed", type=int, default=5)
    parser.add_argument("--no-build", action="store_true")
    options = parser.parse_args()
    if not options.no_build:
        packages = ["-p", "runner", "-p", "daemon", "-p", "sample"]
        subprocess.run(["cargo", "build", "--release", "--locked", *packages], check=True, cwd=ROOT)
    release = Path(options.target_dir) / "release"
    folder = Path(tempfile.mkdtemp(prefix="wirewarden-reload-"))
    daemon = None
    try:
        make = release / "make-sample"
        subprocess.run([make, "random-udp", folder / "load.pcap", "100"], check=True)
        signatures = Signatures(folder / "signatures", make, options.signatures)

        def text(turn):
            base = CONFIGURATION.format(capture=folder / "load.pcap", signatures=signatures.folder)
            return base + f"[live.flow.timeouts]\nudp_new = \"{20 + turn % 7}s\"\n"

        (folder / "first.toml").write_text(text(0))
        result = {"signatures": options.signatures, "start": starts(release, folder)}
        command = [release / "wirewardend", "-c", folder / "first.toml", "--state", folder / "state", "--run", folder / "run", "--no-http"]
        log = open(folder / "daemon.log", "ab")
        daemon = subprocess.Popen([*command, "--dataplane-log", folder / "plane.log"], stderr=log)
        client = connected(folder / "run" / "control.sock", daemon)
        while not reply(client.ask("status")).get("dataplane"):
            time.sleep(0.05)
        time.sleep(1)
        result.update(swaps(client, signatures, text, options))
        result["steps_ms"] = steps(folder / "plane.log")
        result["bad_set_refused"] = refused(client, signatures, text)
        client.ask("stop")
        time.sleep(1)
    except (OSError, SystemExit, ValueError):
        # The daemon has to notice why, too.
        time.sleep(3)
        for name in ("daemon.log", "plane.log"):
            if (folder / name).is_file():
                print((folder / name).read_text()[-4000:], file=sys.stderr)
        raise
    finally:
        if daemon:
            # A data plane outlives its daemon, this one too where something went wrong.
            try:
                plane.Client(folder / "run" / "dataplane.sock", 10.0).ask("stop")
            except (OSError, ValueError):
                pass
            daemon.terminate()
            daemon.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)
    missed = []
    if result["apply_ms"]["worst"] > 150:
        missed.append("an apply takes more than 150 ms")
    if result["throughput_ratio"] < 0.97:
        missed.append("throughput falls by more than 3 % while signatures are swapped")
    if result["lost"]:
        missed.append("packets were lost")
    if not result["bad_set_refused"]:
        missed.append("a bad set was not refused as it should")
    result["missed"] = missed
    print(json.dumps(result, indent=2))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
