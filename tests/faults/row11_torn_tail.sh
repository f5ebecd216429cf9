#!/usr/bin/env bash
# The last write of the gateway's log was torn by a crash: it starts, and nothing that was committed is missing.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 11 "torn tail of the RocksDB WAL" "$@"
fault_stack 1
times=${FAULT_TIMES:-5}
fault_load $((times * 3 + 2)) 10
for ((i = 0; i < times; i++)); do
  fault_pause 500 1500
  stack_kill gateway
  # A record that was begun and never finished: what a crash within a write leaves behind what is durable.
  wal=$(find "$STACK_DIR/gateway" -name '*.log' -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
  head -c $((1 + RANDOM % 300)) /dev/urandom >>"$wal"
  stack_start gateway
  stack_wait_ready gateway
done
fault_ready
fault_judge
fault_holds "$times torn tails"
