#!/usr/bin/env bash
# A watcher stops reading: it gets everything afterwards, or merged values if it asked for them; nobody else notices.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 35 "slow watcher" "$@"
fault_create 1
# A small window, so that the slow one falls out of it.
printf 'watch:\n  recent_bytes: 1MiB\n' >>"$STACK_DIR/gateway.yaml"
fault_start
fault_load 20 40
sleep 1
stack_twinctl watch --from-revision 1 -o jsonl >"$STACK_DIR/slow.jsonl" 2>>"$STACK_DIR/logs/slow.log" </dev/null &
STACK_PIDS[slow]=$!
stack_twinctl watch --latest -o jsonl >"$STACK_DIR/latest.jsonl" 2>>"$STACK_DIR/logs/latest.log" </dev/null &
STACK_PIDS[latest]=$!
sleep 1
kill -STOP "${STACK_PIDS[slow]}" "${STACK_PIDS[latest]}"
before=$(fault_metric gateway process_resident_memory_bytes)
sleep 12
lines=$(wc -l <"$STACK_DIR/watch.jsonl")
others_go_on() { [ "$(wc -l <"$STACK_DIR/watch.jsonl")" -gt "$lines" ]; }
eventually 4 others_go_on
grown=$((($(fault_metric gateway process_resident_memory_bytes) - before) >> 20))
[ "$grown" -lt 128 ] || fail_test "the gateway has grown by $grown MiB for a watcher that does not read"
kill -CONT "${STACK_PIDS[slow]}" "${STACK_PIDS[latest]}"
fault_judge
deadline=$((SECONDS + 60))
until python3 "$(dirname "${BASH_SOURCE[0]}")/watch_is_history.py" "$STACK_DIR/slow.jsonl" "$STACK_DIR/samples.jsonl" 2>/dev/null; do
  [ "$SECONDS" -lt "$deadline" ] || fail_test "the slow watcher does not get what it missed"
  sleep 0.5
done
told=$(grep -c '"change":"sample"' "$STACK_DIR/latest.jsonl")
[ "$told" -lt "$(wc -l <"$STACK_DIR/samples.jsonl")" ] || fail_test "nothing was merged for the watcher of the latest values"
fault_holds "stopped for 15 s: everything afterwards; LATEST got $told samples; gateway grew by $grown MiB"
