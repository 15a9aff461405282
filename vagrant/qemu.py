#!/usr/bin/env python3
"""The lab without hardware: a Debian kernel under qemu's emulation, and the programs of this checkout inside.

    vagrant/qemu.py nic [--nic e1000e:uio,virtio:vfio] [--frames 10000]   a driver of DPDK receives what a sender sends
    vagrant/qemu.py esp [--only v4-in-v6]                                 tunnels against the kernel's own ESP
    vagrant/qemu.py xfrm [--only export-v4]                               keys given to the kernel's ESP, and taken from it
    vagrant/qemu.py xdp [--kernel PACKAGE|FILE.deb ...]                   the XDP program on other kernels
    vagrant/qemu.py shell [--kernel PACKAGE|FILE.deb]                     a shell in such a machine

The root file system of the guest is this machine's, read-only; what is written goes to a folder below the target
directory. Exit codes: 0 all is as it should be, 1 something is not, 2 the command line is wrong, 3 something that is needed
is not there. docs/lab.md has the rest.
"""

import argparse
import signal
import sys

from lab import esp, nic, shell, xdp, xfrm
from lab.machine import ACCELERATORS, Missing, Stuck, Wrong, check_qemu, positive


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument("--target-dir", help="where builds go (CARGO_TARGET_DIR, else target)")
    every.add_argument("--profile", choices=["debug", "release"], default="release", help="which build runs inside (release)")
    every.add_argument("--no-build", action="store_true", help="take the programs that are there")
    every.add_argument("--accel", choices=ACCELERATORS, default="tcg", help="qemu's accelerator (tcg)")
    every.add_argument("--limit", type=positive, metavar="SECONDS", help="longest that one machine may run")
    every.add_argument("--keep", action="store_true", help="leave the folder of the run where it is")
    commands = parser.add_subparsers(dest="command", required=True)
    for module in (nic, esp, xfrm, xdp, shell):
        module.add_arguments(commands, every)
    return parser.parse_args()


def main():
    args = arguments()
    # A machine ends with what started it, however that is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check_qemu(args)
        return args.run(args)
    except Wrong as wrong:
        print(f"lab: {wrong}", file=sys.stderr)
        return 2
    except Missing as missing:
        print(f"lab: {missing}", file=sys.stderr)
        return 3
    except Stuck as stuck:
        print(f"lab: {stuck}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
