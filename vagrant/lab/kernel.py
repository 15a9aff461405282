"""Kernels out of Debian packages: fetched by apt, unpacked below the target directory, never installed."""

import lzma
import re
import shutil
import subprocess
from pathlib import Path

from lab.machine import Missing, target_dir

# Folders of a kernel package that have what a guest may load.
WANTED = [
    "crypto",
    "arch/x86/crypto",
    "lib",
    "drivers/block/virtio_blk*",
    "drivers/iommu",
    "drivers/net/net_failover*",
    "drivers/net/tun.ko*",
    "drivers/net/veth*",
    "drivers/net/virtio_net*",
    "drivers/uio",
    "drivers/vfio",
    "drivers/virtio",
    "fs/9p",
    "fs/fscache",
    "fs/netfs",
    "net/9p",
    "net/core/failover*",
    "net/ipv4",
    "net/ipv6",
    "net/packet",
    "net/sched",
    "net/xfrm",
    "net/key",
    "virt/lib",
]


class Kernel:
    """An unpacked kernel: its image, and its modules with what they depend on."""

    def __init__(self, folder):
        self.folder = folder
        self.image = next(folder.glob("boot/vmlinuz-*"))
        self.release = self.image.name.removeprefix("vmlinuz-")
        files = sorted(folder.glob("**/kernel/**/*.ko*"))
        self.modules = {module_name(path): path for path in files}
        builtin = next(folder.glob("**/modules.builtin"), None)
        lines = builtin.read_text().split() if builtin else []
        self.builtin = {module_name(Path(line)) for line in lines}

    def read(self, name):
        """The bytes of a module, unpacked."""
        path = self.modules[name]
        data = path.read_bytes()
        return lzma.decompress(data) if path.suffix == ".xz" else data

    def closure(self, names):
        """These modules behind those that they depend on, each once; what is built in is left out."""
        order = {}

        def visit(name):
            if name in order or name in self.builtin:
                return
            if name not in self.modules:
                raise Missing(f"kernel {self.release} has no module {name}")
            data = self.read(name)
            found = re.search(rb"\0depends=([^\0]*)\0", b"\0" + data)
            for other in (found[1].decode() if found else "").split(","):
                if other:
                    visit(other.replace("-", "_"))
            order[name] = data

        for name in names:
            visit(name)
        return order


def module_name(path):
    return path.name.split(".ko")[0].replace("-", "_")


def kernel(wanted, args):
    """The kernel of a package or of a .deb file."""
    if wanted.endswith(".deb"):
        deb = Path(wanted)
        if not deb.is_file():
            raise Missing(f"there is no file {wanted}")
    else:
        deb = fetch(resolve(wanted), target_dir(args) / "lab" / "packages")
    folder = target_dir(args) / "lab" / "kernels" / deb.stem
    if not (folder / "complete").exists():
        unpack(deb, folder)
    return Kernel(folder)


def resolve(package):
    """The package of an image behind one that only depends on it, as linux-image-amd64 does."""
    if not shutil.which("apt-cache"):
        raise Missing("apt-cache is not installed: give the kernel as a .deb file (--kernel FILE.deb)")
    shown = subprocess.run(["apt-cache", "depends", package], capture_output=True, text=True)
    if shown.returncode != 0:
        raise Missing(f"no package {package}: `apt-get update`, or `apt-cache search linux-image` for those there are")
    images = re.findall(r"Depends: (linux-image-[0-9]\S*)", shown.stdout)
    return images[0] if images else package


def fetch(package, folder):
    folder.mkdir(parents=True, exist_ok=True)
    there = sorted(folder.glob(f"{package}_*.deb"))
    if there:
        return there[-1]
    print(f"lab: fetching {package}", flush=True)
    # As root, apt warns that it does not step down to its own user for a folder that is not that user's.
    try:
        fetched = subprocess.run(["apt-get", "-q", "download", package], cwd=folder, capture_output=True, text=True, timeout=600)
    except subprocess.TimeoutExpired as expired:
        raise Missing(f"{package}: nothing came within {expired.timeout} s") from None
    there = sorted(folder.glob(f"{package}_*.deb"))
    if fetched.returncode != 0 or not there:
        raise Missing(f"{package} cannot be fetched: {fetched.stderr.strip()}")
    return there[-1]


def unpack(deb, folder):
    """The image and the modules that may be wanted: the whole package takes ten times as much."""
    print(f"lab: unpacking {deb.name}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    patterns = ["./boot/vmlinuz-*", "*/modules.builtin"] + [f"*/kernel/{path}" for path in WANTED]
    package = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    # It fails for a pattern that nothing matches, which differs from kernel to kernel.
    subprocess.run(["tar", "-x", "-C", folder, "--wildcards", *patterns], stdin=package.stdout, stderr=subprocess.DEVNULL)
    package.stdout.close()
    if package.wait() != 0 or not any(folder.glob("boot/vmlinuz-*")):
        raise Missing(f"{deb} is no kernel package with an image in it (the -unsigned and the signed ones have one)")
    (folder / "complete").touch()
