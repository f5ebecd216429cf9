#!/usr/bin/env bash
# A daemon stops for longer than every keepalive, and goes on: fenced or resumed, nothing applied twice.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 6 "process frozen for longer than the keepalive" "$@"
fault_stack 1
# MQTT's keepalive (30 s) and gRPC's (20 s and 10 s) are over after 50 s.
freeze_seconds=${FAULT_FREEZE_SECONDS:-50}
fault_load $((freeze_seconds * 2 + 10)) 5
for daemon in bridge gateway; do
  sleep 2
  kill -STOP "${STACK_PIDS[$daemon]}"
  sleep "$freeze_seconds"
  kill -CONT "${STACK_PIDS[$daemon]}"
done
fault_ready
fault_judge
fault_holds "bridge and gateway frozen for $freeze_seconds s each, one after the other"
