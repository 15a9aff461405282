"""Keys for the kernel's ESP, and keys of the kernel's for ours: `wirewarden tunnel export-xfrm` and `import-xfrm`."""

from lab.esp import MODULES, add_arguments_of_cases, outcome
from lab.kernel import kernel
from lab.machine import HERE, Machine, build, program

PROGRAMS = ("wirewarden", "wirewardend", "wirewarden-dataplane")


def add_arguments(commands, every):
    command = commands.add_parser("xfrm", parents=[every], help="keys for the kernel's ESP, and the kernel's for ours")
    add_arguments_of_cases(command, "export-v4 or import-v6")
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
        return outcome(args, guest, machine)
