#!/usr/bin/env python3
"""How soon current values are back after a long outage, and how fast the backlog drains beside them.

The link is cut; a million samples pile up in the outbox; the link comes back while new samples are published. Measured in one run with the
throughput of the same stack when nothing is wrong:

  fresh_s       from the link's return until every sensor shows a value that was published after it (bar: under 2 s)
  drained_s     until the gateway has as many samples as the backlog had, whatever else it took meanwhile
  ratio         samples a second of that time, by those of the undisturbed run (bar: at least a half)

usage: backlog.py BUILD_FOLDER [--samples 1000000] [--live-rate 1000]
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True  # this folder is sources only
from processes import BenchError, wait_until
from run_bench import FIRST_N, expect_all, run_load, warm_up
from systems import TOPICS, Product, make_certificates

FRESH_BAR_S = 2.0
RATIO_BAR = 0.5
UNDISTURBED = 300_000


def metric(port, name):
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name)


def load(system, count, rate, first_n, ledger, limit):
    command = [system.program("load"), "--port", system.mqtt_port, "--count", count, "--rate", rate, "--topics", TOPICS, "--payload", "packed",
               "--first-n", first_n, "--limit", limit, "--ledger", system.path(ledger)]
    return subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)


def measure(system, samples, live_rate):
    warm_up(system)
    undisturbed = run_load(system, UNDISTURBED)
    expect_all(undisturbed, UNDISTURBED, "undisturbed")
    first_n = FIRST_N + UNDISTURBED // TOPICS

    def committed():
        return metric(system.gateway_ops_port, "mvmd_gateway_samples_total")

    before = committed()
    taken_before = metric(system.bridge_ops_port, "mvmd_bridge_samples_total")
    live_seconds = 30
    live = live_rate * live_seconds // TOPICS * TOPICS
    system.link.cut()
    sink = system.sink(True, samples + live, first_n, 60, 600)
    piling = load(system, samples, 0, first_n, "backlog", 300)
    piled = json.loads(piling.communicate(timeout=310)[0])
    wait_until(lambda: metric(system.bridge_ops_port, "mvmd_bridge_samples_total") - taken_before >= samples, "the bridge has the backlog", 60)
    rows = metric(system.bridge_ops_port, "mvmd_bridge_outbox_rows")
    backlog_bytes = metric(system.bridge_ops_port, "mvmd_bridge_outbox_bytes")

    publishing = load(system, live, live_rate, first_n + samples // TOPICS, "live", 120)
    time.sleep(1)
    system.link.restore()
    sink.mark_link_back()
    back = time.monotonic()
    while committed() - before < samples:
        if time.monotonic() - back > 300:
            raise BenchError(f"not drained after 300 s: {committed() - before} of {samples}")
        time.sleep(0.02)
    drained_s = time.monotonic() - back
    publishing.communicate(timeout=130)
    output, errors = sink.output(120)
    result = json.loads(output)
    ratio = samples / drained_s / undisturbed["rate"]
    return {
        "backlog_samples": samples, "backlog_rows": rows, "backlog_bytes": backlog_bytes, "piled_per_s": piled["rate"],
        "undisturbed_per_s": undisturbed["rate"], "fresh_s": result.get("fresh_s"), "drained_s": drained_s,
        "drained_per_s": samples / drained_s, "ratio": ratio, "received": result["received"], "expected": samples + live,
        "duplicated": result["duplicated"], "sink_log": errors.strip(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--live-rate", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tls = os.path.join(folder, "tls")
        make_certificates(tls)
        with Product(os.path.join(arguments.build, "bin"), tls, with_link=True) as system:
            figures = measure(system, arguments.samples // TOPICS * TOPICS, arguments.live_rate)
    print(json.dumps(figures, indent=1))
    good = figures["fresh_s"] is not None and figures["fresh_s"] < FRESH_BAR_S and figures["ratio"] >= RATIO_BAR
    good = good and figures["duplicated"] == 0 and figures["received"] == figures["expected"]
    print("within the bars" if good else "NOT WITHIN THE BARS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
