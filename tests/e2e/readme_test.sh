#!/usr/bin/env bash
# Runs the README's own commands: the ```sh blocks after a line `<!-- test -->`, in order, each with `bash -e`, in a folder of its
# own with the sources' files, after `. FOLDER/env`, beside a running system such as `./run demo --keep` leaves.
set -euo pipefail
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/test_stack.sh"

# Writes block-001.sh, ... into a folder.
extract_blocks() { # markdown file, folder
  awk -v folder="$2" '
    /^<!-- test -->[[:space:]]*$/ { wanted = 1; next }
    wanted && /^```sh[[:space:]]*$/ { inside = 1; wanted = 0; count++; name = sprintf("%s/block-%03d.sh", folder, count); next }
    inside && /^```[[:space:]]*$/ { inside = 0; close(name); next }
    inside { print > name }
    wanted && NF { wanted = 0 }
  ' "$1"
}

begin_test "$1" 1
scratch=$STACK_DIR/scratch
mkdir -p "$scratch" "$STACK_DIR/blocks"
for entry in run docs tests proto certs twin bridge gateway; do ln -s "$STACK_ROOT/$entry" "$scratch/$entry"; done
stack_start plant
eventually 10 stack_twinctl get twin-2024-001

extract_blocks "$STACK_ROOT/README.md" "$STACK_DIR/blocks"
# shellcheck source=/dev/null
source "$STACK_DIR/env"
for block in "$STACK_DIR"/blocks/*.sh; do
  [ -e "$block" ] || fail_test "README.md has no block that is marked with <!-- test -->"
  step "${block##*/}"
  cat "$block"
  (cd "$scratch" && timeout 60 bash -e "$block") || fail_test "a command of README.md failed"
done
