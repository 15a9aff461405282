"""A shell in a machine of the lab, to look around."""

from lab.kernel import kernel
from lab.machine import Machine


def add_arguments(commands, every):
    command = commands.add_parser("shell", parents=[every], help="a shell in such a machine; Ctrl-A X ends it")
    command.add_argument("--kernel", default="linux-image-amd64", metavar="PACKAGE|FILE.deb", help="the guest's kernel (%(default)s)")
    command.add_argument("--module", action="append", default=["veth", "tun"], metavar="NAME", help="another module of that kernel (veth and tun are there)")
    command.set_defaults(run=run)


def run(args):
    args.limit = args.limit or 3600
    guest = kernel(args.kernel, args)
    with Machine(args, guest, "", {"LAB_SHELL": 1}, late=args.module) as machine:
        machine.start(interactive=True)
        machine.wait()
    return 0
