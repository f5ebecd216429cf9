#!/usr/bin/env bash
# A source's clock is a year ahead, then behind; the bridge's clock jumps: order intact, future times flagged, nothing dropped.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 26 "clock a year off, clock jumps" "$@"
fault_needs faketime mosquitto_pub
fault_stack 1
library=$(find /usr/lib -name libfaketimeMT.so.1 | head -n 1)
[ -n "$library" ] || fault_not_run "needs libfaketime"

step "the bridge's clock jumps by hours while samples come"
stack_stop bridge || fail_test "the bridge ended with $?"
echo "+0" >"$STACK_DIR/clock"
LD_PRELOAD=$library FAKETIME_TIMESTAMP_FILE=$STACK_DIR/clock FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1 stack_start bridge
stack_wait_ready bridge
fault_load 12 10
for jump in +3h -2h +20h +0; do
  sleep 2
  echo "$jump" >"$STACK_DIR/clock"
done
fault_judge

step "a source's clock is a year ahead, another's a year behind"
publish() { # sensor, time
  mosquitto_pub -h localhost -p "$STACK_BROKER_PORT" --cafile "$STACK_DIR/pki/ca.crt" --cert "$STACK_DIR/pki/client-plant.crt" \
    --key "$STACK_DIR/pki/client-plant.key" -q 1 -t "twins/twin-2024-001/sensors/$1" -m "{\"currentValue\": 7.25, \"timestamp\": \"$2\"}"
}
ahead=$(date -u -d '+1 year' +%Y-%m-%dT%H:%M:%SZ)
behind=$(date -u -d '-1 year' +%Y-%m-%dT%H:%M:%SZ)
publish temp-1 "$ahead"
publish pressure-1 "$behind"
is_kept() { stack_twinctl samples twin-2024-001 "$1" -o jsonl | grep -q "\"timestamp\":\"$2\",\"value\":7.25"; }
eventually 10 is_kept temp-1 "$ahead"
eventually 10 is_kept pressure-1 "$behind"
eventually 10 bash -c "$(declare -f stack_twinctl); STACK_BIN=$STACK_BIN STACK_DIR=$STACK_DIR; stack_twinctl bridges --issues | grep -q TIME_IN_FUTURE"
document=$(stack_twinctl get twin-2024-001 --raw)
grep -q "\"timestamp\":\"$behind\"" <<<"$document" && fail_test "the current value went back in time"
fault_holds "clock jumped by +3 h, -2 h, +20 h; a year ahead is kept and flagged, a year behind is kept and not current"
