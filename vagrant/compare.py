#!/usr/bin/env python3
"""Whether a port gave what a file gives: what the data plane counted, and its records against those of `inspect`.

    vagrant/compare.py --frames 10000 SUMMARY EXPECTED.json RECORDS.json
"""

import argparse
import sys
from pathlib import Path

from lab import records


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, required=True, help="frames that were sent")
    parser.add_argument("summary", type=Path, help="what the data plane said at its end")
    parser.add_argument("expected", type=Path, help="records of `wirewarden inspect`, EVE JSON")
    parser.add_argument("records", type=Path, help="records of the data plane, EVE JSON")
    args = parser.parse_args()
    result = records.compare(args.frames, args.summary.read_text(), args.expected.read_text(), args.records.read_text())
    print(records.told(result))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
