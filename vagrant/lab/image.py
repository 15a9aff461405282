"""The initramfs: busybox, the modules, and a script that goes on with this machine's root file system.

The format is `newc` (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
"""

import subprocess

from lab.kernel import fetch
from lab.machine import HERE, Missing, target_dir

# What the guest needs to reach this machine's files.
EARLY = ["virtio_pci", "9pnet_virtio", "9p"]
FOLDERS = ["bin", "dev", "proc", "sys", "host", "modules"]


class Archive:
    def __init__(self):
        self.parts = []
        self.entries = 0

    def add(self, name, mode, data=b""):
        self.entries += 1
        name = name.encode() + b"\0"
        fields = [self.entries, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name
        self.parts += [head, b"\0" * (-len(head) % 4), data, b"\0" * (-len(data) % 4)]

    def folder(self, name):
        self.add(name, 0o040755)

    def program(self, name, data):
        self.add(name, 0o100755, data)

    def file(self, name, data):
        self.add(name, 0o100644, data)

    def bytes(self):
        self.add("TRAILER!!!", 0)
        return b"".join(self.parts)


def write(path, kernel, modules, late, args):
    """Writes an initramfs that loads some modules at once, and lays others ready in /run/modules of the guest."""
    archive = Archive()
    for folder in FOLDERS:
        archive.folder(folder)
    archive.program("bin/busybox", busybox(args))
    archive.program("init", (HERE / "guest" / "init.sh").read_bytes())
    early = kernel.closure(EARLY + modules)
    everything = kernel.closure(EARLY + modules + late)
    for name, data in everything.items():
        archive.file(f"modules/{name}.ko", data)
    archive.file("modules/early", "".join(f"{name}\n" for name in early).encode())
    archive.file("modules/late", "".join(f"{name}\n" for name in everything if name not in early).encode())
    path.write_bytes(archive.bytes())


def busybox(args):
    """Debian's static busybox, out of its package."""
    folder = target_dir(args) / "lab" / "busybox"
    program = folder / "bin" / "busybox"
    if not program.exists():
        deb = fetch("busybox-static", target_dir(args) / "lab" / "packages")
        folder.mkdir(parents=True, exist_ok=True)
        unpacked = subprocess.run(["dpkg-deb", "-x", deb, folder], capture_output=True, text=True)
        if unpacked.returncode != 0 or not program.exists():
            raise Missing(f"{deb.name} has no busybox: {unpacked.stderr.strip()}")
    return program.read_bytes()
