#!/usr/bin/env bash
# Row 31: connections until the gateway has no file descriptor left. It notices that its listener is dead, and exits to be
# restarted; nothing is lost.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins 31 "$@"

step "a gateway with few descriptors"
stack_start broker
stack_wait_ready broker
limit=100
(
  ulimit -n "$limit"
  exec "$STACK_BIN/mvmd-gateway" "$STACK_DIR/gateway.yaml" >>"$STACK_DIR/logs/gateway.log" 2>&1 </dev/null
) &
STACK_PIDS[gateway]=$!
stack_wait_ready gateway
stack_start bridge
stack_wait_ready bridge
publish_for 20

step "$((limit * 2)) connections, held for 5 s"
python3 - "$STACK_GATEWAY_PORT" "$((limit * 2))" <<'PY'
import socket, sys, time
held = []
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.settimeout(2)
    try:
        s.connect(("127.0.0.1", int(sys.argv[1])))
    except OSError:
        break
    held.append(s)
time.sleep(5)
PY

step "the gateway exits by itself"
began=$SECONDS
code=0
gateway=${STACK_PIDS[gateway]}
while kill -0 "$gateway" 2>/dev/null; do
  [ $((SECONDS - began)) -lt 60 ] || fail_test "it runs on with a dead listener"
  # The listener may have lived through it: then it serves, and that is fine too.
  ! log_has gateway "Failed accept4|accept4 failed|Too many open files" && [ $((SECONDS - began)) -gt 15 ] && break
  sleep 0.2
done
if kill -0 "$gateway" 2>/dev/null; then
  stack_twinctl bridges >/dev/null || fail_test "it neither serves nor exits"
  ledger_holds
  row_holds "the listener lived through it; $ledger"
  exit 0
fi
wait "$gateway" || code=$?
unset "STACK_PIDS[gateway]"
[ "$code" -eq 1 ] || fail_test "it ended with $code, expected 1"
log_has gateway "the listener did not answer" || fail_test "it does not say why"

step "restarted, as an orchestrator would"
stack_start gateway
stack_wait_ready gateway
ledger_holds
row_holds "listener dead, noticed, exit 1 after $((SECONDS - began)) s, restarted; $ledger"
