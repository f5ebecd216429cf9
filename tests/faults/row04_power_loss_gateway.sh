#!/usr/bin/env bash
# The cloud machine's power fails: what its disk was not told to keep is gone. The store is on an ext4 of its own.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 4 "power loss of the gateway" "$@"
fault_needs root mkfs.ext4 python3
fault_create 1
fault_mount "$STACK_DIR/gateway" 1024
fault_start

times=${FAULT_TIMES:-10}
fault_load $((times * 2 + 2)) 10
for ((i = 0; i < times; i++)); do
  fault_pause 100 1500
  before=$(stack_committed)
  fault_power_loss "$STACK_DIR/gateway" gateway
  stack_start gateway
  stack_wait_ready gateway
  # Nobody was ever told of a sample that is gone now.
  after=$(stack_committed)
  [ "$after" -ge "$before" ] || fail_test "the gateway told of $before samples, and has $after after the power loss"
done
fault_ready
fault_judge
fault_holds "power cut $times times"
