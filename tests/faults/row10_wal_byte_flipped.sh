#!/usr/bin/env bash
# One byte in the middle of the gateway's write-ahead log is another: it refuses to start, names the file and the way out.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 10 "one byte of the RocksDB WAL flipped" "$@"
fault_needs python3
fault_stack 1
fault_load 6 10
fault_judge
stack_kill gateway
wal=$(find "$STACK_DIR/gateway" -name '*.log' -size +8k -printf '%s %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
[ -n "$wal" ] || fail_test "there is no WAL to damage"
python3 - "$wal" <<'PYTHON'
import os, sys
with open(sys.argv[1], "r+b") as file:
    file.seek(os.path.getsize(sys.argv[1]) // 3)
    byte = file.read(1)
    file.seek(-1, os.SEEK_CUR)
    file.write(bytes([byte[0] ^ 0x10]))
PYTHON
code=0
output=$(timeout 30 "$STACK_BIN/mvmd-gateway" "$STACK_DIR/gateway.yaml" 2>&1) || code=$?
[ "$code" -eq 1 ] || fail_test "the gateway ended with $code, expected 1: $output"
expect_match "$output" "STORE_DAMAGED|DATA_LOSS"
expect_match "$output" "$STACK_DIR/gateway|${wal##*/}"
expect_match "$output" "ACCEPT_LOSS|backup"
fault_holds "refused to start: $(grep -o 'cannot start.*' <<<"$output" | head -c 160)"
