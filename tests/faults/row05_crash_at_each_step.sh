#!/usr/bin/env bash
# Each daemon dies at one of its steps: at the n-th system call of a kind, counted from its start, before the call is made.
# A calm run of the simulation (sim_test) does the same at every step of the cores.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 5 "crash at each step" "$@"
fault_needs strace
fault_stack 1
times=${FAULT_TIMES:-4}
calls=(fdatasync pwrite64 write sendmsg unlink openat)
fault_load $((times * ${#calls[@]} * 3 + 4)) 10

# The daemon runs under strace, which kills it there; strace ends with it.
start_to_die() { # bridge or gateway, system call, its number
  local command=("$STACK_BIN/mvmd-$1" "$STACK_DIR/$1.yaml")
  strace -f -qq -o /dev/null -e trace="$2" -e inject="$2":signal=SIGKILL:when="$3" "${command[@]}" \
    >>"$STACK_DIR/logs/$1.log" 2>&1 </dev/null &
  STACK_PIDS[$1]=$!
}
died=0
for ((i = 0; i < times; i++)); do
  for call in "${calls[@]}"; do
    for daemon in bridge gateway; do
      stack_kill "$daemon"
      start_to_die "$daemon" "$call" $((1 + RANDOM % 60))
      for _ in 1 2 3 4 5 6; do
        stack_running "$daemon" || break
        sleep 0.2
      done
      stack_running "$daemon" || died=$((died + 1))
      # strace passes on what ends it, but not a SIGKILL.
      while pkill -9 -f "^$STACK_BIN/mvmd-$daemon $STACK_DIR/$daemon.yaml"; do sleep 0.05; done
      unset "STACK_PIDS[$daemon]"
      stack_start "$daemon"
      stack_wait_ready "$daemon"
    done
  done
done
[ "$died" -gt 0 ] || fail_test "no daemon died at the step that was named"
fault_judge
fault_holds "$((times * ${#calls[@]} * 2)) lives, $died of them ended at their step"
