#!/usr/bin/env bash
# The gateway is restored from yesterday: what the bridge still has is sent again, the rest is a gap.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 16 "gateway restored from yesterday" "${1:-}" 2
row_needs python3
row_start broker gateway bridge
row_plant 20 5
eventually 10 stack_twinctl get twin-2024-002
sleep 3
stack_stop gateway || fail_test "the gateway ended with $?"
cp -r "$STACK_DIR/gateway" "$STACK_DIR/yesterday"
row_start gateway
eventually 20 row_metric_is bridge mvmd_bridge_uplink_streaming 1
sleep 4
stack_kill gateway

step "yesterday's store; the bridge has a backlog by now"
sleep 2
rm -rf "$STACK_DIR/gateway"
cp -r "$STACK_DIR/yesterday" "$STACK_DIR/gateway"
row_start gateway
eventually 30 row_log_has bridge "outbox starts a new epoch"
row_plant_ends
row_judge --reason GATEWAY_RESTORED
expect_code 0 stack_twinctl gaps twin-2024-001 -o jsonl
expect_match "$output" '"firstSeq":[0-9]+,"lastSeq":[0-9]+'
row_holds "the gap names the rows: $(sed -n 's/.*\("firstSeq":[0-9]*,"lastSeq":[0-9]*\).*/\1/p' <<<"$output" | head -n 1)"
