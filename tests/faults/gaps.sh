# What the rows about outboxes and gaps share. Sourced by row07_*.sh to row16_*.sh.
#
#   row_begin 12 "outbox row damaged" "$@"    # $1: folder of the binaries; makes the files, starts nothing
#   row_start broker gateway bridge           # and waits until each is ready
#   ...break something, mend it...
#   row_judge                                 # every sample is at the gateway, or told by a gap; sets $figures
#   row_holds "what was seen"                 # the one line on standard output
#
# shellcheck shell=bash
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/test_stack.sh"

ROW=
ROW_MOUNTS=()
figures=
# Standard output is for the result.
exec 3>&1 1>&2

row_begin() { # number, title, folder of the binaries, machines
  ROW=$1
  step "row $1: $2"
  trap row_end EXIT
  trap 'exit 130' INT TERM
  stack_create "$(mktemp -d "${TMPDIR:-/tmp}/mvmd-fault.XXXXXX")" \
    "$(realpath "${3:-$STACK_ROOT/build/release/bin}")" "${4:-1}"
  LEDGER=$STACK_DIR/ledger.json
  # shellcheck disable=SC2034  # for the rows
  OUTBOX=$STACK_DIR/bridge/outbox.db
}

row_needs() { # commands, or root
  local need
  for need in "$@"; do
    if [ "$need" = root ]; then
      [ "$(id -u)" = 0 ] || row_not_run "needs root"
    elif ! command -v "$need" >/dev/null; then
      { apt-get install -q -y --no-install-recommends "$need" && command -v "$need"; } >/dev/null 2>&1 ||
        row_not_run "needs $need"
    fi
  done
}

row_not_run() {
  echo "row $ROW: not run: $*" >&3
  exit 77
}

row_end() {
  local code=$? log mount
  trap - EXIT
  stack_stop_all
  for mount in "${ROW_MOUNTS[@]}"; do umount -l "$mount" 2>/dev/null || true; done
  if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
    for log in "$STACK_DIR"/logs/*.log; do
      echo "--- ${log##*/}"
      tail -n 20 "$log"
    done
    echo "row $ROW: DOES NOT HOLD" >&3
  fi
  if [ -n "${FAULT_KEEP:-}" ]; then echo "kept: $STACK_DIR"; else rm -rf "$STACK_DIR"; fi
  exit "$code"
}

row_start() { # programs
  local program
  for program in "$@"; do
    stack_start "$program"
    stack_wait_ready "$program"
  done
}

# A key of the bridge's `outbox`.
row_outbox_config() { # key, value
  sed -i "s|^  path: bridge/outbox.db|&\n  $1: $2|" "$STACK_DIR/bridge.yaml"
}

row_plant() { # seconds, times the document's rates
  stack_start plant --seconds "$1" --rate-factor "$2" --ledger "$LEDGER"
}

row_plant_ends() {
  wait "${STACK_PIDS[plant]}" || fail_test "the plant failed"
  unset "STACK_PIDS[plant]"
}

# Sum of a metric's series; nothing there is 0.
row_metric() { # bridge or gateway, name with or without labels
  local port=$STACK_BRIDGE_OPS_PORT
  [ "$1" = bridge ] || port=$STACK_GATEWAY_OPS_PORT
  python3 - "$port" "$2" <<'PYTHON'
import sys, urllib.request
port, wanted = sys.argv[1:]
try:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
except OSError:
    text = ""
series = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
print(int(sum(float(value) for name, value in series if name == wanted or name.split("{")[0] == wanted)))
PYTHON
}

row_metric_is() { [ "$(row_metric "$1" "$2")" -eq "$3" ]; }
row_metric_reaches() { [ "$(row_metric "$1" "$2")" -ge "$3" ]; }

# Everything that the bridge has is at the gateway.
row_drained() {
  row_metric_is bridge mvmd_bridge_outbox_rows 0 && row_metric_is bridge mvmd_bridge_uplink_streaming 1
}

# The broker has given the bridge all that the plant published, and the bridge has it on disk.
row_taken() {
  local acked
  acked=$(sed -n '1s/.*"acked":\([0-9]*\).*/\1/p' "$LEDGER")
  row_metric_reaches bridge mvmd_bridge_messages_total "${1:-$acked}"
}

row_log_has() { grep -q -- "$2" "$STACK_DIR/logs/$1.log"; } # program, text

# Every acknowledged sample is at the gateway once, in order, or in a gap. Arguments are those of gap_judge.py.
row_judge() {
  eventually 60 row_drained
  stack_read_back >"$STACK_DIR/samples.jsonl" || fail_test "the samples cannot be read"
  figures=$(python3 "$(dirname "${BASH_SOURCE[0]}")/gap_judge.py" "$LEDGER" "$STACK_DIR/samples.jsonl" "$@") ||
    fail_test "$figures"
}

row_holds() { echo "row $ROW: holds: $*${figures:+; $figures}" >&3; }
