#!/usr/bin/env bash
# Packets are lost, connections are reset again and again, the link has 100 kbit/s: memory stays bounded, nothing is lost.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 18 "10 % loss, RST storm, 100 kbit/s" "$@"
fault_needs root nft tc ss
fault_own_network
fault_stack 1
memory() { fault_metric "$1" process_resident_memory_bytes; }
gateway_port=$STACK_GATEWAY_PORT
bridge_before=$(memory bridge) gateway_before=$(memory gateway)
fault_load 45 10

step "10 % of the packets are lost"
nft add table inet fault
nft 'add chain inet fault input { type filter hook input priority 0; }'
nft add rule inet fault input tcp dport "$gateway_port" numgen random mod 10 == 0 drop
nft add rule inet fault input tcp sport "$gateway_port" numgen random mod 10 == 0 drop
sleep 12
nft flush chain inet fault input

step "connections are reset, ten times a second"
resets=0
for _ in $(seq 100); do
  nft add rule inet fault input tcp dport "$gateway_port" reject with tcp reset
  nft flush chain inet fault input
  ss -K dport = ":$gateway_port" >/dev/null 2>&1 || true
  resets=$((resets + 1))
  sleep 0.1
done

step "the link has 100 kbit/s"
tc qdisc add dev lo root handle 1: htb default 10
tc class add dev lo parent 1: classid 1:10 htb rate 10gbit
tc class add dev lo parent 1: classid 1:20 htb rate 100kbit
nft 'add chain inet fault output { type filter hook output priority 0; }'
nft add rule inet fault output tcp dport "$gateway_port" meta priority set 1:20
nft add rule inet fault output tcp sport "$gateway_port" meta priority set 1:20
sleep 12
nft flush chain inet fault output
tc qdisc del dev lo root
connects=$(fault_metric bridge mvmd_bridge_uplink_connects_total)
fault_judge
bridge_grown=$((($(memory bridge) - bridge_before) >> 20)) gateway_grown=$((($(memory gateway) - gateway_before) >> 20))
[ "$bridge_grown" -lt 128 ] || fail_test "the bridge has grown by $bridge_grown MiB"
[ "$gateway_grown" -lt 256 ] || fail_test "the gateway has grown by $gateway_grown MiB"
fault_holds "$resets resets, $connects connections; bridge grew by $bridge_grown MiB, gateway by $gateway_grown MiB"
