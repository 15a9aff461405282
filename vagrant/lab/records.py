"""Records of the same frames by two ways, made comparable."""

import json
import re

# What the clock of a run is in: the records of two runs differ in it.
ASIDE = {"timestamp", "flow_id", "in_iface", "start", "end", "age", "duration", "duration_ms", "rtt_ms", "rtt_us"}


def compare(frames, summary, expected, records):
    """What the driver counted of the frames that were sent, and the first record that is not as by file."""
    found = re.search(r"^received (\d+) = ", summary, re.M)
    received = int(found[1]) if found else 0
    by_file, by_port = comparable(expected), comparable(records)
    result = {
        "sent": frames,
        "received": received,
        "records": len(by_port),
        "records_expected": len(by_file),
        "ok": received == frames and by_file == by_port and bool(by_file),
    }
    different = [(file, port) for file, port in zip(by_file, by_port) if file != port]
    if different:
        result["different"] = f"by file {different[0][0]}\n  by port {different[0][1]}"
    return result


def told(result):
    line = (
        f"{result['sent']} frames sent, {result['received']} received,"
        f" {result['records']} records of {result['records_expected']}: {'ok, as by file' if result['ok'] else 'FAILED'}"
    )
    return line + (f"\n  {result['different']}" if "different" in result else "")


def comparable(text):
    """Records without what the clock is in, in an order of their own; counters are none."""
    found = [json.loads(line) for line in text.splitlines()]
    return sorted(json.dumps(without_times(record), sort_keys=True) for record in found if record["event_type"] != "stats")


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(member) for name, member in value.items() if name not in ASIDE}
    if isinstance(value, list):
        return [without_times(member) for member in value]
    return value
