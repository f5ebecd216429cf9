#!/usr/bin/env bash
# Rows of the outbox are damaged: each is set aside and told by a gap, the rest goes on.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 12 "outbox row damaged" "${1:-}" 2
row_needs sqlite3 python3
row_start broker gateway bridge
eventually 10 stack_twinctl get twin-2024-002
stack_kill gateway
row_plant 5 5
row_plant_ends
eventually 30 row_taken
stack_stop bridge

step "three rows of samples get other bytes"
rows=$(sqlite3 "$OUTBOX" "SELECT count(*) FROM rows WHERE kind = 1")
[ "$rows" -ge 10 ] || fail_test "expected a backlog, got $rows rows of samples"
damaged=$(sqlite3 "$OUTBOX" "SELECT group_concat(seq, ' ') FROM (SELECT seq FROM rows WHERE kind = 1 ORDER BY seq LIMIT 3 OFFSET 4)")
for seq in $damaged; do
  sqlite3 "$OUTBOX" "UPDATE rows SET frame = randomblob(length(frame)) WHERE seq = $seq"
done
expect_code 2 "$STACK_BIN/mvmd-bridge" outbox verify "$OUTBOX"
for seq in $damaged; do expect_match "$output" "^row $seq "; done

step "the bridge and the gateway go on"
row_start gateway bridge
row_judge --reason DAMAGED_ROW
eventually 10 row_metric_is bridge 'mvmd_bridge_gaps_total{reason="DAMAGED_ROW"}' 3
expect_code 0 "$STACK_BIN/mvmd-bridge" outbox export --quarantine "$OUTBOX"
[ "$(grep -c '"damaged":true' <<<"$output")" -eq 3 ] || fail_test "expected 3 rows in quarantine: $output"
expect_code 0 stack_twinctl gaps twin-2024-001 -o jsonl
expect_match "$output" '"reason":"DAMAGED_ROW"'
row_holds "3 of $rows rows damaged, each set aside"
