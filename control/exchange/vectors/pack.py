#!/usr/bin/env python3
"""Packs the ACVP vectors that the crate `oqs-sys` carries into `acvp.bin`: `pack.py DIRECTORY [--check]`.

DIRECTORY is `liboqs/tests/ACVP_Vectors` of the unpacked crate. With `--check` nothing is written and the exit code tells
whether the file is what would have been written. See README.md for the origin, the terms and the format.
"""
import hashlib
import json
import pathlib
import struct
import sys

KEM = {"ML-KEM-512": 1, "ML-KEM-768": 2, "ML-KEM-1024": 3}
DSA = {"ML-DSA-44": 1, "ML-DSA-65": 2, "ML-DSA-87": 3}


def record(kind, parameters, number, good, *fields):
    head = struct.pack(">BBHBB", kind, parameters, number, good, len(fields))
    return head + b"".join(struct.pack(">I", len(field)) + field for field in fields)


def groups(directory, name):
    return json.loads((directory / name / "internalProjection.json").read_text())["testGroups"]


def pack(directory):
    def raw(test, *names):
        return b"".join(bytes.fromhex(test[name]) for name in names)

    out = [b"ACVP\x00\x00\x00\x01"]
    for group in groups(directory, "ML-KEM-keyGen-FIPS203"):
        for test in group["tests"]:
            digest = hashlib.sha256(raw(test, "ek", "dk")).digest()
            out.append(record(1, KEM[group["parameterSet"]], test["tcId"], 1, raw(test, "d", "z"), digest))
    for group in groups(directory, "ML-KEM-encapDecap-FIPS203"):
        if group["function"] != "decapsulation":
            continue
        for at, test in enumerate(group["tests"]):
            # All tests of a group have one key: only the first record carries it.
            key = raw(group, "dk") if at == 0 else b""
            out.append(record(2, KEM[group["parameterSet"]], test["tcId"], 1, key, raw(test, "c"), raw(test, "k")))
    for group in groups(directory, "ML-DSA-keyGen-FIPS204"):
        for test in group["tests"]:
            digest = hashlib.sha256(raw(test, "pk", "sk")).digest()
            out.append(record(3, DSA[group["parameterSet"]], test["tcId"], 1, raw(test, "seed"), digest))
    for group in groups(directory, "ML-DSA-sigVer-FIPS204"):
        if group["signatureInterface"] != "external" or group["preHash"] != "pure":
            continue
        for test in group["tests"]:
            fields = [raw(test, name) for name in ("pk", "message", "context", "signature")]
            out.append(record(4, DSA[group["parameterSet"]], test["tcId"], int(test["testPassed"]), *fields))
    return b"".join(out)


def main():
    packed = pack(pathlib.Path(sys.argv[1]))
    path = pathlib.Path(__file__).with_name("acvp.bin")
    if "--check" in sys.argv[2:]:
        sys.exit(0 if path.read_bytes() == packed else "acvp.bin differs")
    path.write_bytes(packed)


main()
