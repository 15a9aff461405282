"""Tunnels against the Linux kernel's own ESP, in every combination of families, carriers and numbers."""

import json

from lab.kernel import kernel
from lab.machine import HERE, Machine, build, positive, program

# The kernel loads what it needs of these by a program that the guest does not have.
MODULES = ["tun", "xfrm_user", "esp4", "esp6", "gcm", "ctr", "ghash_generic", "seqiv", "sha512_generic", "drbg"]


def add_arguments(commands, every):
    command = commands.add_parser("esp", parents=[every], help="tunnels against the kernel's ESP")
    add_arguments_of_cases(command, "v4-in-v6 or udp-extended")
    command.set_defaults(run=run)


def add_arguments_of_cases(command, examples):
    """What every lab takes whose guest goes through cases, each with a file carried both ways."""
    command.add_argument("--only", default="", metavar="TEXT", help=f"cases whose name has this, as {examples}")
    command.add_argument("--kib", type=positive, default=1024, help="length of the file that is carried both ways, KiB (1024)")
    command.add_argument("--kernel", default="linux-image-amd64", metavar="PACKAGE|FILE.deb", help="the guest's kernel (%(default)s)")
    command.add_argument("--json", action="store_true", help="print what was found as JSON")


def run(args):
    args.limit = args.limit or 900
    folder = build(args, examples=[("tunnel", "tun-gateway")])
    gateway = program(folder / "examples", "tun-gateway")
    guest = kernel(args.kernel, args)
    settings = {"GATEWAY": gateway, "ONLY": args.only, "KIB": args.kib}
    job = "exec /usr/bin/python3 /run/lab/esp.py\n"
    with Machine(args, guest, job, settings, late=MODULES) as machine:
        (machine.folder / "esp.py").write_text((HERE / "guest" / "esp.py").read_text())
        return outcome(args, guest, machine)


def outcome(args, guest, machine):
    """Starts the machine, waits for it and tells of its cases: the exit code."""
    machine.start()
    status = machine.wait()
    results = [json.loads(line) for line in machine.read("results").splitlines()]
    if args.json:
        print(json.dumps({"kernel": guest.release, "results": results}, indent=1))
    else:
        for result in results:
            tell(result)
    passed = status == 0 and bool(results) and all(result["ok"] for result in results)
    if not results:
        print(f"lab: no case was run (--only {args.only!r})")
    if not passed:
        print(machine.told())
    return 0 if passed else 1


def tell(result):
    print(f"{result['case']:<26} {'ok' if result['ok'] else 'FAILED':<7} {result['about']}")
    for problem in result["problems"]:
        print(f"  {problem}")
