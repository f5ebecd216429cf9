#!/usr/bin/env bash
# An experiment, no row: the certificates of gateway and bridge are renewed N times (50) under load. No stream ends because
# of it, nothing is refused.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins rotation "${1:-}"
times=${2:-50}
start_all
publish_for $((times * 2))
stack_twinctl watch -o jsonl >"$STACK_DIR/watch.jsonl" 2>"$STACK_DIR/watch.err" &
STACK_PIDS[watch]=$!

step "$times renewals of both certificates"
for ((i = 1; i <= times; ++i)); do
  pki --issue gateway:dev
  mv -f "$STACK_DIR/pki/gateway-dev.crt" "$STACK_DIR/pki/gateway.crt"
  mv -f "$STACK_DIR/pki/gateway-dev.key" "$STACK_DIR/pki/gateway.key"
  pki --issue bridge:robots
  for daemon in gateway bridge; do
    eventually 20 metric_at_least "$daemon" certificate_reloads_total "$i"
  done
  # New connections use the new certificates.
  stack_twinctl bridges >/dev/null || fail_test "refused after renewal $i"
done
stack_running watch || fail_test "the watch ended: $(cat "$STACK_DIR/watch.err")"
sessions=$(metric gateway sessions_opened_total)
connects=$(metric bridge uplink_connects_total)
ended=$(metric gateway streams_ended_total)
reloads="$(metric gateway certificate_reloads_total) + $(metric bridge certificate_reloads_total)"
kill "${STACK_PIDS[plant]}" 2>/dev/null || true
[ "$sessions $connects $ended" = "1 1 0" ] || fail_test "sessions $sessions, connects $connects, streams ended $ended"
echo "rotation: holds: $times renewals, sets taken $reloads, sessions $sessions, connects of the bridge $connects, streams ended $ended, changes watched $(wc -l <"$STACK_DIR/watch.jsonl")" >&3
