#!/usr/bin/env python3
"""Compares what a watcher was told with what the gateway's history says.

usage: watch_is_history.py WATCH.jsonl SAMPLES.jsonl     (twinctl watch -o jsonl, twinctl samples -o jsonl)

Every sample of the history once, and nothing else. Backfilled samples come in the log's order, so each sensor's samples are
compared as a set.
"""
import collections
import json
import sys


def samples(path, of_watch):
    count = collections.Counter()
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                continue  # still being written
            row = json.loads(line)
            if of_watch and row.get("change") != "sample":
                continue
            if "gap" in row or "timestamp" not in row:
                continue
            count[(row["twin"], row["sensor"], row["timestamp"], row.get("value"))] += 1
    return count


def main():
    told, history = samples(sys.argv[1], True), samples(sys.argv[2], False)
    missing, extra = history - told, told - history
    for what, rows in (("not told", missing), ("told once more than it is there", extra)):
        if rows:
            print(f"{sum(rows.values())} samples {what}, for example {next(iter(rows))}", file=sys.stderr)
    return 1 if missing or extra else 0


if __name__ == "__main__":
    sys.exit(main())
