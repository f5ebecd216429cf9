#!/usr/bin/env bash
# The broker is restarted, then killed: a restart loses nothing; what a killed broker forgets is the broker's own loss, and
# everything that reached the bridge is there once.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 20 "broker restarted, broker killed" "$@"
fault_stack 1

step "restarted with SIGTERM, three times"
fault_load 14 10
for _ in 1 2 3; do
  fault_pause 1000 3000
  stack_stop broker || fail_test "the broker ended with $?"
  stack_start broker
  stack_wait_ready broker
done
fault_judge
restarted=$FAULT_FIGURES

step "killed, three times"
before=$(fault_metric bridge mvmd_bridge_samples_total)
committed_before=$(stack_committed)
FAULT_LEDGER=$STACK_DIR/ledger-killed.json
stack_start plant --seconds 14 --rate-factor 10 --seed 2 --ledger "$FAULT_LEDGER"
for _ in 1 2 3; do
  fault_pause 1000 3000
  stack_kill broker
  stack_start broker
  stack_wait_ready broker
done
wait "${STACK_PIDS[plant]}" || fail_test "the plant failed"
unset "STACK_PIDS[plant]"
is_empty() { fault_metric_is bridge mvmd_bridge_uplink_rows_in_flight 0 && [ "$(stack_committed)" -ge "$(fault_metric bridge mvmd_bridge_samples_total)" ]; }
eventually 30 is_empty
reached=$(($(fault_metric bridge mvmd_bridge_samples_total) - before))
committed=$(($(stack_committed) - committed_before))
[ "$committed" -eq "$reached" ] || fail_test "$reached samples reached the bridge, $committed were committed"
acked=$(sed -n '1s/.*"acked":\([0-9]*\).*/\1/p' "$FAULT_LEDGER")
stack_read_back >"$STACK_DIR/samples.jsonl"
"$STACK_BIN/mvmd-plant" check-ledger "$FAULT_LEDGER" <"$STACK_DIR/samples.jsonl" >"$STACK_DIR/verdict" || true
lost=$(awk '$1 == "lost" { print $2 }' "$STACK_DIR/verdict")
FAULT_FIGURES=
fault_holds "restarted: $restarted; killed: $acked PUBACKed by the broker, $lost of them forgotten by it, $reached reached the bridge, $committed committed"
