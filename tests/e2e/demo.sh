#!/usr/bin/env bash
# The demonstration behind `./run demo`: one plant, one outage, and the ledger at the end.
set -euo pipefail
# shellcheck source=tests/e2e/stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/stack.sh"

usage() {
  cat <<'USAGE'
usage: ./run demo [--seconds N] [--machines N] [--keep]

  --seconds N    how long the plant runs (default: 30, at least 12)
  --machines N   how many machines it has (default: 1)
  --keep         leave everything up at the end, and say how to look around
USAGE
}

whole_number() { # option, value, least
  [[ $2 =~ ^[0-9]{1,7}$ && $2 -ge $3 ]] || { echo "error: $1: expected a number from $3 on, got '$2'" >&2; exit 2; }
}

BIN=$1
shift
seconds=30
machines=1
keep=false
while [ $# -gt 0 ]; do
  case $1 in
    --seconds | --machines)
      [ $# -ge 2 ] || { echo "error: $1: expected a number" >&2; exit 2; }
      printf -v "${1#--}" %s "$2"
      shift 2
      ;;
    --keep) keep=true; shift ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; echo "error: no option $1" >&2; exit 2 ;;
  esac
done
whole_number --seconds "$seconds" 12
whole_number --machines "$machines" 1

twin="twin-2024-001"
events=()
drawn_lines=0
summary=
state=

cleanup() {
  trap '' INT TERM HUP
  stack_stop_all
  [ -z "$STACK_DIR" ] || rm -rf "$STACK_DIR"
}
trap cleanup EXIT
trap 'echo; echo "stopping"; exit 130' INT TERM HUP

# One that the picture fits into.
on_terminal() { [ -t 1 ] && [ "${TERM:-dumb}" != dumb ] && [ "$(tput lines 2>/dev/null || echo 0)" -ge 24 ]; }

# On a terminal one picture that is drawn again; else a line at a time.
event() {
  local line
  printf -v line '%3d s  %s' $((SECONDS - started)) "$*"
  if on_terminal; then
    events+=("$line")
    draw
  else
    echo "$line"
  fi
}

# The last summary stays when the gateway is away.
look() {
  local now
  if now=$(stack_twinctl --timeout 1 get "$twin" 2>/dev/null); then
    summary=$now
    state=
  else
    state="(the gateway is away; last seen)"
  fi
  if on_terminal; then draw; else plain_line; fi
}

plain_line() {
  local values
  values=$(awk '/^SENSOR/ { table = 1; next } table && NF { printf "  %s %s %s", $1, $2, $3 }' <<<"$summary")
  printf '%3d s  %s%s%s\n' $((SECONDS - started)) "$twin" "${values:-  (nothing yet)}" "${state:+  $state}"
}

draw() {
  local text line count=0 columns
  columns=$(tput cols 2>/dev/null || echo 80)
  text=$(printf '%s\n' "${events[@]}" "" "${state:-(live)}" "$summary")
  [ "$drawn_lines" -eq 0 ] || printf '\033[%dA' "$drawn_lines"
  while IFS= read -r line; do
    printf '%s\033[K\n' "${line:0:columns-1}"
    count=$((count + 1))
  done <<<"$text"
  printf '\033[J'
  drawn_lines=$count
}

# Shows the twin until this second of the demonstration.
watch_until() {
  while [ $((SECONDS - started)) -lt "$1" ]; do
    look
    if on_terminal; then sleep 0.4; else sleep 1; fi
  done
}

dir=$(mktemp -d "${TMPDIR:-/tmp}/mvmd-demo.XXXXXX")
echo "==> certificates, broker, gateway, bridge and $machines machine(s) in $dir"
stack_create "$dir" "$BIN" "$machines"
for program in broker gateway bridge; do
  stack_start "$program"
  stack_wait_ready "$program"
done
started=$SECONDS

stack_start plant --seconds "$seconds" --ledger "$dir/ledger.json"
event "plant: each machine publishes 65 values a second, QoS 1, over TLS"
watch_until $((seconds * 3 / 10))
stack_kill gateway
event "gateway: kill -9; the bridge keeps what comes"
watch_until $((seconds * 3 / 10 + 2))
stack_kill bridge
event "bridge: kill -9; the broker keeps what comes"
watch_until $((seconds * 3 / 10 + 3))
stack_start bridge
event "bridge: back"
watch_until $((seconds * 3 / 10 + 5))
stack_start gateway
event "gateway: back"
watch_until "$seconds"
wait "${STACK_PIDS[plant]}" || { tail -n 5 "$dir/logs/plant.log" >&2; exit 1; }
unset "STACK_PIDS[plant]"
event "plant: stopped"

verdict=0
ledger=$(stack_check_ledger "$dir/ledger.json" 2>&1) || verdict=$?
look
echo
echo "==> the twin document, canonical (RFC 8785), as the gateway serves it"
stack_twinctl get "$twin" --raw
echo
echo
echo "==> etag, and SHA-256 of these bytes"
stack_twinctl get "$twin" | awk '$1 == "etag" { print $2 }'
stack_twinctl get "$twin" --raw | "$BIN/twinctl" canonicalize --digest -
echo
echo "==> ledger"
echo "$ledger"
if [ "$verdict" -ne 0 ]; then
  echo "error: the ledger does not hold" >&2
  exit 1
fi
echo
if ! $keep; then
  echo "Nothing lost, nothing duplicated. Look around yourself: ./run demo --keep"
  exit 0
fi

stack_start plant
trap - EXIT INT TERM HUP
cat <<KEEP
Everything is up, the plant goes on. To look around:

  . $dir/env                     # addresses, certificates, the binaries in PATH
  twinctl list
  twinctl get $twin
  twinctl watch $twin
  twinctl samples $twin temp-1 --limit 5
  twinctl bridges --issues
  mosquitto_pub -h localhost -p \$BROKER_PORT --cafile \$MVMD_CA --cert \$PLANT_CERT --key \$PLANT_KEY -q 1 \\
    -t twins/$twin/sensors/temp-1 -m '{"currentValue": 61.5}'
  twinctl samples $twin temp-1 | grep 61.5       # as current value, the plant replaces it at once
  ls \$DEMO/logs

To stop it:

  kill \$(cat $dir/*.pid); rm -rf $dir
KEEP
