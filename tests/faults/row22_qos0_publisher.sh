#!/usr/bin/env bash
# Somebody publishes with QoS 0: the samples are taken, and counted as outside of the promise.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 22 "QoS 0 publisher" "$@"
fault_needs mosquitto_pub
fault_stack 1
seq 1 200 | sed 's/.*/{"currentValue": &}/' | mosquitto_pub -h localhost -p "$STACK_BROKER_PORT" --cafile "$STACK_DIR/pki/ca.crt" \
  --cert "$STACK_DIR/pki/client-plant.crt" --key "$STACK_DIR/pki/client-plant.key" -q 0 -l -t twins/twin-2024-001/sensors/temp-1
eventually 10 fault_metric_reaches bridge mvmd_bridge_messages_qos0_total 200
has_all() { [ "$(stack_twinctl samples twin-2024-001 temp-1 -o jsonl | grep -c '"timestamp"')" -eq 200 ]; }
eventually 10 has_all
fault_holds "200 messages counted in mvmd_bridge_messages_qos0_total"
