#!/usr/bin/env python3
"""Moving packets and nothing else: `io_forward` beside `dpdk-testpmd --forward-mode=io`, on the same core, in turn.

    perf/forward.py [--runs 5] [--seconds 5] [--burst 32] [--no-build] [--check]

Both forward between two `net_null` ports from core 1, with hugepages where there are any. Packets count by the time that
the forwarding thread had its core, so that a neighbour does not spoil a run; the medians are compared. See perf/README.md.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from peers import environment

CHECKOUT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))
PROGRAM = TARGET / "release" / "examples" / "io_forward"
# How much of testpmd's rate is wanted.
WANTED = 0.9
CORE = 1


def build():
    command = ["cargo", "build", "--locked", "--release", "-p", "packet-io", "--example", "io_forward", "--features", "dpdk"]
    subprocess.run(command, cwd=CHECKOUT, check=True)


def hugepages():
    """Whether a 2 MiB page is free."""
    try:
        return int(Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text()) > 0
    except OSError:
        return False


def own(seconds, burst):
    """Million packets per CPU second of io_forward."""
    output = subprocess.run([PROGRAM, str(seconds), str(CORE), "forward", str(burst)], stdout=subprocess.PIPE, env=environment(), check=True).stdout
    return json.loads(output.splitlines()[-1])["mpps_of_cpu"]


def forwarding_time(process):
    """CPU seconds of the one thread that forwards; 0 before it is there."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        try:
            if "worker" in (thread / "comm").read_text():
                return int((thread / "schedstat").read_text().split()[0]) / 1e9
        except OSError:
            continue
    return 0.0


def peer(seconds, burst):
    """Million packets per CPU second of testpmd, from the counters of its end."""
    memory, pool = (["--in-memory"], [])
    if not hugepages():
        memory, pool = (["--no-huge", "--no-shconf", "-m", "256"], ["--total-num-mbufs=8192"])
    command = [
        "dpdk-testpmd", "-l", f"0,{CORE}", "--no-pci", *memory, "--vdev", "net_null0", "--vdev", "net_null1",
        "--", "--forward-mode=io", "--auto-start", f"--burst={burst}", "--no-lsc-interrupt", *pool,
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    patience = time.monotonic() + seconds + 30
    spent = 0.0
    while spent < seconds and time.monotonic() < patience and process.poll() is None:
        time.sleep(0.05)
        spent = forwarding_time(process.pid)
    try:
        process.stdin.write("\n")
        process.stdin.flush()
    except BrokenPipeError:
        pass  # It has ended by itself, and its last line says why.
    while process.poll() is None and time.monotonic() < patience + 30:
        spent = forwarding_time(process.pid) or spent
        time.sleep(0.005)
    text = process.stdout.read()
    process.kill()
    process.wait()
    counted = re.search(r"Accumulated forward statistics.*?RX-packets:\s*(\d+)", text, re.DOTALL)
    if counted is None or spent == 0:
        raise RuntimeError(f"dpdk-testpmd did not forward: {text.strip().splitlines()[-1:]}")
    return int(counted[1]) / spent / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each program, in turn (5)")
    parser.add_argument("--seconds", type=int, default=5, help="of each run (5)")
    parser.add_argument("--burst", type=int, default=32, help="packets that each takes at once (32, testpmd's own choice)")
    parser.add_argument("--no-build", action="store_true", help="take io_forward as it was built")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 below {WANTED}")
    args = parser.parse_args()
    if shutil.which("dpdk-testpmd") is None:
        sys.exit("dpdk-testpmd is not installed: sudo apt-get install dpdk-dev")
    if (os.cpu_count() or 1) < 2:
        sys.exit("it takes two cores: one to forward, one for everything else")
    if not args.no_build:
        build()
    ours, theirs = [], []
    for run in range(args.runs):
        theirs.append(peer(args.seconds, args.burst))
        ours.append(own(args.seconds, args.burst))
        print(f"run {run + 1}: io_forward {ours[-1]:.1f}, testpmd {theirs[-1]:.1f} Mpps", flush=True)
    ratio = statistics.median(ours) / statistics.median(theirs)
    memory = "hugepages" if hugepages() else "ordinary memory"
    print(f"medians of {args.runs} on {memory}: {statistics.median(ours):.1f} over {statistics.median(theirs):.1f} Mpps")
    met = ratio >= WANTED
    print(f"{'met   ' if met else 'MISSED'} io_forward over testpmd: {ratio:.3f}, wanted {WANTED}")
    return 1 if args.check and not met else 0


if __name__ == "__main__":
    sys.exit(main())
