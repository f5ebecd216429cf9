#!/usr/bin/env python3
"""What documents cost, held against bars, with RapidJSON's parse and write of the same bytes beside it.

Runs mvmd_documents_benchmark; repetitions of all figures take turns, so that a machine that gets slower does so for all
of them. Times are of the CPU: the code waits for nothing, and other load does not count as its own.
"""

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # this folder is sources only

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# what it is, its benchmark, RapidJSON's on the same bytes, unit, bar, whether less is better
FIGURES = [
    ("render and digest 5 KB with live values", "BM_RenderLiveAndDigest5K", "BM_RapidJsonParseWriteLive5K", "us", 15, True),
    ("validate the Complete Example, read", "BM_ValidateDocumentComplete", "BM_RapidJsonParseWriteComplete", "us", 50, True),
    ("validate the Complete Example, from its text", "BM_ValidateTextComplete", "BM_RapidJsonParseWriteComplete", "us", 50,
     True),
    ("C1 of a document of 1 MB", "BM_CanonicalizeText1M", "BM_RapidJsonParseWrite1M", "MB/s", 200, False),
]


def value_of(run, unit):
    """One repetition in the figure's unit."""
    if unit == "MB/s":
        return run["bytes_per_second"] / 1e6
    return run["cpu_time"] * {"ns": 1e-3, "us": 1, "ms": 1e3}[run["time_unit"]]


def summary(runs, name, unit):
    values = sorted(value_of(run, unit) for run in runs if run["run_name"] == name and run["run_type"] == "iteration")
    if not values:
        raise KeyError(f"no result of {name}")
    return {"median": statistics.median(values), "min": values[0], "max": values[-1], "values": values}


def measure(program, repetitions, min_time):
    names = sorted({name for _, ours, theirs, *_ in FIGURES for name in (ours, theirs)})
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        subprocess.run(
            [program, f"--benchmark_filter=^({'|'.join(names)})$", f"--benchmark_repetitions={repetitions}",
             "--benchmark_enable_random_interleaving=true", f"--benchmark_min_time={min_time}",
             f"--benchmark_out={file.name}", "--benchmark_out_format=json"], check=True, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        return json.load(file)


def is_met(figure):
    median = figure["measured"]["median"]
    return median <= figure["bar"] if figure["less_is_better"] else median >= figure["bar"]


def report_of(measured, load):
    runs = measured["benchmarks"]
    figures = []
    for label, ours, theirs, unit, bar, less_is_better in FIGURES:
        figure = {"figure": label, "unit": unit, "bar": bar, "less_is_better": less_is_better,
                  "measured": summary(runs, ours, unit), "rapidjson": summary(runs, theirs, unit)}
        figure["met"] = is_met(figure)
        figures.append(figure)
    return {"date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"), "load_before": load,
            "cpus": measured["context"]["num_cpus"], "figures": figures}


def table(report):
    def spread(summary_):
        return f"{summary_['median']:.1f} ({summary_['min']:.1f} to {summary_['max']:.1f})"

    lines = ["| figure | bar | measured, median (spread) | RapidJSON parse + write | met |", "|---|---|---|---|---|"]
    for figure in report["figures"]:
        bar = f"{'at most' if figure['less_is_better'] else 'at least'} {figure['bar']} {figure['unit']}"
        lines.append(f"| {figure['figure']}, {figure['unit']} | {bar} | {spread(figure['measured'])} | "
                     f"{spread(figure['rapidjson'])} | {'yes' if figure['met'] else 'NO'} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="./run bench documents", description=__doc__.splitlines()[0])
    parser.add_argument("build", help="build folder with bin/mvmd_documents_benchmark")
    parser.add_argument("--repetitions", type=int, default=5, help="at least 3 (default: 5)")
    parser.add_argument("--min-time", type=float, default=0.2, help="seconds a repetition takes (default: 0.2)")
    parser.add_argument("--output", default=os.path.join(ROOT, "build", "bench-documents.json"))
    arguments = parser.parse_args()
    if arguments.repetitions < 3:
        parser.error(f"--repetitions: expected at least 3, got {arguments.repetitions}")
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy with something else (load {load:.1f}): figures will be worse than they are",
              file=sys.stderr)
    program = os.path.join(arguments.build, "bin", "mvmd_documents_benchmark")
    report = report_of(measure(program, arguments.repetitions, arguments.min_time), load)
    os.makedirs(os.path.dirname(os.path.abspath(arguments.output)), exist_ok=True)
    with open(arguments.output, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    print(table(report))
    print(f"every repetition: {arguments.output}")
    return 0 if all(figure["met"] for figure in report["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
