#!/usr/bin/env bash
# Bridge and gateway do not hear each other, both ways or one: noticed within two keepalives, resumed afterwards.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 17 "partition, one-way partition" "$@"
fault_needs root nft
fault_own_network
fault_stack 1
nft add table inet fault
nft 'add chain inet fault input { type filter hook input priority 0; }'
drop() { nft add rule inet fault input tcp "$1" "$STACK_GATEWAY_PORT" drop; }
heal() { nft flush chain inet fault input; }
is_noticed() { fault_metric_is bridge mvmd_bridge_uplink_streaming 0; }
is_back() { fault_metric_is bridge mvmd_bridge_uplink_streaming 1; }

# Of the channel: a ping each 20 s, 10 s for its answer; the stall of commits is noticed earlier while samples flow.
two_keepalives=60
fault_load 60 5
noticed=
for ways in "dport sport" dport sport; do
  sleep 2
  eventually 20 is_back
  begun=$SECONDS
  for way in $ways; do drop "$way"; done
  eventually "$two_keepalives" is_noticed
  noticed+="${noticed:+, }$ways after $((SECONDS - begun)) s"
  sleep 2
  heal
  eventually 20 is_back
done
fault_judge
fault_holds "noticed: $noticed"
