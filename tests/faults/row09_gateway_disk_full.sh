#!/usr/bin/env bash
# The gateway's disk fills up: reads go on, writes are refused as RESOURCE_EXHAUSTED, bridges wait; it recovers by itself.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 9 "gateway's disk full" "$@"
fault_needs root mkfs.ext4
fault_create 1
fault_mount "$STACK_DIR/gateway" 1024
fault_start
fault_load 20 10
eventually 10 stack_twinctl get twin-2024-001
sleep 3
dd if=/dev/zero of="$STACK_DIR/gateway/filler" bs=1M 2>/dev/null || true
write_is_refused() {
  local answer
  answer=$(stack_twinctl patch twin-2024-001 - <<<'{"description":"full"}' 2>&1) && return 1
  grep -q 'expected at least [0-9]* free bytes' <<<"$answer"
}
eventually 15 write_is_refused
stack_twinctl get twin-2024-001 >/dev/null || fail_test "reading does not go on"
stack_twinctl samples twin-2024-001 temp-1 --limit 5 >/dev/null || fail_test "reading history does not go on"
before=$(stack_committed)
sleep 3
waiting=$(fault_metric bridge mvmd_bridge_outbox_rows)
[ "$waiting" -gt 0 ] || fail_test "the bridge does not wait"
[ "$(stack_committed)" -eq "$before" ] || fail_test "something was committed to a full disk"
rm "$STACK_DIR/gateway/filler"
write_succeeds() { stack_twinctl patch twin-2024-001 - <<<'{"description":"room"}'; }
eventually 20 write_succeeds
fault_judge
fault_holds "reads went on, writes were refused, $waiting rows waited at the bridge, recovered by itself"
