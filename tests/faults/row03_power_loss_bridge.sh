#!/usr/bin/env bash
# The edge gateway's power fails: what its disk was not told to keep is gone. The outbox is on an ext4 of its own.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 3 "power loss of the bridge" "$@"
fault_needs root mkfs.ext4 python3
fault_create 1
fault_mount "$STACK_DIR/bridge" 64
fault_start

times=${FAULT_TIMES:-10}
# Beside the plant of the ledger, which is the judge.
fault_load $((times * 2 + 2)) 10
for ((i = 0; i < times; i++)); do
  fault_pause 100 1500
  fault_power_loss "$STACK_DIR/bridge" bridge
  stack_start bridge
  stack_wait_ready bridge
done
fault_judge
fault_holds "power cut $times times"
