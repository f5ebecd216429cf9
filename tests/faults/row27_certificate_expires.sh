#!/usr/bin/env bash
# Row 27: a bridge's certificate expires in mid-stream. The stream ends, the renewed one is taken without a restart.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins 27 "$@"

step "a bridge with a certificate for 12 s"
issue bridge-robots URI:spiffe://plant.example/bridge/robots clientAuth "-1 minute" "+12 seconds"
start_all
publish_for 15

step "it is renewed while the stream is open: nobody notices"
pki --issue bridge:robots
eventually 10 log_has bridge "certificates read again"
metric_is gateway sessions_opened_total 1 || fail_test "the renewal ended the stream"

step "the old one expires: the stream ends, and comes back with the new one"
eventually 20 metric_is gateway sessions_opened_total 2
log_has gateway "session ended.*CERTIFICATE_EXPIRED" || fail_test "the gateway does not say why the stream ended"
log_has bridge "uplink stream ended.*CERTIFICATE_EXPIRED" || fail_test "the bridge does not know why the stream ended"
metric_is gateway 'streams_ended_total' 1 || fail_test "more streams were ended"
ledger_holds
row_holds "stream ended with CERTIFICATE_EXPIRED, new certificate without a restart, sessions 2; $ledger"
