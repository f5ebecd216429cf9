#!/usr/bin/env bash
# The disk refuses an fsync: no PUBACK, no second try, the process ends; started again, nothing is missing.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 7 "fsync fails" "${1:-}"
row_needs strace
row_start broker gateway

step "the bridge under strace; from its 30th fdatasync on each fails"
# -D: the bridge stays a child of this shell, and strace is apart.
strace -D -f -qq -e trace=fsync,fdatasync -e inject=fsync,fdatasync:error=EIO:when=30+ -o "$STACK_DIR/strace" \
  "$STACK_BIN/mvmd-bridge" "$STACK_DIR/bridge.yaml" >>"$STACK_DIR/logs/bridge.log" 2>&1 </dev/null &
STACK_PIDS[bridge]=$!
stack_wait_ready bridge
row_plant 6 2
eventually 30 bash -c "! kill -0 ${STACK_PIDS[bridge]}"
code=0
wait "${STACK_PIDS[bridge]}" || code=$?
unset "STACK_PIDS[bridge]"
[ "$code" -eq 1 ] || fail_test "the bridge ended with $code, expected 1"
row_log_has bridge "can no longer be made durable" || fail_test "the log does not say why"
failed=$(grep -c "INJECTED" "$STACK_DIR/strace")
[ "$failed" -eq 1 ] || fail_test "fsync was tried $failed times after it had failed once: $(grep INJECTED "$STACK_DIR/strace")"

step "started again: what was not PUBACKed comes again"
row_start bridge
row_plant_ends
eventually 30 row_metric_is bridge mvmd_bridge_outbox_rows 0
stack_check_ledger "$LEDGER" || fail_test "the ledger does not hold"
row_judge --none-lost
row_holds "one fsync failed and none was tried after it, the bridge ended with 1"
