#!/usr/bin/env bash
# The outbox is restored from yesterday, with a backlog that the gateway has got since: detected, a new epoch, nothing twice.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 14 "outbox restored from yesterday" "${1:-}" 2
row_needs python3
row_start broker gateway bridge
row_plant 24 5
eventually 10 stack_twinctl get twin-2024-002
stack_kill gateway
sleep 2
stack_stop bridge || fail_test "the bridge ended with $?"

step "yesterday's copy has a backlog"
cp -r "$STACK_DIR/bridge" "$STACK_DIR/yesterday"
rows=$("$STACK_BIN/mvmd-bridge" outbox export "$OUTBOX" | grep -c '"kind":"block"')
[ "$rows" -gt 0 ] || fail_test "expected a backlog"
row_start gateway bridge
eventually 30 row_metric_is bridge mvmd_bridge_uplink_streaming 1
sleep 3
stack_stop bridge || true
step "the bridge comes up with the copy, while the gateway is away, and again"
stack_kill gateway
rm -rf "$STACK_DIR/bridge"
cp -r "$STACK_DIR/yesterday" "$STACK_DIR/bridge"
row_start bridge
sleep 2
stack_kill bridge
row_start bridge
sleep 1
row_start gateway
eventually 30 row_log_has bridge "outbox starts a new epoch"
row_log_has gateway "OUTBOX_STALE" || fail_test "the gateway does not say why"
row_plant_ends
row_judge --reason OUTBOX_LOST
expect_code 0 stack_twinctl bridges --issues
expect_match "$output" "OUTBOX_STALE"
row_holds "$rows rows of the copy were sent before, and were not taken twice"
