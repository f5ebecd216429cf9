#!/usr/bin/env python3
"""Runs libFuzzer on one target or on all in turn, from the committed seeds, and says what came of it."""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True  # this folder is sources only

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INPUT_BYTES_MAX = 16384
INPUT_SECONDS_MAX = 25
MEMORY_MB_MAX = 2048
# Folders of tests/data that are seeds as well.
DATA = {"document": "profile", "linked_data": "profile"}


def targets():
    return sorted(os.path.basename(path)[:-len("_fuzz.cc")] for path in glob.glob(os.path.join(HERE, "*_fuzz.cc")))


def environment(target):
    suppressions = os.path.join(ROOT, "cmake", "lsan.supp")
    return {**os.environ, "MVMD_FUZZ_TARGET": target, "LSAN_OPTIONS": f"suppressions={suppressions}",
            "UBSAN_OPTIONS": "print_stacktrace=1"}


def command(program, target, seconds, crashes):
    found = os.path.join(ROOT, "build", "fuzz-corpus", target)
    os.makedirs(found, exist_ok=True)
    words = [program, found, os.path.join(HERE, "corpus", target)]
    if target in DATA:
        words.append(os.path.join(ROOT, "tests", "data", DATA[target]))
    words += [f"-max_total_time={seconds}", f"-max_len={INPUT_BYTES_MAX}", f"-timeout={INPUT_SECONDS_MAX}",
              f"-rss_limit_mb={MEMORY_MB_MAX}", "-print_final_stats=1", f"-artifact_prefix={crashes}{os.sep}"]
    dictionary = os.path.join(HERE, "dictionaries", f"{target}.dict")
    if os.path.exists(dictionary):
        words.append(f"-dict={dictionary}")
    return words


def run(program, target, seconds):
    """What the run came to; the whole log is kept beside the crashes."""
    crashes = os.path.join(ROOT, "build", "fuzz-crashes", target)
    shutil.rmtree(crashes, ignore_errors=True)
    os.makedirs(crashes)
    log_path = os.path.join(crashes, "log.txt")
    with open(log_path, "wb") as log:
        done = subprocess.run(command(program, target, seconds, crashes), stdin=subprocess.DEVNULL, stdout=log,
                              stderr=subprocess.STDOUT, env=environment(target), check=False)
    with open(log_path, encoding="utf-8", errors="replace") as log:
        text = log.read()
    executions = re.findall(r"stat::number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)\t", text, re.M)
    coverage = re.findall(r"cov: (\d+)", text)
    inputs = sorted(name for name in os.listdir(crashes) if name != "log.txt")
    return {"target": target, "seconds": seconds, "executions": int(executions[-1]) if executions else 0,
            "coverage": int(coverage[-1]) if coverage else 0, "failed": done.returncode != 0,
            "inputs": [os.path.join(crashes, name) for name in inputs], "log": log_path}


def say_failure(program, result):
    print(f"{result['target']}: failed, see {result['log']}")
    for path in result["inputs"]:
        print(f"  again: MVMD_FUZZ_TARGET={result['target']} {program} {path}")


def main():
    known = targets()
    parser = argparse.ArgumentParser(prog="./run fuzz", description=__doc__)
    parser.add_argument("program", help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", metavar="TARGET | SECONDS",
                        help=f"of {', '.join(known)} (default: all); seconds for each (default: 60)")
    arguments = parser.parse_args()
    seconds = 60
    chosen = []
    for word in arguments.words:
        if word.isdigit() and int(word) > 0:
            seconds = int(word)
        elif word in known:
            chosen.append(word)
        else:
            parser.error(f"expected a target ({', '.join(known)}) or seconds, got {word}")
    results = []
    print(f"{'target':<12} {'seconds':>8} {'executions':>12} {'coverage':>9} {'crashes':>8}", flush=True)
    for target in chosen or known:
        result = run(arguments.program, target, seconds)
        results.append(result)
        print(f"{target:<12} {seconds:>8} {result['executions']:>12} {result['coverage']:>9} {len(result['inputs']):>8}",
              flush=True)
        if result["failed"]:
            say_failure(arguments.program, result)
    with open(os.path.join(ROOT, "build", "fuzz-results.json"), "w", encoding="utf-8") as file:
        json.dump(results, file, indent=1)
    return 1 if any(result["failed"] for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
