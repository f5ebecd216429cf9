#!/usr/bin/env bash
# Two bridges with copies of one outbox and one identity: one is served, the other is refused and says why.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 15 "outbox cloned, two bridges" "${1:-}" 2
row_needs python3
row_start broker gateway bridge
row_plant 3 3
row_plant_ends
eventually 20 row_drained
stack_stop bridge || fail_test "the bridge ended with $?"

step "a clone of the machine: the same files, the same certificate"
cp -r "$STACK_DIR/bridge" "$STACK_DIR/clone"
clone_port=$(stack_free_port)
sed -e 's|path: bridge/outbox.db|path: clone/outbox.db|' -e 's|mvmd-bridge-robots|mvmd-bridge-clone|' \
  -e "s|127.0.0.1:$STACK_BRIDGE_OPS_PORT|127.0.0.1:$clone_port|" "$STACK_DIR/bridge.yaml" >"$STACK_DIR/clone.yaml"
row_start bridge
eventually 10 row_metric_is bridge mvmd_bridge_uplink_streaming 1
# What it sends confirms that it has the nonce of this session; until then the one before is as good.
row_plant 2 3
row_plant_ends
eventually 20 row_drained
"$STACK_BIN/mvmd-bridge" "$STACK_DIR/clone.yaml" >>"$STACK_DIR/logs/clone.log" 2>&1 </dev/null &
STACK_PIDS[clone]=$!
row_plant 12 5
eventually 20 row_log_has clone "OUTBOX_CLONED\|old copy of one that is being served"
row_plant_ends
stack_running clone || fail_test "the clone ended"
ends=$(grep -c "uplink stream ended" "$STACK_DIR/logs/bridge.log" || true)
[ "$ends" -eq 0 ] || fail_test "the one that is served lost its stream $ends times"
row_judge --none-lost
refused=$(row_metric gateway mvmd_gateway_outboxes_refused_total)
[ "$refused" -ge 2 ] || fail_test "expected the clone to be refused again and again, got $refused"
expect_code 0 stack_twinctl bridges --issues
expect_match "$output" "OUTBOX_CLONED"
row_holds "the clone was refused $refused times, the other one never lost its stream"
