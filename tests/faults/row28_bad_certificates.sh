#!/usr/bin/env bash
# Row 28: certificates that are not what they should be are refused, with a reason in the log.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins 28 "$@"
start_all
robots=URI:spiffe://plant.example/bridge/robots

door_opens bridge-robots || fail_test "a good certificate is refused: $output"

refused() { # what, name, regular expression of the reason in the gateway's log
  local before
  before=$(log_count gateway "$3")
  ! door_opens "$2" || fail_test "$1: was let in"
  eventually 15 log_has_more gateway "$3" "$before"
  step "$1: refused"
}

issue no-san "" clientAuth "-1 hour" "+1 hour"
refused "no SAN" no-san "exactly one URI among its subject alternative names, got 0"
issue two-sans "$robots,URI:spiffe://plant.example/bridge/other" clientAuth "-1 hour" "+1 hour"
refused "two SANs" two-sans "exactly one URI among its subject alternative names, got 2"
issue not-spiffe URI:https://plant.example/bridge/robots clientAuth "-1 hour" "+1 hour"
refused "no SPIFFE name" not-spiffe "expected a SPIFFE name"
issue no-usage "$robots" "" "-1 hour" "+1 hour"
refused "no EKU" no-usage "is not for client authentication"
# OpenSSL finds these before our own checks, and says only so much.
openssl_says='certificate verify failed|CERTIFICATE_VERIFY_FAILED'
issue server-usage "$robots" serverAuth "-1 hour" "+1 hour"
refused "wrong EKU" server-usage "$openssl_says"
sleep 10 # the same line is written once in so long
issue expired "$robots" clientAuth "-2 hours" "-1 hour"
refused "expired" expired "$openssl_says"
sleep 10
issue too-early "$robots" clientAuth "+1 hour" "+2 hours"
refused "not yet valid" too-early "$openssl_says"
sleep 10
"$STACK_ROOT/certs/make_dev_pki.sh" "$STACK_DIR/other" --bridges robots >>"$STACK_DIR/logs/pki.log" 2>&1
ISSUER=$STACK_DIR/other/ca issue other-ca "$robots" clientAuth "-1 hour" "+1 hour"
refused "wrong CA" other-ca "$openssl_says"
[ "$(metric gateway sessions_opened_total)" = 1 ] || fail_test "somebody opened a session"
row_holds "8 kinds of bad certificates refused with a reason in the log, the good one let in"
