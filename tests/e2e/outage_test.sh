#!/usr/bin/env bash
# Nothing is lost and nothing doubled when gateway and bridge are killed, at once and in turn.
set -euo pipefail
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/test_stack.sh"

begin_test "$1" 2
ledger=$STACK_DIR/ledger.json

step "a plant of two machines at five times their rate, 650 samples a second"
stack_start plant --seconds 14 --rate-factor 5 --ledger "$ledger"
eventually 10 stack_twinctl get twin-2024-002
sleep 1

step "gateway killed, then the bridge, back in the other order"
stack_kill gateway
sleep 1
stack_kill bridge
sleep 1
stack_start gateway
sleep 0.5
stack_start bridge
stack_wait_ready gateway
stack_wait_ready bridge

step "both killed again, at other points"
for pause in 0.3 0.7 0.2; do
  sleep "$pause"
  stack_kill bridge
  stack_start bridge
  sleep "$pause"
  stack_kill gateway
  stack_start gateway
done
stack_wait_ready gateway
stack_wait_ready bridge

step "the plant ends"
wait "${STACK_PIDS[plant]}" || fail_test "the plant failed"
unset "STACK_PIDS[plant]"
stack_check_ledger "$ledger" || fail_test "the ledger does not hold"

step "the document shows the last values, and its bytes have its etag"
for twin in twin-2024-001 twin-2024-002; do
  document=$(stack_twinctl get "$twin" --raw)
  last=$(sed -n "s/.*\"twin\":\"$twin\",\"sensor\":\"motion-1\".*\"lastTimestamp\":\"\([^\"]*\)\".*/\1/p" "$ledger")
  expect_match "$document" "\"id\":\"motion-1\",[^}]*\"timestamp\":\"$last\""
  etag=$(stack_twinctl get "$twin" | awk '$1 == "etag" { print $2 }')
  [ "$etag" = "$(stack_twinctl get "$twin" --raw | "$STACK_BIN/twinctl" canonicalize --digest -)" ] ||
    fail_test "the etag of $twin is not the digest of its bytes"
done

step "SIGTERM ends the daemons cleanly"
stack_stop bridge || fail_test "the bridge ended with $?"
stack_stop gateway || fail_test "the gateway ended with $?"
