#!/usr/bin/env bash
# Bytes between bridge and gateway are flipped or change places: TLS refuses them, the connection is made anew, nothing else.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 19 "bytes flipped or reordered on the link" "$@"
fault_needs python3
fault_create 1
proxy_port=$(stack_free_port)
sed -i "s/^  target: .*/  target: localhost:$proxy_port/" "$STACK_DIR/bridge.yaml"
python3 "$(dirname "${BASH_SOURCE[0]}")/tcp_proxy.py" "$proxy_port" "$STACK_GATEWAY_PORT" --flip 0.01 --swap 0.01 --cut 0.003 \
  --seed "$FAULT_SEED" >"$STACK_DIR/logs/proxy.log" 2>&1 </dev/null &
STACK_PIDS[proxy]=$!
fault_start
fault_load 25 10
wait "${STACK_PIDS[plant]}" || fail_test "the plant failed"
unset "STACK_PIDS[plant]"
kill -USR1 "${STACK_PIDS[proxy]}"
fault_judge
stack_stop proxy || fail_test "the proxy failed"
done_by_proxy=$(grep flipped "$STACK_DIR/logs/proxy.log" | tail -n 1)
expect_match "$done_by_proxy" "[0-9]+ flipped"
fault_holds "$done_by_proxy"
