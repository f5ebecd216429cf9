#!/usr/bin/env bash
# The outbox's disk is full: the policy decides, drops become gaps, and it recovers by itself.
set -euo pipefail
# shellcheck source=tests/faults/gaps.sh
source "$(dirname "${BASH_SOURCE[0]}")/gaps.sh"
row_begin 8 "outbox disk full" "${1:-}" 2
row_needs root python3
mount -t tmpfs -o size=2m tmpfs "$STACK_DIR/bridge"
ROW_MOUNTS+=("$STACK_DIR/bridge")
# Messages do not wait for each other: many small rows fill the disk soon.
sed -i 's/^uplink:$/uplink:\n  linger: 0ms/' "$STACK_DIR/bridge.yaml"
cp "$STACK_DIR/bridge.yaml" "$STACK_DIR/blocking.yaml"

step "policy block: a disk of 2 MiB, and no gateway"
row_start broker gateway bridge
eventually 10 stack_twinctl get twin-2024-002
stack_kill gateway
row_plant 20 40
eventually 60 row_metric_reaches bridge mvmd_bridge_mqtt_pauses_total 1
step "full; then somebody else takes the rest of the disk"
dd if=/dev/zero of="$STACK_DIR/bridge/other" bs=4k 2>/dev/null || true
row_plant_ends
stack_running bridge || fail_test "the bridge ended"
row_start gateway
sleep 1
rm "$STACK_DIR/bridge/other"
eventually 60 row_drained
row_judge --none-lost
blocked=$figures

step "policy drop_oldest"
stack_stop bridge
rm -rf "$STACK_DIR"/bridge/*
row_outbox_config when_full drop_oldest
row_start bridge
eventually 20 row_drained
stack_kill gateway
row_plant 25 40
eventually 60 row_metric_reaches bridge mvmd_bridge_samples_dropped_total 1
row_plant_ends
eventually 30 row_taken
row_start gateway
row_judge --reason OUTBOX_FULL
dropped=$(row_metric bridge mvmd_bridge_samples_dropped_total)

step "and it goes on as if nothing had been"
before=$(row_metric bridge mvmd_bridge_samples_dropped_total)
row_plant 3 5
row_plant_ends
eventually 30 row_drained
[ "$(row_metric bridge mvmd_bridge_samples_dropped_total)" -eq "$before" ] || fail_test "it still drops"
row_holds "block: $blocked; drop_oldest: $dropped samples dropped"
