#!/usr/bin/env bash
# The bridge is killed at random points, again and again.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 1 "bridge killed, kill -9 at random points" "$@"
fault_stack 2

times=${FAULT_TIMES:-12}
fault_load $((times + 3)) 10
for ((i = 0; i < times; i++)); do
  fault_pause 50 1200
  stack_kill bridge
  fault_pause 0 200
  stack_start bridge
done
fault_ready
fault_judge
fault_holds "$times kills"
