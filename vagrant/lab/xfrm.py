"""Keys for the kernel's ESP, and keys of the kernel's for ours: `wirewarden tunnel export-xfrm` and `import-xfrm`."""

import json

from lab.esp import MODULES, tell
from lab.kernel import kernel
from lab.machine import HERE, Machine, build, positive, program

PROGRAMS = ("wirewarden", "wirewardend", "wirewarden-dataplane")


def add_arguments(commands, every):
    command = commands.add_parser("xfrm", parents=[every], help="keys for the kernel's ESP, and the kernel's for ours")
    command.add_argument("--only", default="", metavar="TEXT", help="cases whose name has this: export-v4, import-v6")
    command.add_argument("--kib", type=positive, default=1024, help="length of the file that is carried both ways, KiB (1024)")
    command.add_argument("--kernel", default="linux-image-amd64", metavar="PACKAGE|FILE.deb", help="the guest's kernel (%(default)s)")
    command.add_argument("--json", action="store_true", help="print what was found as JSON")
    command.set_defaults(run=run)


def run(args):
    args.limit = args.limit or 1500
    folder = build(args, "cli", "daemon", "runner")
    for name in PROGRAMS:
        program(folder, name)
    guest = kernel(args.kernel, args)
    settings = {"PROGRAMS": folder, "ONLY": args.only, "KIB": args.kib}
    job = "exec /usr/bin/python3 /run/lab/xfrm.py\n"
    with Machine(args, guest, job, settings, late=[*MODULES, "veth"], mib=3072, cpus=2) as machine:
        for name in ("esp.py", "xfrm.py"):
            (machine.folder / name).write_text((HERE / "guest" / name).read_text())
        machine.start()
        status = machine.wait()
        results = [json.loads(line) for line in machine.read("results").splitlines()]
        told = machine.told()
    if args.json:
        print(json.dumps({"kernel": guest.release, "results": results}, indent=1))
    else:
        for result in results:
            tell(result)
    passed = status == 0 and bool(results) and all(result["ok"] for result in results)
    if not passed:
        print(told)
    return 0 if passed else 1
