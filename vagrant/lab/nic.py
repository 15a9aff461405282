"""A driver of DPDK in the guest receives what a sender sends to an emulated card, and the records are right."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

from lab import records
from lab.frames import Wire, frames
from lab.kernel import kernel
from lab.machine import HERE, Machine, Wrong, build, positive, program

# qemu's name of each card, and what it is told: a virtio card must be made to use an IOMMU.
CARDS = {
    "e1000": {"device": "e1000", "all": []},
    "e1000e": {"device": "e1000e", "all": []},
    "virtio": {"device": "virtio-net-pci", "all": ["disable-legacy=on"], "vfio": ["iommu_platform=on"]},
    "vmxnet3": {"device": "vmxnet3", "all": []},
}
BINDINGS = {
    "uio": {"driver": "uio_pci_generic", "modules": ["uio_pci_generic"], "options": [], "devices": []},
    "vfio": {
        "driver": "vfio-pci",
        "modules": ["vfio_pci", "vfio_iommu_type1"],
        "options": ["intel_iommu=on"],
        "devices": ["-machine", "q35,kernel-irqchip=split", "-device", "intel-iommu,intremap=on,caching-mode=on"],
    },
}
ALL = ["e1000e:uio", "virtio:uio", "vmxnet3:uio", "e1000:uio", "virtio:vfio", "e1000:vfio"]
ADDRESS = "0000:00:08.0"


def add_arguments(commands, every):
    command = commands.add_parser("nic", parents=[every], help="a driver of DPDK on an emulated card")
    command.add_argument("--nic", default=",".join(ALL), help=f"cards with their binding, of {', '.join(CARDS)} and {', '.join(BINDINGS)} (all: %(default)s)")
    command.add_argument("--frames", type=positive, default=10_000, help="frames sent (10000)")
    command.add_argument("--pps", type=positive, default=4000, help="frames in a second, at most (4000)")
    command.add_argument("--kernel", default="linux-image-amd64", metavar="PACKAGE|FILE.deb", help="the guest's kernel (%(default)s)")
    command.add_argument("--json", action="store_true", help="print what was found as JSON")
    command.set_defaults(run=run)


def run(args):
    cards = [pair(text) for text in args.nic.split(",")]
    args.limit = args.limit or 300
    folder = build(args, "cli", "runner", "sample")
    guest = kernel(args.kernel, args)
    with tempfile.TemporaryDirectory() as scratch:
        capture, expected = Path(scratch) / "lab.pcap", Path(scratch) / "expected.json"
        subprocess.run([program(folder, "make-sample"), "lab", capture, str(args.frames)], check=True)
        inspect = [program(folder, "wirewarden"), "inspect", capture, "--eve", expected]
        subprocess.run(inspect, check=True, stdout=subprocess.DEVNULL)
        sent, by_file = frames(capture), expected.read_text()
    results = [one(args, guest, folder, card, binding, sent, by_file) for card, binding in cards]
    if args.json:
        print(json.dumps({"kernel": guest.release, "results": results}, indent=1))
    return 0 if all(result["ok"] for result in results) else 1


def pair(text):
    card, _, binding = text.partition(":")
    if card not in CARDS or binding not in BINDINGS:
        raise Wrong(f"--nic {text}: CARD:BINDING, of {', '.join(CARDS)} and {', '.join(BINDINGS)}")
    return card, binding


def one(args, guest, folder, card, binding, sent, by_file):
    """One card with one binding, in a machine of its own."""
    settings = {
        "BIND": HERE / "bind.sh",
        "CARD": ADDRESS,
        "DRIVER": BINDINGS[binding]["driver"],
        "PROGRAMS": program(folder, "wirewarden-dataplane").parent,
    }
    job = (HERE / "guest" / "nic.sh").read_text()
    options = ["hugepages=160", *BINDINGS[binding]["options"]]
    with Machine(args, guest, job, settings, late=BINDINGS[binding]["modules"], options=options) as machine:
        wire = Wire(machine.folder)
        device = ["netdev=wire", "bus=pcie.0", "addr=8", *CARDS[card]["all"], *CARDS[card].get(binding, [])]
        device = ",".join([CARDS[card]["device"], *device])
        machine.command += [*BINDINGS[binding]["devices"], "-netdev", wire.netdev("wire"), "-device", device]
        (machine.folder / "appliance.toml").write_text((HERE / "appliance.toml").read_text().replace("@CARD@", ADDRESS))
        machine.start()
        machine.wait_for("ready", "the port was open")
        ready = time.monotonic() - machine.started
        took = wire.send(machine, sent, args.pps)
        # The last of them may still be in the card.
        time.sleep(3)
        machine.tell("stop")
        status = machine.wait()
        wire.close()
        result = records.compare(len(sent), machine.read("dataplane"), by_file, machine.read("eve.json"))
        result = {"card": card, "binding": binding, "ready_s": round(ready, 1), "sending_s": round(took, 1), **result}
        result["ok"] = result["ok"] and status == 0
        if not result["ok"]:
            result["said"] = machine.told()
    if not args.json:
        print(f"{card:<8} {binding:<5} ready after {ready:5.1f} s, {records.told(result)}", flush=True)
        if "said" in result:
            print(result["said"])
    return result
