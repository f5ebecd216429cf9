#!/usr/bin/env bash
# Row 30: files that are half written, cut to nothing, or of another pair. The last good set stays, and it is told.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins 30 "$@"
start_all
publish_for 30
pki_dir=$STACK_DIR/pki
cp -a "$pki_dir" "$STACK_DIR/good"

restore() {
  local file
  for file in "$@"; do cat "$STACK_DIR/good/$file" >"$pki_dir/$file"; done
}

count=0
damaged() { # daemon, what, files...
  local daemon=$1 what=$2
  shift 2
  count=$((count + 1))
  eventually 15 metric_is "$daemon" certificate_refused 1
  [ "$(metric "$daemon" certificate_reload_failures_total)" -ge 1 ] || fail_test "$daemon, $what: not counted"
  stack_twinctl bridges >/dev/null || fail_test "$daemon, $what: the gateway does not serve any more"
  restore "$@"
  eventually 15 metric_is "$daemon" certificate_refused 0
  step "$daemon: $what: the last good set stays"
}

for side in gateway:gateway bridge:bridge-robots; do
  daemon=${side%%:*} name=${side#*:}
  : >"$pki_dir/$name.crt"
  damaged "$daemon" "certificate cut to nothing" "$name.crt"
  : >"$pki_dir/$name.key"
  damaged "$daemon" "key cut to nothing" "$name.key"
  head -c 300 "$STACK_DIR/good/$name.crt" >"$pki_dir/$name.crt"
  damaged "$daemon" "certificate half written" "$name.crt"
  cat "$STACK_DIR/good/client-plant.key" >"$pki_dir/$name.key"
  damaged "$daemon" "key of another pair" "$name.key"
  head -c 200 "$STACK_DIR/good/ca.crl" >"$pki_dir/ca.crl"
  damaged "$daemon" "revocation list half written" ca.crl
  log_has "$daemon" "certificates not read again, the last good ones stay" || fail_test "$daemon: nothing in the log"
done
metric_is gateway sessions_opened_total 1 || fail_test "the stream ended"
ledger_holds
row_holds "$count damages, none taken, each told, the one stream open all the time; $ledger"
