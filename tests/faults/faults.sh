# What the fault rows share: a stack, a load, a watcher, and the ledger as judge. Sourced by rowNN_*.sh.
#
#   fault_row 1 "bridge killed" "$@"          # $1: folder of the binaries; prints what is tried, and with which seed
#   fault_stack 1                             # one machine: broker, gateway and bridge, started and ready
#   fault_load 20 10                          # a plant for 20 s at 10 times its rate, and a watcher of everything
#   ...break something, mend it...
#   fault_judge                               # waits for the plant; ledger, watch and last values
#   fault_holds "40 kills of the bridge"      # the result line, with the ledger's figures
#
# What a row needs of the system it asks for with fault_needs; where that cannot be had the row ends with 77: not run.
#
# shellcheck shell=bash
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/../e2e/test_stack.sh"

FAULT_ROW=
FAULT_BIN=
FAULT_LEDGER=
FAULT_FIGURES=
FAULT_MOUNTS=()
FAULT_LOAD_OPTIONS=()
# Repetitions of what a row does many times; the row's own number when it is not set.
FAULT_TIMES=${FAULT_TIMES:-}
FAULT_SEED=${FAULT_SEED:-$((RANDOM * 32768 + RANDOM))}

fault_row() { # number, title, folder of the binaries
  FAULT_ROW=$1
  FAULT_BIN=${3:?usage: ${0##*/} FOLDER_OF_THE_BINARIES}
  RANDOM=$FAULT_SEED
  step "row $FAULT_ROW: $2 (FAULT_SEED=$FAULT_SEED)"
}

fault_needs() { # root, or commands
  local need
  for need in "$@"; do
    case $need in
      root) [ "$(id -u)" = 0 ] || fault_not_run "needs root" ;;
      *) PATH=$PATH:/usr/sbin:/sbin command -v "$need" >/dev/null || fault_not_run "needs $need; ./run faults installs it" ;;
    esac
  done
}

fault_not_run() {
  echo "row $FAULT_ROW: not run: $*"
  exit 77
}

# A network of its own, with nothing but loopback: rules there touch nobody else. Runs the row again inside; call it before
# anything is started.
fault_own_network() {
  [ -z "${FAULT_IN_NETWORK:-}" ] || return 0
  fault_needs root unshare ip
  export FAULT_IN_NETWORK=1 FAULT_SEED FAULT_TIMES
  # shellcheck disable=SC2016
  exec unshare --net -- bash -c 'PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && exec "$@"' network "$0" "$FAULT_BIN"
}

# Only the files; for rows that change them before the start.
fault_create() { # number of machines
  trap fault_end EXIT
  trap 'exit 130' INT TERM
  stack_create "$(mktemp -d "${TMPDIR:-/tmp}/mvmd-fault.XXXXXX")" "$FAULT_BIN" "$1"
  FAULT_LEDGER=$STACK_DIR/ledger.json
}

fault_start() {
  local program
  for program in broker gateway bridge; do
    stack_start "$program"
    stack_wait_ready "$program"
  done
}

fault_stack() { # number of machines
  fault_create "$1"
  fault_start
}

# FAULT_KEEP=1 leaves the folder for a look.
fault_end() {
  local code=$? mount
  trap - EXIT
  stack_stop_all
  for mount in "${FAULT_MOUNTS[@]}"; do umount -l "$mount" 2>/dev/null || true; done
  if [ "$code" -ne 0 ] && [ "$code" -ne 77 ]; then
    for log in "$STACK_DIR"/logs/*.log; do
      echo "--- ${log##*/}"
      tail -n 15 "$log"
    done
    echo "row $FAULT_ROW: DOES NOT HOLD (FAULT_SEED=$FAULT_SEED)"
  fi
  if [ -n "${FAULT_KEEP:-}" ]; then echo "kept: $STACK_DIR"; else rm -rf "$STACK_DIR"; fi
  exit "$code"
}

# A watcher of every change from the first on, through every outage.
fault_watch() {
  stack_twinctl watch --from-revision 1 -o jsonl >"$STACK_DIR/watch.jsonl" 2>>"$STACK_DIR/logs/watch.log" </dev/null &
  STACK_PIDS[watch]=$!
}

