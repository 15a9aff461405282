"""A virtual machine of one run: qemu, its folder, its time limit."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
QEMU = "qemu-system-x86_64"
ACCELERATORS = ["tcg", "kvm"]


class Missing(Exception):
    """Something that is needed is not there; the text says what to do."""


class Wrong(Exception):
    """The command line is wrong."""


class Stuck(Exception):
    """A machine did not do what it should have, in its time."""


def positive(text):
    """A whole number above zero, for the command line."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def target_dir(args):
    return Path(args.target_dir or os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()


def build(args, *packages, examples=()):
    """Builds programs of this checkout; the folder they are in."""
    folder = target_dir(args) / args.profile
    if not args.no_build:
        if not shutil.which("cargo"):
            raise Missing("cargo is not installed: scripts/setup.sh, or --no-build with programs that are there")
        environment = {**os.environ, "CARGO_TARGET_DIR": str(target_dir(args))}
        profile = ["--release"] if args.profile == "release" else []
        for command in build_commands(packages, examples):
            print(f"lab: cargo {' '.join(command)}", flush=True)
            if subprocess.run(["cargo", *command, "--locked", *profile], cwd=ROOT, env=environment).returncode != 0:
                raise Missing("the programs do not build")
    return folder


def build_commands(packages, examples):
    if packages:
        yield ["build", *(word for package in packages for word in ("--package", package))]
    for package, example in examples:
        yield ["build", "--package", package, "--example", example]


def program(folder, name):
    path = folder / name
    if not path.is_file():
        raise Missing(f"{path} is not built: leave out --no-build")
    return path


def check_qemu(args):
    """Before anything is built or fetched."""
    if not shutil.which(QEMU):
        raise Missing(f"{QEMU} is not installed: scripts/setup.sh lab (apt-get install qemu-system-x86)")
    if args.accel == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        raise Missing("/dev/kvm cannot be opened: leave out --accel kvm")


class Machine:
    """Runs a job in a machine of its own. The job is a shell script; its folder is /run/lab inside."""

    def __init__(self, args, kernel, job, settings, modules=(), late=(), options=(), mib=1536, cpus=1):
        # Not below the target directory: the path of a Unix socket has 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix="wirewarden-lab-"))
        self.args, self.kernel, self.limit = args, kernel, args.limit
        from lab import image

        try:
            image.write(self.folder / "initrd", kernel, list(modules), list(late), args)
        except Missing:
            shutil.rmtree(self.folder)
            raise
        shutil.copy(HERE / "guest" / "start.sh", self.folder / "start")
        (self.folder / "job").write_text(job)
        lines = [f"{name}={quoted(value)}\n" for name, value in settings.items()]
        (self.folder / "settings").write_text("".join(f"export {line}" for line in lines))
        self.console = self.folder / "console"
        self.command = self.qemu(options, mib, cpus)
        self.child = None

    def qemu(self, options, mib, cpus):
        # A busy host may not serve the timer while the kernel tries whether it works.
        kernel_line = "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off audit=0 lsm= " + " ".join(options)
        share = "security_model=none,multidevs=remap"
        return [
            QEMU, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-accel", self.args.accel,
            "-cpu", "max" if self.args.accel == "tcg" else "host",
            "-smp", str(cpus), "-m", str(mib),
            "-kernel", str(self.kernel.image), "-initrd", str(self.folder / "initrd"), "-append", kernel_line,
            "-fsdev", f"local,id=root,path=/,readonly=on,{share}", "-device", "virtio-9p-pci,fsdev=root,mount_tag=root",
            "-fsdev", f"local,id=lab,path={self.folder},{share}", "-device", "virtio-9p-pci,fsdev=lab,mount_tag=lab",
        ]

    def start(self, interactive=False):
        serial = ["-serial", "mon:stdio" if interactive else f"file:{self.console}"]
        if "-machine" not in self.command:
            self.command += ["-machine", "q35"]
        command = [*self.command, *serial]
        said = None if interactive else (self.folder / "qemu").open("w")
        self.started = time.monotonic()
        self.child = subprocess.Popen(command, stdin=None if interactive else subprocess.DEVNULL, stdout=said, stderr=said)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if self.child and self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        if self.args.keep:
            print(f"lab: left in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def left(self):
        return self.limit - (time.monotonic() - self.started)

    def wait_for(self, name, what):
        """Until the job has written a file."""
        while not (self.folder / name).exists():
            if self.child.poll() is not None:
                raise Stuck(f"the machine ended before {what}\n{self.told()}")
            if self.left() < 0:
                raise Stuck(f"not {what} within {self.limit} s (--limit)\n{self.told()}")
            time.sleep(0.1)

    def tell(self, name):
        """Writes a file that the job waits for."""
        (self.folder / name).touch()

    def wait(self):
        """Until the machine is off; what the job ended with."""
        try:
            self.child.wait(timeout=max(self.left(), 0.1))
        except subprocess.TimeoutExpired:
            raise Stuck(f"still running after {self.limit} s (--limit)\n{self.told()}") from None
        status = self.read("status").strip()
        if not re.fullmatch(r"\d+", status):
            raise Stuck(f"the machine ended without a result\n{self.told()}")
        return int(status)

    def read(self, name):
        path = self.folder / name
        return path.read_text(errors="replace") if path.exists() else ""

    def told(self):
        """The end of what was written, for whoever has to find out."""
        parts = []
        for name in ("qemu", "console", "said", "doctor.said", "dataplane"):
            lines = self.read(name).splitlines()
            if lines:
                parts += [f"---- {name}", *lines[-30:]]
        return "\n".join(parts)


def quoted(value):
    return "'" + str(value).replace("'", "'\\''") + "'"
