#!/usr/bin/env python3
"""The figures of docs/benchmarks.md, for this project and for what people use today, side by side.

One load generator and one set of counters for all systems, in one run; repetitions take turns, so that a machine that
gets slower does so for all of them.
"""

import argparse
import datetime
import functools
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # this folder is sources only
from processes import BenchError
from systems import ROOT, SYSTEMS, TOPICS, make_certificates

WARM_UP_MESSAGES = 20 * TOPICS
FIRST_N = WARM_UP_MESSAGES // TOPICS

# key, what it is, bar (text, upper or lower bound), decimals
FIGURES = [
    ("messages_per_s", "QoS 1 messages a second, MQTT -> committed", "> mosquitto", 0),
    ("cloud_cpu_per_m", "CPU s per million messages, gateway | cloud server", 2, 1),
    ("edge_cpu_per_m", "CPU s per million messages, bridge | edge server", 20, 1),
    ("broker_cpu_per_m", "CPU s per million messages, MQTT broker before the bridge", None, 1),
    ("wire_up_1k", "wire bytes a sample, up, 1,000 msg/s", 8, 1),
    ("wire_down_1k", "wire bytes a sample, down, 1,000 msg/s", 1, 2),
    ("wire_up_10k", "wire bytes a sample, up, 10,000 msg/s", 5, 1),
    ("wire_down_10k", "wire bytes a sample, down, 10,000 msg/s", None, 2),
    ("p50_ms", "p50 publish -> committed at 10,000 msg/s, linger 0, ms", 2, 2),
    ("p99_ms", "p99 publish -> committed at 10,000 msg/s, linger 0, ms", 10, 2),
    ("outage_acked", "outage with kill -9 of both ends: PUBACKed", None, 0),
    ("outage_lost", "outage with kill -9 of both ends: lost", 0, 0),
    ("outage_duplicated", "outage with kill -9 of both ends: duplicated", 0, 0),
    ("fresh_s", "link back -> current values in the cloud, s", 1, 2),
]


class Size:
    """How long the tests are."""

    def __init__(self, repetitions, throughput_count, paced_seconds, outage):
        self.repetitions = repetitions
        self.throughput_count = throughput_count
        self.paced_seconds = paced_seconds
        # seconds: load, link cut at, both ends killed at, started again at, link back at
        self.outage = outage


FULL = Size(3, 300_000, 5, (30, 5, 10, 11, 15))
QUICK = Size(1, 100_000, 3, (12, 2, 4, 4.5, 6))
SMOKE = Size(1, 10_000, 1, (2, 0.4, 0.6, 0.8, 1.0))


def run_load(system, count, rate=0, payload="packed", first_n=FIRST_N, during=None, enough_after=None, limit=120):
    """Publishes `count` messages and collects them in the cloud: one dict of what was counted.

    `during(sink)` runs beside the load. `enough_after`: seconds that the sink gets once the load is done; without it, it
    ends when nothing has come for 5 s.
    """
    numbered = payload != "plain"
    sink = system.sink(numbered, count, first_n, 5 if enough_after is None else limit, limit)
    ledger_path = system.path("ledger")
    command = [system.program("load"), "--port", system.mqtt_port, "--count", count, "--rate", rate, "--topics", TOPICS,
               "--payload", payload, "--first-n", first_n, "--limit", limit, "--ledger", ledger_path]
    cpu_before = {name: process.cpu_seconds() for name, process in system.processes.items()}
    wire_before = system.link.counters() if system.link else None
    load = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    try:
        if during:
            during(sink)
        load_result = json.loads(load.communicate(timeout=limit + 10)[0])
        if enough_after is not None:
            deadline = time.monotonic() + enough_after
            while sink.process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.1)
            sink.enough()
        output, errors = sink.output(limit + 10)
    finally:
        for process in (load, sink.process):
            if process.poll() is None:
                process.kill()
                process.wait()
    for process in system.processes.values():
        process.check()
    result = json.loads(output)
    result["load"] = load_result
    if errors:
        result["sink_log"] = errors.strip()
    result["cpu_s"] = {name: process.cpu_seconds() - cpu_before[name] for name, process in system.processes.items()}
    if wire_before:
        result["wire"] = [after - before for before, after in zip(wire_before, system.link.counters())]
    result["ledger_path"] = ledger_path
    return result


def expect_all(result, count, what):
    if result["received"] != count:
        raise BenchError(f"{what}: expected {count} messages, got {result['received']}: {json.dumps(result)}")


def warm_up(system):
    """Connections, bindings and documents are made before anything is measured."""
    result = run_load(system, WARM_UP_MESSAGES, rate=2000, first_n=0)
    expect_all(result, WARM_UP_MESSAGES, f"warm-up of {system.name}")


