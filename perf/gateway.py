#!/usr/bin/env python3
"""Two gateways between hosts in network namespaces, at length: prints JSON, and fails where a target is missed.

    perf/gateway.py [--target-dir DIR] [--profile release|debug] [--only rekeys,ways,iperf,junk,limits,reload]
                    [--rekeys 1000] [--handshakes 10] [--megabytes 1024] [--reorder 0.02]

rekeys   keys change while numbered datagrams go both ways and a stream is compared by hash; a relay on the wire between the
         gateways hands every fiftieth frame on late. Nothing may be lost or come twice.
ways     IPv4 and IPv6 inside and outside in every combination, at path MTUs from 1,280 to 9,000 bytes.
iperf    iperf3 by TCP and UDP, over IPv4 and IPv6.
junk     5,000 connections a second to the key exchange of one side, each with the start of a ClientHello and noise behind it,
         while datagrams go: none may be lost, and the other side, which has an address of its own, has new keys by a
         full handshake in less than a second.
limits   keys that expire and SAs that reach their last packet while there are no daemons: sending stops; and new keys
         in time, without loss, where there are daemons.
reload   other rules and peers again and again while datagrams go.

In all of it nothing but ESP and ARP (neighbour discovery with IPv6 outside) may be on the wire between the gateways. It takes
root, ip, ethtool, tshark, iperf3 and builds: `cargo build -p runner -p daemon -p cli`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "gateway"))
from site_pair import Failed, Site, Sites  # noqa: E402
from traffic import Actor, Capture, Datagrams, Relay, Stream, iperf as run_iperf, ping  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
PHASES = ["rekeys", "ways", "iperf", "junk", "limits", "reload"]
JUNK_PER_SECOND = 5000
# Handshakes while junk comes.
TRIES = 10


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("CARGO_TARGET_DIR", str(ROOT / "target"))
    parser.add_argument("--target-dir", default=default, help="where the programs are (CARGO_TARGET_DIR, else target)")
    parser.add_argument("--profile", choices=["release", "debug"], default="release")
    parser.add_argument("--only", default=",".join(PHASES), metavar="PHASES", help="of " + ", ".join(PHASES))
    parser.add_argument("--rekeys", type=int, default=1000)
    parser.add_argument("--handshakes", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=1024, help="of the stream, at least")
    parser.add_argument("--reorder", type=float, default=0.02, help="part of the frames that come late")
    parser.add_argument("--mtus", default="1280,1500,4000,9000", help="of the paths, for `ways` (1280,1500,4000,9000)")
    parser.add_argument("--keep", action="store_true", help="leave the folder with logs and captures")
    return parser.parse_args()


def rekeys(args, folder):
    with Sites(args, folder) as sites:
        relay = Relay(sites, args.reorder)
        sites.start()
        capture = Capture(sites, folder / "rekeys.pcapng")
        ping(sites, "10.2.0.10")
        before, began = sites.row(0), time.monotonic()
        datagrams = Datagrams(sites, rate=300)
        stream = Stream(sites, rate=4 << 20)
        every = max(1, args.rekeys // max(1, args.handshakes))
        done = 0
        while done < args.rekeys:
            sites.rotate("resumption")
            # One with nothing to resume is a handshake, and does not count.
            done = sites.row(0)["rekeys"] - before["rekeys"]
            if done % every == 0:
                sites.rotate("handshake")
        keys_took = time.monotonic() - began
        # What is left of the stream, while keys stay as they are.
        while stream.sent() < args.megabytes << 20:
            time.sleep(0.5)
        stream, datagrams = stream.end(), datagrams.end()
        relayed = relay.end()
        after, wire = sites.row(0), capture.end()
        counters = [sites.row(at)["counters"] for at in (0, 1)]
    return {
        "rekeys": after["rekeys"] - before["rekeys"],
        "handshakes": after["handshakes"] - before["handshakes"],
        "keys_seconds": round(keys_took, 1),
        "seconds": round(time.monotonic() - began, 1),
        "datagrams": datagrams,
        "stream": stream,
        "relay": relayed,
        "wire": wire,
        "replay_drops": sum(one["replay_drops"] for one in counters),
        "auth_drops": sum(one["auth_drops"] for one in counters),
        "ok": after["rekeys"] - before["rekeys"] >= args.rekeys
        and after["handshakes"] - before["handshakes"] >= args.handshakes
        and all(one["lost"] == 0 and one["twice"] == 0 for one in datagrams)
        and stream["same"] and relayed["lost"] == 0 and wire["others"] == 0
        and not any(one["replay_drops"] or one["auth_drops"] for one in counters),
    }


def ways(args, folder):
    results = []
    for outside in (4, 6):
        for mtu in map(int, args.mtus.split(",")):
            # IPv6 needs 1,280 bytes inside.
            inner = [4] if mtu < 1364 else [4, 6]
            with Sites(args, folder, outside=outside, mtu=mtu, link_mtu=max(mtu, 1500)) as sites:
                sites.start()
                capture = Capture(sites, folder / f"ways{outside}-{mtu}.pcapng")
                for inside in inner:
                    to = "10.2.0.10" if inside == 4 else "fd02::10"
                    pings = ping(sites, to, size=max(mtu, 1500) - 100 if mtu >= 1500 else 1100)
                    stream = Stream(sites, to=to)
                    time.sleep(1.5)
                    stream = stream.end()
                    results.append({
                        "outside": outside, "inside": inside, "mtu": mtu, "ping": pings,
                        "bytes": stream["bytes"], "same": stream["same"],
                    })
                wire = capture.end()
                results[-1]["wire"] = wire
                ok = wire["others"] == 0 and wire["esp"] > 0
                for one in results[-len(inner):]:
                    one["ok"] = ok and one["ping"] and one["same"] and one["bytes"] > 100_000
    return {"cases": results, "ok": all(one["ok"] for one in results)}


def iperf(args, folder):
    results = {}
    with Sites(args, folder) as sites:
        sites.start()
        capture = Capture(sites, folder / "iperf.pcapng")
        for name, to in [("ipv4", "10.2.0.10"), ("ipv6", "fd02::10")]:
            ping(sites, to)
            results[f"tcp_{name}"] = run_iperf(sites, to)
            # Less than the emulated path takes, so that what is lost was lost by a gateway.
            results[f"udp_{name}"] = run_iperf(sites, to, "-u", "-b", "20M", "-l", "1200")
        results["wire"] = capture.end()
    tcp = [results[f"tcp_{name}"] for name in ("ipv4", "ipv6")]
    udp = [results[f"udp_{name}"] for name in ("ipv4", "ipv6")]
    results["ok"] = (
        all(one.get("bytes", 0) > 1_000_000 for one in tcp)
        and all(one.get("packets", 0) > 1000 and one["lost_packets"] == 0 for one in udp)
        and results["wire"]["others"] == 0
    )
    return results


def junk(args, folder):
    with Sites(args, folder) as sites:
        sites.run("gate1", "ip addr add 10.99.0.66/24 dev keys")
        sites.start()
        capture = Capture(sites, folder / "junk.pcapng")
        ping(sites, "10.2.0.10")
        quiet = [timed(lambda: sites.rotate("handshake")) for _ in range(TRIES)]
        datagrams = Datagrams(sites, rate=1000)
        junk = Actor(sites, "gate1", "junk", source="10.99.0.66", to="10.99.0.1", port=4510, rate=JUNK_PER_SECOND)
        time.sleep(2)
        busy = []
        for _ in range(TRIES):
            busy.append(timed(lambda: sites.rotate("handshake")))
            time.sleep(0.5)
        junk, datagrams = junk.end(), datagrams.end()
        wire = capture.end()
    return {
        "junk": junk,
        "handshake_seconds": {"quiet": summary(quiet), "junk": summary(busy)},
        "datagrams": datagrams,
        "wire": wire,
        "ok": max(busy) < 1 and all(one["lost"] == 0 for one in datagrams) and wire["others"] == 0
        and junk["per_second"] > 0.9 * JUNK_PER_SECOND,
    }


def timed(do):
    began = time.monotonic()
    do()
    return time.monotonic() - began


def summary(seconds):
    return {"median": round(statistics.median(seconds), 3), "most": round(max(seconds), 3)}


def limits(args, folder):
    told = {}
    # Few packets an SA: new keys come by themselves, again and again, and nothing is lost.
    with Sites(args, folder, exchange='rekey_packets = 1000\nexpire_after = "15s"\nrekey_every = "5s"\n') as sites:
        sites.start()
        capture = Capture(sites, folder / "limits.pcapng")
        ping(sites, "10.2.0.10")
        before, datagrams = sites.row(0), Datagrams(sites, rate=1000)
        time.sleep(15)
        told["by_packets"] = {"rekeys": sites.row(0)["rekeys"] - before["rekeys"], "datagrams": datagrams.end()}
        # Without daemons: 4,000 packets an SA, then nothing, and nothing in the clear.
        for at in (0, 1):
            sites.kill_daemon(at)
        datagrams = Datagrams(sites, rate=1000, ways=1)
        time.sleep(8)
        told["hard_limit"] = {"datagrams": datagrams.end()}
        told["hard_limit"]["ping"] = ping(sites, "10.2.0.10", count=2)
        for at in (0, 1):
            sites.start_daemon(at)
        sites.until_up()
        told["hard_limit"]["back"] = ping(sites, "10.2.0.10")
        # Without daemons and with few packets: the time is what ends them.
        for at in (0, 1):
            sites.kill_daemon(at)
        told["expiry"] = {"at_first": ping(sites, "10.2.0.10")}
        time.sleep(17)
        told["expiry"]["later"] = ping(sites, "10.2.0.10", count=2)
        for at in (0, 1):
            sites.start_daemon(at)
        sites.until_up()
        told["expiry"]["back"] = ping(sites, "10.2.0.10")
        told["wire"] = capture.end()
    hard = told["hard_limit"]["datagrams"][0]
    told["ok"] = (
        told["by_packets"]["rekeys"] >= 10
        and all(one["lost"] == 0 and one["twice"] == 0 for one in told["by_packets"]["datagrams"])
        and 0 < hard["arrived"] <= 4000 and hard["twice"] == 0
        and not told["hard_limit"]["ping"] and told["hard_limit"]["back"]
        and told["expiry"]["at_first"] and not told["expiry"]["later"] and told["expiry"]["back"]
        and told["wire"]["others"] == 0
    )
    return told


def reload(args, folder):
    with Sites(args, folder) as sites:
        sites.start()
        capture = Capture(sites, folder / "reload.pcapng")
        ping(sites, "10.2.0.10")
        datagrams = Datagrams(sites, rate=500)
        applied = 0
        for number in range(20):
            rules = ["udp", "ip", "tcp"][: 1 + number % 3]
            sites.apply(0, extra_rules=rules)
            sites.apply(1, extra_rules=rules[::-1])
            applied += 2
        datagrams = datagrams.end()
        wire = capture.end()
    return {
        "applied": applied, "datagrams": datagrams, "wire": wire,
        "ok": all(one["lost"] == 0 and one["twice"] == 0 for one in datagrams) and wire["others"] == 0,
    }


def main():
    args = arguments()
    wanted = args.only.split(",")
    for name in wanted:
        if name not in PHASES:
            print(f"gateway: no phase {name}: {', '.join(PHASES)}", file=sys.stderr)
            return 2
    missing = [program for program in ("tshark", "ethtool", "ip") if not shutil.which(program)]
    missing += ["iperf3"] if "iperf" in wanted and not shutil.which("iperf3") else []
    if os.geteuid() != 0 or missing:
        print(f"gateway: needs root, to make network namespaces; missing: {', '.join(missing)}", file=sys.stderr)
        return 3
    folder = Path(tempfile.mkdtemp(prefix="wirewarden-gateway-"))
    results = {}
    try:
        for name in wanted:
            phases = {"rekeys": rekeys, "ways": ways, "iperf": iperf, "junk": junk, "limits": limits, "reload": reload}
            results[name] = phases[name](args, folder)
            print(json.dumps({name: results[name]}, indent=1), flush=True)
    except (Failed, subprocess.CalledProcessError) as failed:
        print(f"gateway: {failed}", file=sys.stderr)
        return 1
    finally:
        if args.keep:
            print(f"gateway: logs and captures are in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    missed = [name for name, result in results.items() if not result["ok"]]
    if missed:
        print(f"gateway: missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
