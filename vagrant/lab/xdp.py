"""The XDP program on other kernels: its tests, the data plane behind it, and the commands that look at it."""

import json
import os
import re
import subprocess

from lab.kernel import kernel
from lab.machine import HERE, ROOT, Machine, Missing, build, program, target_dir

KERNELS = ["linux-image-amd64", "linux-image-6.12-amd64"]
# What the tests of each package are called, and those of them that are about speed, or the same again so many times.
TESTS = [("packet-io", "xdp", ["a_hundred_cycles", "a_list_takes"]), ("runner", "kernel", ["overload"])]


def add_arguments(commands, every):
    command = commands.add_parser("xdp", parents=[every], help="the XDP program on other kernels")
    command.add_argument("--kernel", action="append", metavar="PACKAGE|FILE.deb", help=f"a kernel to try, any number of them ({', '.join(KERNELS)})")
    command.add_argument("--json", action="store_true", help="print what was found as JSON")
    command.set_defaults(run=run)


def run(args):
    args.limit = args.limit or 1500
    folder = build(args, "cli", "runner", "sample")
    programs = {name: program(folder, name) for name in ("wirewarden", "wirewarden-dataplane", "make-sample")}
    tests = [(test_program(args, package, name), skipped) for package, name, skipped in TESTS]
    results = [one(args, wanted, programs, tests) for wanted in args.kernel or KERNELS]
    if args.json:
        print(json.dumps(results, indent=1))
    return 0 if all(result["ok"] for result in results) else 1


def test_program(args, package, name):
    """The program of an integration test, built if need be; without building, the newest."""
    if args.no_build:
        built = [path for path in (target_dir(args) / "debug" / "deps").glob(f"{name}-*") if not path.suffix]
        if not built:
            raise Missing(f"the tests of {package} are not built: leave out --no-build")
        return max(built, key=lambda path: path.stat().st_mtime)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target_dir(args))}
    command = ["cargo", "test", "--locked", "--no-run", "--package", package, "--all-features", "--test", name, "--message-format=json"]
    # Tests run as they do in every change: without the optimisation of a release, which takes minutes to build.
    built = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    for line in built.stdout.splitlines():
        found = json.loads(line)
        if found.get("executable") and found.get("target", {}).get("name") == name:
            return found["executable"]
    raise Missing(f"the tests of {package} do not build")


def one(args, wanted, programs, tests):
    guest = kernel(wanted, args)
    settings = {
        "PROGRAMS": programs["wirewarden"].parent,
        "WIREWARDEN_GROUND_TRUTH": os.environ.get("WIREWARDEN_GROUND_TRUTH", "/nonexistent"),
        "TESTS": " ".join(f"{path}:{','.join(skipped)}" for path, skipped in tests),
    }
    job = (HERE / "guest" / "xdp.sh").read_text()
    with Machine(args, guest, job, settings, late=["veth", "tun"], mib=3072, cpus=2) as machine:
        machine.start()
        status = machine.wait()
        said = machine.read("said")
        result = {
            "kernel": guest.release,
            "ok": status == 0,
            "tests": verdicts(said),
            "commands": re.findall(r"^LAB: (ok|FAILED) (.*)", said, re.M),
            "skipped": re.findall(r"^SKIPPED: .*", said, re.M),
        }
        if not result["ok"]:
            result["said"] = said
    if not args.json:
        tell(result)
    return result


def verdicts(said):
    """Tests and how they ended: what a test itself says may stand between."""
    pieces = re.split(r"^test (\S+) \.\.\. ", said, flags=re.M)[1:]
    ended = {}
    for name, rest in zip(pieces[::2], pieces[1::2]):
        found = re.search(r"\b(ok|FAILED|ignored)$", rest, re.M)
        # One that fails tells what its second process told, which has the same name.
        ended[name] = found[1] if found else "no result"
    return list(ended.items())


def tell(result):
    passed = sum(verdict == "ok" for _, verdict in result["tests"])
    good = sum(verdict == "ok" for verdict, _ in result["commands"])
    print(
        f"{result['kernel']:<24} {'ok' if result['ok'] else 'FAILED':<7} {passed} of {len(result['tests'])} tests,"
        f" {good} of {len(result['commands'])} commands",
        flush=True,
    )
    for name, verdict in result["tests"]:
        if verdict != "ok":
            print(f"  test {name}: {verdict}")
    for verdict, command in result["commands"]:
        if verdict != "ok":
            print(f"  {command}")
    for line in result["skipped"]:
        print(f"  {line}")
    if "said" in result:
        print("\n".join(result["said"].splitlines()[-80:]))