def throughput(make, size):
    with make() as system:
        warm_up(system)
        count = size.throughput_count
        result = run_load(system, count)
        expect_all(result, count, f"throughput of {system.name}")
        figures = {"messages_per_s": result["rate"]}
        for name, figure in (("cloud", "cloud_cpu_per_m"), ("edge", "edge_cpu_per_m"), ("broker", "broker_cpu_per_m")):
            if name in result["cpu_s"]:
                figures[figure] = result["cpu_s"][name] / count * 1e6
        return figures, result


def wire(make, size):
    figures = {}
    results = {}
    with make(with_link=True) as system:
        warm_up(system)
        for rate, suffix in ((1000, "1k"), (10_000, "10k")):
            count = rate * size.paced_seconds
            result = run_load(system, count, rate=rate, payload="plain")
            expect_all(result, count, f"wire of {system.name}")
            for way, octets in zip(("up", "down"), result["wire"]):
                figures[f"wire_{way}_{suffix}"] = octets / count
            results[suffix] = result
    return figures, results


def latency(make, size):
    with make(linger="0ms") as system:
        warm_up(system)
        count = 10_000 * size.paced_seconds * 2
        result = run_load(system, count, rate=10_000)
        expect_all(result, count, f"latency of {system.name}")
        return {"p50_ms": result["p50_ms"], "p99_ms": result["p99_ms"]}, result


def outage(make, size):
    seconds, cut_at, kill_at, restart_at, back_at = size.outage
    rate = 2000
    count = rate * seconds
    with make(with_link=True) as system:
        warm_up(system)

        def break_it(sink):
            start = time.monotonic()

            def at(when):
                time.sleep(max(0.0, start + when - time.monotonic()))

            at(cut_at)
            system.link.cut()
            at(kill_at)
            system.kill_both_ends()
            at(restart_at)
            system.start_both_ends()
            at(back_at)
            system.link.restore()
            sink.mark_link_back()

        result = run_load(system, count, rate=rate, during=break_it, enough_after=5)
        acked = result["load"]["acked"]
        kept = system.verify(result["ledger_path"], FIRST_N)
        result["history"] = kept
        figures = {
            "outage_acked": acked,
            "outage_lost": kept["lost"] if kept else acked - result["received"],
            "outage_duplicated": kept["duplicated"] if kept else result["duplicated"],
        }
        if "fresh_s" in result:
            figures["fresh_s"] = result["fresh_s"]
        return figures, result


TESTS = {"throughput": throughput, "wire": wire, "latency": latency, "outage": outage}


def run_micro(bin_dir):
    """Google benchmarks of the code that every sample or document goes through."""
    results = {}
    for program in sorted(glob.glob(os.path.join(bin_dir, "mvmd_*_benchmark"))):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            subprocess.run([program, f"--benchmark_out={file.name}", "--benchmark_out_format=json"], check=True)
            results[os.path.basename(program)] = json.load(file)["benchmarks"]
    return results