fault_load() { # seconds, times the document's rates
  fault_watch
  stack_start plant --seconds "$1" --rate-factor "$2" --seed "$FAULT_SEED" --ledger "$FAULT_LEDGER" "${FAULT_LOAD_OPTIONS[@]}"
}

fault_plant_runs() { stack_running plant; }

# A random number of seconds between two, in thousandths.
fault_pause() { # least, most, in milliseconds
  local ms=$(($1 + RANDOM % ($2 - $1 + 1)))
  sleep "$((ms / 1000)).$(printf %03d $((ms % 1000)))"
}

fault_ready() {
  stack_wait_ready gateway
  stack_wait_ready bridge
}

# The ledger holds, and the watch is the history.
fault_judge() {
  if [ -n "${STACK_PIDS[plant]:-}" ]; then
    wait "${STACK_PIDS[plant]}" || fail_test "the plant failed"
    unset "STACK_PIDS[plant]"
  fi
  stack_check_ledger "$FAULT_LEDGER" >"$STACK_DIR/verdict" || { cat "$STACK_DIR/verdict"; fail_test "the ledger does not hold"; }
  FAULT_FIGURES=$(awk '/^ +[A-Za-z]+ +[0-9]+/ { printf "%s%s %s", n++ ? ", " : "", $2, $1 }' "$STACK_DIR/verdict")
  if [ -n "${STACK_PIDS[watch]:-}" ]; then
    local deadline=$((SECONDS + 30)) differs=
    until differs=$(fault_watch_is_history 2>&1); do
      [ "$SECONDS" -lt "$deadline" ] || fail_test "the watch is not the history: $differs"
      sleep 0.5
    done
    kill "${STACK_PIDS[watch]}" 2>/dev/null || true
    wait "${STACK_PIDS[watch]}" 2>/dev/null || true
    unset "STACK_PIDS[watch]"
    FAULT_FIGURES+=", watch equals history"
  fi
}

fault_watch_is_history() {
  python3 "$(dirname "${BASH_SOURCE[0]}")/watch_is_history.py" "$STACK_DIR/watch.jsonl" "$STACK_DIR/samples.jsonl"
}

fault_holds() {
  echo "row $FAULT_ROW: holds: $*${FAULT_FIGURES:+; $FAULT_FIGURES}"
}

# Value of a metric of the bridge or the gateway; 0 when it is not there.
fault_metric() { # bridge or gateway, name
  local port=$STACK_BRIDGE_OPS_PORT
  [ "$1" = bridge ] || port=$STACK_GATEWAY_OPS_PORT
  python3 - "$port" "$2" <<'PYTHON'
import sys, urllib.request
port, name = sys.argv[1:]
try:
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
except OSError:
    text = ""
print(sum(int(float(line.rsplit(" ", 1)[1])) for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name))
PYTHON
}

fault_metric_is() { [ "$(fault_metric "$1" "$2")" -eq "$3" ]; }
fault_metric_reaches() { [ "$(fault_metric "$1" "$2")" -ge "$3" ]; }

# A file system of its own in a file, so that its power can be cut and its space used up.
fault_mount() { # folder, MiB
  local image=$STACK_DIR/${1##*/}.img
  fault_needs root mkfs.ext4 mount
  truncate -s "$2M" "$image"
  mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 "$image"
  mount -o loop "$image" "$1"
  FAULT_MOUNTS+=("$1")
}

# What was not on the disk is gone, as when the power fails; then the file system is mounted again. No process may have files
# open there but those that are killed with it.
fault_power_loss() { # folder, program
  local image=$STACK_DIR/${1##*/}.img
  python3 - "$1" <<'PYTHON'
import fcntl, os, struct, sys
EXT4_IOC_SHUTDOWN, NOLOGFLUSH = 0x8004587D, 2
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), EXT4_IOC_SHUTDOWN, struct.pack("I", NOLOGFLUSH))
PYTHON
  # It may have ended by itself: with a disk that fails there is nothing it could promise.
  stack_kill "$2" 2>/dev/null || true
  unset "STACK_PIDS[$2]"
  umount "$1"
  mount -o loop "$image" "$1"
}
