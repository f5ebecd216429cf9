# What the end-to-end tests share: a stack in a folder of its own that is gone afterwards. Sourced.
#
# shellcheck shell=bash
# shellcheck source=tests/e2e/stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/stack.sh"

# Creates and starts broker, gateway and bridge.
begin_test() { # folder of the binaries, number of machines
  trap end_test EXIT
  trap 'exit 130' INT TERM
  stack_create "$(mktemp -d "${TMPDIR:-/tmp}/mvmd-e2e.XXXXXX")" "$1" "$2"
  local program
  for program in broker gateway bridge; do
    stack_start "$program"
    stack_wait_ready "$program"
  done
}

end_test() {
  local code=$? log
  stack_stop_all
  if [ "$code" -ne 0 ]; then
    for log in "$STACK_DIR"/logs/*.log; do
      echo "--- ${log##*/}"
      tail -n 30 "$log"
    done
  fi
  rm -rf "$STACK_DIR"
  exit "$code"
}

step() { echo "--- $*"; }

fail_test() {
  echo "FAILED: $*" >&2
  exit 1
}

# expect_code CODE COMMAND...: the command's output is in $output.
expect_code() {
  local wanted=$1 code=0
  shift
  output=$("$@" 2>&1) || code=$?
  [ "$code" -eq "$wanted" ] || fail_test "$* ended with $code, expected $wanted: $output"
}

expect_match() { # text, regular expression
  grep -Eq -- "$2" <<<"$1" || fail_test "expected /$2/ in: $1"
}

# Runs a command until it succeeds, at most so many seconds.
eventually() { # seconds, command
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || fail_test "not within the time: $*"
    sleep 0.1
  done
}