def disk():
    """What a durable append costs here, in ms: the floor of what is acknowledged after an fsync."""
    took = []
    with tempfile.NamedTemporaryFile(prefix="mvmd-bench-") as file:
        for _ in range(500):
            begin = time.perf_counter()
            os.write(file.fileno(), b"x" * 4096)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - begin) * 1000)
    took.sort()
    return {"fdatasync_p50_ms": round(took[len(took) // 2], 3), "fdatasync_p99_ms": round(took[len(took) * 99 // 100], 3)}


def machine():
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    memory_kib = int(next(line for line in open("/proc/meminfo", encoding="ascii")).split()[1])
    return {"cpu": model, "cores": os.cpu_count(), "memory_gib": round(memory_kib / 2**20, 1),
            "kernel": platform.release(),
            "load_before": os.getloadavg()[0], **disk()}


def medians(runs):
    """runs: list of {system, figures} -> {system: {figure: {median, values}}}"""
    collected = {}
    for run in runs:
        for figure, value in run["figures"].items():
            collected.setdefault(run["system"], {}).setdefault(figure, []).append(value)
    return {system: {figure: {"median": statistics.median(values), "values": values} for figure, values in figures.items()}
            for system, figures in collected.items()}


def met(key, bar, results):
    """True, False, or None when there is no bar or nothing to compare."""
    value = results.get("product", {}).get(key)
    if value is None or bar is None:
        return None
    if bar == "> mosquitto":
        peer = results.get("mosquitto", {}).get(key)
        return None if peer is None else value["median"] > peer["median"]
    return value["median"] <= bar


def table(results, systems):
    rows = [["figure", "bar", *(SYSTEMS[name].name for name in systems), "met"]]
    for key, label, bar, decimals in FIGURES:
        if not any(key in results.get(name, {}) for name in systems):
            continue
        cells = []
        for name in systems:
            figure = results.get(name, {}).get(key)
            if figure is None:
                cells.append("-")
                continue
            low, high = min(figure["values"]), max(figure["values"])
            text = f"{figure['median']:,.{decimals}f}"
            if low != high:
                text += f" ({low:,.{decimals}f} to {high:,.{decimals}f})"
            cells.append(text)
        verdict = {True: "yes", False: "NO", None: ""}[met(key, bar, results)]
        bar_text = "" if bar is None else bar if isinstance(bar, str) else f"<= {bar}"
        rows.append([label, bar_text, *cells, verdict])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def say(text):
    print(text, file=sys.stderr, flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build_dir", help="build tree with bin/")
    parser.add_argument("tests", nargs="*", help=f"of {', '.join(TESTS)}, micro; default: all but micro")
    parser.add_argument("--quick", action="store_true", help="one short repetition, about 2 minutes")
    parser.add_argument("--smoke", action="store_true", help="this project only, 2 seconds a test: does the bench work?")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="of " + ", ".join(SYSTEMS))
    parser.add_argument("--output", default=os.path.join(ROOT, "build", "bench-results.json"))
    arguments = parser.parse_intermixed_args()
    for test in arguments.tests:
        if test not in TESTS and test != "micro":
            parser.error(f"no test {test}; there are {', '.join(TESTS)} and micro")
    for name in arguments.systems.split(","):
        if name not in SYSTEMS:
            parser.error(f"no system {name}; there are {', '.join(SYSTEMS)}")
    return arguments


def run_all(make_of, tests, systems, size, repetitions):
    """(runs, number of those that failed)"""
    begin = time.monotonic()
    runs = []
    failures = 0
    for test in tests:
        for repetition in range(repetitions):
            for name in systems:
                try:
                    figures, details = TESTS[test](make_of(name), size)
                except (BenchError, OSError, ValueError, subprocess.SubprocessError) as error:
                    say(f"{test} {repetition + 1} of {SYSTEMS[name].name} failed: {error}")
                    failures += 1
                    continue
                runs.append({"test": test, "system": name, "repetition": repetition, "figures": figures, "details": details})
                say(f"[{time.monotonic() - begin:4.0f} s] {test} {repetition + 1}/{repetitions} {SYSTEMS[name].name}: " +
                    ", ".join(f"{key} {value:g}" for key, value in figures.items()))
    return runs, failures


def main():
    arguments = parse_arguments()
    bin_dir = os.path.join(arguments.build_dir, "bin")
    size = SMOKE if arguments.smoke else QUICK if arguments.quick else FULL
    repetitions = arguments.repetitions or size.repetitions
    tests = arguments.tests or (["throughput", "outage"] if arguments.smoke else list(TESTS))
    systems = ["product"] if arguments.smoke else arguments.systems.split(",")
    for name in list(systems):
        if missing := SYSTEMS[name].missing(bin_dir):
            say(f"{SYSTEMS[name].name}: left out, {', '.join(missing)} not found")
            systems.remove(name)
            if name == "product" and tests != ["micro"]:
                return 1

    here = machine()
    say(", ".join(f"{key} {value}" for key, value in here.items()))
    if here["load_before"] > 0.5:
        say("the machine is busy with something else: figures of latency and throughput will be worse than they are")
    with tempfile.TemporaryDirectory(prefix="mvmd-bench-tls-") as tls:
        make_certificates(tls)
        runs, failures = run_all(lambda name: functools.partial(SYSTEMS[name], bin_dir, tls),
                                 [test for test in tests if test != "micro"], systems, size, repetitions)
    results = medians(runs)
    report = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "machine": here,
        "repetitions": repetitions,
        "figures": {key: {"label": label, "bar": bar, "met": met(key, bar, results)} for key, label, bar, _ in FIGURES},
        "results": results,
        "runs": runs,
    }
    if "micro" in tests:
        report["micro"] = run_micro(bin_dir)
    os.makedirs(os.path.dirname(os.path.abspath(arguments.output)), exist_ok=True)
    with open(arguments.output, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1)
    if results:
        print(table(results, systems))
    say(f"every repetition: {arguments.output}; {failures} failed")
    lost = sum(sum(results.get("product", {}).get(key, {"values": []})["values"])
               for key in ("outage_lost", "outage_duplicated"))
    return 1 if failures or lost else 0


if __name__ == "__main__":
    sys.exit(main())
