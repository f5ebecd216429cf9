#!/usr/bin/env python3
"""Judges what became of the samples of a ledger, where some may be missing if a gap says so.

usage: gap_judge.py LEDGER SAMPLES [--none-lost] [--reason REASON]

LEDGER is what mvmd-plant wrote, SAMPLES the lines of `twinctl samples -o jsonl` of all sensors, gaps among them. Fails when a sample
that the broker acknowledged is neither there nor in a gap that can have it, when one is there twice, was never published so, or is out of
the broker's order. A gap that knows its times has samples of these only, one that knows its count no more than that.
"""
import argparse
import json
import sys
from datetime import datetime, timezone


def unix_ns(text):
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole).replace(tzinfo=timezone.utc).timestamp())
    return seconds * 10**9 + int((fraction or "0").ljust(9, "0"))


def read_samples(path):
    """({(twin, sensor): [(time, value)]}, [gap], each once)."""
    samples, gaps = {}, {}
    for line in open(path, encoding="utf-8"):
        row = json.loads(line)
        if "gap" in row:
            # A gap of a whole twin is told with each of its sensors.
            gap = row["gap"]
            gaps.setdefault(json.dumps({**gap, "sensor": None}, sort_keys=True), {**gap, "sensors": set()})["sensors"].add(gap.get("sensor"))
        else:
            samples.setdefault((row["twin"], row["sensor"]), []).append((unix_ns(row["timestamp"]), row["value"]))
    return samples, list(gaps.values())


def can_have(gap, twin, sensor, time):
    if gap["twin"] != twin or sensor not in gap["sensors"]:
        return False
    if "startTime" in gap and time < unix_ns(gap["startTime"]):
        return False
    return not ("endTime" in gap and time > unix_ns(gap["endTime"]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ledger")
    parser.add_argument("samples")
    parser.add_argument("--none-lost", action="store_true")
    parser.add_argument("--reason", help="at least one gap has it")
    arguments = parser.parse_args()
    ledger = json.load(open(arguments.ledger, encoding="utf-8"))
    samples, gaps = read_samples(arguments.samples)
    problems = []
    acked = committed = missing = 0
    told = [0] * len(gaps)
    for sensor in ledger["sensors"]:
        name = (sensor["twin"], sensor["sensor"])
        published = {unix_ns(time): value for time, value, _ in sensor["samples"]}
        seen = set()
        last = 0
        begin = min(published, default=0)  # what was there before is of another ledger
        for time, value in samples.get(name, []):
            if time < begin:
                continue
            if published.get(time) != value:
                problems.append(f"never published so: {name} {time} {value}")
            elif time in seen:
                problems.append(f"twice: {name} {time}")
            elif time < last:
                problems.append(f"out of order: {name} {time}")
            seen.add(time)
            last = max(last, time)
        committed += len(seen)
        for time, _, is_acked in sensor["samples"]:
            at = unix_ns(time)
            acked += bool(is_acked)
            if not is_acked or at in seen:
                continue
            missing += 1
            possible = [i for i, gap in enumerate(gaps) if can_have(gap, *name, at)]
            if not possible:
                problems.append(f"lost and not told: {name} {time}")
            for i in possible:
                told[i] += 1
    for gap, count in zip(gaps, told):
        if len(gaps) == 1 and "count" in gap and count > gap["count"]:
            problems.append(f"{count} samples are missing, but the gap says {gap['count']}")
    reasons = sorted({gap["reason"] for gap in gaps})
    if arguments.none_lost and (missing or gaps):
        problems.append(f"{missing} samples missing, gaps: {reasons}")
    if arguments.reason and arguments.reason not in reasons:
        problems.append(f"expected a gap {arguments.reason}, got {reasons}")
    print(
        f"{acked} acknowledged, {committed} committed, {missing} missing and told, {len(problems)} wrong, "
        f"gaps: {', '.join(reasons) or 'none'}"
    )
    for problem in problems[:10]:
        print(f"  {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
