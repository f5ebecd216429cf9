#!/usr/bin/env bash
# Runs the fault rows, or those that are named, and prints a table. Behind `./run faults`.
set -euo pipefail
folder=$(dirname "${BASH_SOURCE[0]}")

usage() {
  cat <<'USAGE'
usage: ./run faults [--quick] [ROW...]

  --quick   only the rows that are quick and need no privilege; ./run test does these too
  ROW       numbers of rows, for example: ./run faults 1 17

Rows are described in docs/guarantees.md. FAULT_TIMES says how often a row does what it repeats, FAULT_SEED repeats a run.
USAGE
}

bin=$1
shift
quick=(1 22 23 24)
rows=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) rows+=("${quick[@]}") ;;
    -h | --help) usage; exit 0 ;;
    *)
      [[ $1 =~ ^[0-9]+$ ]] || { usage >&2; echo "error: expected the number of a row, got '$1'" >&2; exit 2; }
      rows+=("$1")
      ;;
  esac
  shift
done

scripts=()
if [ ${#rows[@]} -eq 0 ]; then
  scripts=("$folder"/row[0-9][0-9]_*)
else
  for row in "${rows[@]}"; do
    found=("$folder/row$(printf %02d "$((10#$row))")"_*)
    [ -e "${found[0]}" ] || { echo "error: there is no row $row in $folder" >&2; exit 2; }
    scripts+=("${found[@]}")
  done
fi

results=()
failed=0
not_run=0
for script in "${scripts[@]}"; do
  log=$(mktemp)
  code=0
  "$script" "$bin" </dev/null 2>&1 | tee "$log" || code=${PIPESTATUS[0]}
  line=$(grep -E '^row [0-9]+: ' "$log" | tail -n 1 || true)
  results+=("${line:-${script##*/}: ended with $code and no result}")
  case $code in
    0) ;;
    77) not_run=$((not_run + 1)) ;;
    *) failed=$((failed + 1)) ;;
  esac
  rm -f "$log"
done

echo
printf '%s\n' "${results[@]}"
echo
echo "$((${#scripts[@]} - failed - not_run)) passed, $failed failed, $not_run skipped"
[ "$failed" -eq 0 ]
