#!/usr/bin/env bash
# The outbox file is deleted with a backlog in it: a new epoch, everything is sent anew, a gap of unknown extent.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 13 "outbox deleted" "${1:-}" 2
row_needs python3
row_start broker gateway bridge
row_plant 12 5
eventually 10 stack_twinctl get twin-2024-002
sleep 2
epoch=$("$STACK_BIN/mvmd-bridge" outbox inspect "$OUTBOX" | sed 's/.*"epoch":"\([0-9]*\)".*/\1/')
stack_kill gateway
sleep 3
stack_kill bridge

step "rm"
rm "$OUTBOX" "$OUTBOX"-wal "$OUTBOX"-shm
row_start gateway bridge
row_plant_ends
row_judge --reason OUTBOX_LOST
now=$("$STACK_BIN/mvmd-bridge" outbox inspect "$OUTBOX" | sed 's/.*"epoch":"\([0-9]*\)".*/\1/')
[ "$now" -gt "$epoch" ] || fail_test "expected an epoch after $epoch, got $now"
expect_code 0 stack_twinctl gaps twin-2024-002
expect_match "$output" "OUTBOX_LOST"
row_holds "epoch $epoch, then $now"
