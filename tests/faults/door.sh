# What the rows about certificates and the listener (27 to 32) share. Sourced; then `row_begins NN "$@"`.
#
# Steps and logs go to standard error; standard output gets the one line of the result.
#
# shellcheck shell=bash
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/test_stack.sh"

ROW=

# Certificates, documents and configuration, in a folder that is gone afterwards; starts nothing.
row_begins() { # row, [folder of the binaries]
  ROW=$1
  exec 3>&1 1>&2
  trap end_test EXIT
  trap 'exit 130' INT TERM
  stack_create "$(mktemp -d "${TMPDIR:-/tmp}/mvmd-faults.XXXXXX")" "${2:-$STACK_ROOT/build/release/bin}" 1
  # So that what happens is seen soon.
  printf 'listener_check:\n  interval: 1s\n' >>"$STACK_DIR/gateway.yaml"
}

row_holds() { # what was found
  echo "row $ROW: holds: $*" >&3
}

start_all() {
  local program
  for program in broker gateway bridge; do
    stack_start "$program"
    stack_wait_ready "$program"
  done
}

pki() { "$STACK_ROOT/certs/make_dev_pki.sh" "$STACK_DIR/pki" "$@" >>"$STACK_DIR/logs/pki.log" 2>&1; }

# A certificate of the dev CA that make_dev_pki.sh would not make. Times: what `date -d` understands.
issue() { # name, subject alternative names (none: ''), extended key usage (none: ''), from, to
  local dir=$STACK_DIR/pki work
  work=$(mktemp -d "$STACK_DIR/issue.XXXXXX")
  : >"$work/index.txt"
  cat >"$work/ca.cnf" <<CNF
[ca]
default_ca = ca_of_tests
[ca_of_tests]
database = $work/index.txt
new_certs_dir = $work
certificate = ${ISSUER:-$dir/ca}.crt
private_key = ${ISSUER:-$dir/ca}.key
default_md = sha256
rand_serial = yes
policy = any
[any]
commonName = supplied
CNF
  {
    echo "basicConstraints = critical,CA:FALSE"
    [ -z "$2" ] || echo "subjectAltName = $2"
    [ -z "$3" ] || echo "extendedKeyUsage = $3"
  } >"$work/ext"
  (
    umask 077
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/key" 2>/dev/null
  )
  openssl req -new -key "$work/key" -subj "/CN=$1" -out "$work/csr"
  openssl ca -batch -notext -config "$work/ca.cnf" -in "$work/csr" -out "$work/crt" -extfile "$work/ext" \
    -startdate "$(date -u -d "$4" +%Y%m%d%H%M%SZ)" -enddate "$(date -u -d "$5" +%Y%m%d%H%M%SZ)" 2>>"$STACK_DIR/logs/pki.log" ||
    fail_test "openssl could not issue $1"
  mv -f "$work/key" "$dir/$1.key"
  mv -f "$work/crt" "$dir/$1.crt"
  rm -rf "$work"
}

# Text of /metrics of a daemon; nothing when it does not answer.
metrics() { # gateway or bridge
  local port=$STACK_GATEWAY_OPS_PORT
  [ "$1" = gateway ] || port=$STACK_BRIDGE_OPS_PORT
  (exec 4<>"/dev/tcp/127.0.0.1/$port" && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&4 && cat <&4) 2>/dev/null || true
}

# The sum of a metric's series, 0 when there is none.
metric() { # gateway or bridge, name without prefix
  metrics "$1" | awk -v name="mvmd_$1_$2" '{ split($1, part, "{"); if (part[1] == name) sum += $2 } END { print sum + 0 }'
}

metric_at_least() { [ "$(metric "$1" "$2")" -ge "$3" ]; }
metric_is() { [ "$(metric "$1" "$2")" = "$3" ]; }

# Lines of a daemon's log with this in them.
log_count() { # gateway, bridge or broker; regular expression
  grep -Ec -- "$2" "$STACK_DIR/logs/$1.log" || true
}

log_has_more() { [ "$(log_count "$1" "$2")" -gt "$3" ]; }
log_has() { [ "$(log_count "$1" "$2")" -gt 0 ]; }

# A TLS client that is no gRPC: is it let in? Then the gateway begins with a SETTINGS frame of HTTP/2; with TLS 1.3 the end of
# the handshake, and even a ticket, says nothing yet. What OpenSSL tells is in $output.
door_opens() { # base name of certificate and key, [option of s_client...]
  local base=$1 said=$STACK_DIR/door.out
  shift
  { sleep 2; } | timeout 20 openssl s_client -connect "127.0.0.1:$STACK_GATEWAY_PORT" -alpn h2 -CAfile "$STACK_DIR/pki/ca.crt" \
    -cert "$STACK_DIR/pki/$base.crt" -key "$STACK_DIR/pki/$base.key" "$@" >"$said" 2>&1 || true
  output=$(tr -d '\000-\010\013-\037\177-\377' <"$said")
  LC_ALL=C grep -qaP '\x04\x00\x00\x00\x00\x00' "$said"
}

publish_for() { # seconds
  stack_start plant --seconds "$1" --ledger "$STACK_DIR/ledger.json"
}

# Waits for the plant, and for all that it published; the ledger in one line is $ledger.
ledger_holds() {
  wait "${STACK_PIDS[plant]}" || fail_test "the plant failed"
  unset "STACK_PIDS[plant]"
  ledger=$(stack_check_ledger "$STACK_DIR/ledger.json") || fail_test "the ledger does not hold: $ledger"
  ledger=$(awk '{ printf "%s%s %s", comma, $1, $2; comma = ", " }' <<<"$ledger")
}
