#!/usr/bin/env bash
# Row 29: a certificate is revoked; then its TLS session is resumed, where OpenSSL itself checks nothing.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins 29 "$@"
start_all

step "a session, and the same resumed"
door_opens bridge-robots -sess_out "$STACK_DIR/session" || fail_test "a good certificate is refused: $output"
door_opens bridge-robots -sess_in "$STACK_DIR/session" || fail_test "the session cannot be resumed: $output"
expect_match "$output" "Reused, TLSv1.3"

step "revoked: the list is taken without a restart, and the bridge's stream ends"
pki --revoke bridge-robots
eventually 10 log_has gateway "session ended.*CERTIFICATE_REVOKED"
! door_opens bridge-robots -sess_in "$STACK_DIR/session" || fail_test "a resumed session of a revoked certificate was let in"
expect_match "$output" "Reused, TLSv1.3"
! door_opens bridge-robots || fail_test "a revoked certificate was let in"
eventually 15 log_has gateway "peer refused.*is revoked"
stack_twinctl bridges >/dev/null || fail_test "others are refused as well"
row_holds "stream ended with CERTIFICATE_REVOKED, resumed and new sessions refused, others let in"
