#!/usr/bin/env bash
# Retained messages come again with a subscription, here of a session that the broker has forgotten: no new sample.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 23 "retained messages again" "$@"
fault_needs mosquitto_pub
fault_stack 1
publish() {
  mosquitto_pub -h localhost -p "$STACK_BROKER_PORT" --cafile "$STACK_DIR/pki/ca.crt" --cert "$STACK_DIR/pki/client-plant.crt" \
    --key "$STACK_DIR/pki/client-plant.key" -q 1 -r -t twins/twin-2024-001/sensors/temp-1 -m "{\"currentValue\": $1}"
}
sample_count() { stack_twinctl samples twin-2024-001 temp-1 -o jsonl | grep -c '"timestamp"' || true; }
has_both() { [ "$(sample_count)" -eq 2 ]; }
publish 41
publish 42
eventually 10 has_both
for i in 1 2 3; do
  stack_stop bridge || fail_test "the bridge ended with $?"
  stack_stop broker || fail_test "the broker ended with $?"
  rm -f "$STACK_DIR"/broker/*
  stack_start broker
  stack_wait_ready broker
  publish 42
  stack_start bridge
  stack_wait_ready bridge
  # It is told with the subscription, and passed over.
  eventually 10 fault_metric_reaches bridge mvmd_bridge_retained_ignored_total 1
  [ "$(sample_count)" -eq 2 ] || fail_test "after subscription $i there are $(sample_count) samples, expected 2"
done
fault_holds "subscribed again 3 times, the retained message told each time, still 2 samples"
