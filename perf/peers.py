#!/usr/bin/env python3
"""Wirewarden beside its peers: the same packets, the same machine, the same minute, packets per CPU second.

    perf/peers.py [--runs 3] [--json FILE] [--check]

Capture files of each shape are written by `bench-shapes --captures`. Then the engine takes every shape from memory and
every program that is installed reads its file, one after the other, round after round, so that a busy minute of the
machine spoils all alike; of two runs a round the better counts, and a ratio is the median of the rounds' ratios. CPU
time is user and system time of the process, less what the same program takes for a capture of one packet. See
perf/README.md.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
# Shape of the capture, and the one that bench-shapes measures with the same packets.
SHAPES = ["mixed", "tls-flows", "bulk-tls", "udp-flows", "syn-scan"]
# A pcap file (microseconds, Ethernet) with one packet, an ARP question: some programs refuse a file without any.
EMPTY = bytes.fromhex(
    "d4c3b2a1020004000000000000000000ffff000001000000"
    "00000000000000002a0000002a000000"
    "ffffffffffff02000000000108060001080006040001020000000001c0000201000000000000c0000202"
)
WITH_EVE = "engine + EVE"
# What the engine is measured at, and what bench-shapes calls it.
ENGINE_CASES = {WITH_EVE: "full_with_eve", "engine, records dropped": "full"}
# How many times a peer's packets per CPU second the engine has to reach on the mixed shape.
WANTED_RATIOS = {"ndpiReader": 5, "libndpi": 1.5, "suricata": 10}


def environment():
    """Without backtraces, which cost Rust programs what they do not in production."""
    return {name: value for name, value in os.environ.items() if name != "RUST_BACKTRACE"}


def cpu_seconds(command):
    """User and system time of a command that has to succeed."""
    process = subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    complaint = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        text = complaint.decode(errors="replace").strip().splitlines()
        raise RuntimeError(f"{command[0]} ended with {process.returncode}: {' / '.join(text[-3:])}")
    return usage.ru_utime + usage.ru_stime


class Program:
    """A program that reads a capture file and ends."""

    def __init__(self, name, command):
        self.name = name
        self.command = command
        self.start_up = None

    def prepare(self, folder, runs):
        empty = folder / "empty.pcap"
        empty.write_bytes(EMPTY)
        self.start_up = min(cpu_seconds(self.command(empty)) for _ in range(runs))

    def seconds(self, capture):
        return max(cpu_seconds(self.command(capture)) - self.start_up, 1e-6)


class Library:
    """libndpi, by a small program of ours that times itself."""

    name = "libndpi"

    def __init__(self, binary):
        self.binary = binary

    def prepare(self, folder, runs):
        pass

    def seconds(self, capture):
        output = subprocess.run([self.binary, capture], check=True, capture_output=True, text=True).stdout
        return int(output.split()[1]) / 1e9


def find_bench(given):
    if given:
        return Path(given)
    target = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))
    subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "shapes"], check=True, cwd=CHECKOUT)
    return target / "release" / "bench-shapes"


def find_cli(given, bench):
    candidates = [given, bench.parent / "wirewarden", shutil.which("wirewarden")]
    return next((Path(path) for path in candidates if path and Path(path).is_file()), None)


def compile_library(folder):
    """The program around libndpi; none where its headers or a compiler are absent."""
    try:
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "libndpi"], check=True, capture_output=True, text=True
        ).stdout.split()
        binary = folder / "ndpi_peer"
        compiler = os.environ.get("CC", "cc")
        subprocess.run([compiler, "-O2", "-o", binary, HERE / "ndpi_peer.c", *flags], check=True)
        return Library(binary)
    except (OSError, subprocess.CalledProcessError) as error:
        absent("libndpi", f"libndpi-dev, pkg-config and a C compiler are needed ({error})")
        return None


def absent(name, why):
    print(f"SKIPPED: {name}: {why}", file=sys.stderr)


def peers(folder, cli):
    """Every program that is here, ours first."""
    found = []
    if cli:
        found.append(Program("wirewarden", lambda capture: [cli, "inspect", capture, "--eve", "/dev/null"]))
    else:
        absent("wirewarden", "no binary; build it with `cargo build --release -p cli`, or name it with --cli")
    if reader := shutil.which(os.environ.get("NDPI_READER", "ndpiReader")):
        found.append(Program("ndpiReader", lambda capture: [reader, "-q", "-i", capture]))
    else:
        absent("ndpiReader", "not installed (package libndpi-bin)")
    if library := compile_library(folder):
        found.append(library)
    if suricata := shutil.which(os.environ.get("SURICATA", "suricata")):
        log = folder / "suricata"
        log.mkdir()
        command = [suricata, "-S", "/dev/null", "-l", log, "--runmode", "single", "-r"]
        found.append(Program("suricata", lambda capture: [*command, capture]))
    else:
        absent("suricata", "not installed")
    return found


def write_captures(bench, folder, wanted):
    """Path and packets of each capture, by shape."""
    shapes = [word for shape in wanted for word in ("--shape", shape)]
    lines = subprocess.run(
        [bench, "--captures", folder, *shapes], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.splitlines()
    captures = {}
    for line in lines:
        shape, packets, path = line.split(" ", 2)
        captures[shape] = (Path(path), int(packets))
    return captures


def measure(engine, programs, captures, runs, folder):
    """Packets per CPU second of each run, by program and shape."""
    names = [*ENGINE_CASES, *(program.name for program in programs)]
    rates = {name: {shape: [] for shape in captures} for name in names}
    for program in programs:
        program.prepare(folder, max(runs, 3))
    for _ in range(runs):
        for shape, (path, packets) in captures.items():
            # Twice, the better counts: memory that another program has just given back is slow the first time.
            (figures,) = engine([shape], 2, quiet=True)["shapes"]
            for name, case in ENGINE_CASES.items():
                rates[name][shape].append(figures[case]["best_mpps"] * 1e6)
            for program in programs:
                seconds = min(program.seconds(path) for _ in range(2))
                rates[program.name][shape].append(packets / seconds)
    return rates


def measure_engine(bench, folder, shapes, runs, quiet=False):
    """What bench-shapes says of these shapes, whole."""
    figures = folder / "shapes.json"
    named = [word for shape in shapes for word in ("--shape", shape)]
    command = [bench, "--runs", str(runs), "--json", figures, *named]
    subprocess.run(command, check=True, env=environment(), stdout=subprocess.DEVNULL if quiet else None)
    return json.loads(figures.read_text())


def ratio_to(rates, name, shape):
    """How many times a program's packets the engine with EVE lines does: the median of the rounds' ratios."""
    rounds = zip(rates[WITH_EVE][shape], rates[name][shape], strict=True)
    return statistics.median(ours / theirs for ours, theirs in rounds)


def table(rates, shapes):
    """Packets per CPU second and how many times ours that is."""
    lines = [f"\n{'million packets per CPU second':<31}" + "".join(f"{shape:>18}" for shape in shapes)]
    for name, by_shape in rates.items():
        cells = []
        for shape in shapes:
            ratio = "" if name in ENGINE_CASES else f"({ratio_to(rates, name, shape):.1f}x)"
            cells.append(f"{statistics.median(by_shape[shape]) / 1e6:>10.2f} {ratio:>7}")
        lines.append(f"{name:<31}" + "".join(cells))
    lines.append("in brackets: how many times as much the engine with records and EVE lines does on one core")
    return "\n".join(lines)


def targets(engine, rates):
    """Each target with what was reached: (text, whether it was met)."""
    shapes = {shape["name"]: shape for shape in engine["shapes"]}
    checks = []
    for peer, wanted in WANTED_RATIOS.items():
        if rates.get(peer, {}).get("mixed"):
            ratio = ratio_to(rates, peer, "mixed")
            checks.append((f"mixed, records and EVE, over {peer}: {ratio:.1f}x, wanted {wanted}x", ratio >= wanted))
    if "random-udp" in shapes:
        cycles = shapes["random-udp"]["count"]["cycles"]
        checks.append((f"random-udp, parse + look up + count: {cycles:.0f} cycles, wanted 160", cycles <= 160))
    if "syn-scan" in shapes:
        begun = shapes["syn-scan"]["new_flows_per_second"]["begun_and_ended"] / 1e6
        checks.append((f"syn-scan, flows begun and ended: {begun:.1f} M/s, wanted 5 M/s", begun >= 5))
    if "udp-flows" in shapes:
        cycles = shapes["udp-flows"]["full"]["cycles"]
        checks.append((f"udp-flows, whole engine: {cycles:.0f} cycles, wanted 600", cycles <= 600))
    if "tls-flows" in shapes:
        shape = shapes["tls-flows"]
        cycles = shape["full_with_eve"]["cycles"] * shape["packets"] / shape["flows"]
        checks.append((f"tls-flows, records and EVE: {cycles:.0f} cycles a flow, wanted 25000", cycles <= 25_000))
    if "bulk-tls" in shapes:
        gigabits = shapes["bulk-tls"]["full_with_eve"]["mpps"] * 1514 * 8 / 1e3
        checks.append((f"bulk-tls, records and EVE: {gigabits:.0f} Gbit/s, wanted 40", gigabits >= 40))
    return checks


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--runs", type=int, default=3, help="rounds over all programs and shapes (3)")
    arguments.add_argument("--shape", action="append", choices=SHAPES, help="only this shape (and random UDP); may be repeated")
    arguments.add_argument("--bench", help="bench-shapes; built when not given")
    arguments.add_argument("--cli", help="the program wirewarden")
    arguments.add_argument("--work", help="folder for captures, best in memory (/dev/shm)")
    arguments.add_argument("--json", help="also writes all figures to this file")
    arguments.add_argument("--check", action="store_true", help="fails where a target is missed")
    given = arguments.parse_args()
    bench = find_bench(given.bench)
    room = given.work or ("/dev/shm" if Path("/dev/shm").is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="peers-", dir=room) as name:
        folder = Path(name)
        captures = write_captures(bench, folder, given.shape or SHAPES)
        programs = peers(folder, find_cli(given.cli, bench))
        engine = partial(measure_engine, bench, folder)
        # There is no capture of random UDP: its flows never end.
        steps = engine([*captures, "random-udp"], given.runs)
        rates = measure(engine, programs, captures, given.runs, folder)
    print(table(rates, list(captures)))
    checks = targets(steps, rates)
    print()
    for text, is_met in checks:
        print(f"{'met   ' if is_met else 'MISSED'} {text}")
    if given.json:
        result = {"engine": steps, "packets_per_cpu_second": rates}
        Path(given.json).write_text(json.dumps(result, indent=1) + "\n")
    return 1 if given.check and not all(is_met for _, is_met in checks) else 0


if __name__ == "__main__":
    sys.exit(main())
