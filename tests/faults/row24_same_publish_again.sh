#!/usr/bin/env bash
# The broker sends the same PUBLISH again, marked DUP: one sample. The test's own broker speaks to the bridge's MQTT source.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 24 "the same PUBLISH again with DUP" "$@"
[ -x "$FAULT_BIN/bridge_test" ] || fault_not_run "needs $FAULT_BIN/bridge_test; ./run faults builds it"
output=$("$FAULT_BIN/bridge_test" --gtest_filter='Redelivery*:IntakeTest.*Redeliver*' 2>&1) || fail_test "$output"
passed=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' <<<"$output")
[ "${passed:-0}" -gt 0 ] || fail_test "no test was run: $output"
fault_holds "$passed cases: the same packet id with DUP and the same bytes is one sample, across reconnects and restarts"
