#!/usr/bin/env bash
# A client in another language lists, gets and watches over mutual TLS.
set -euo pipefail
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/test_stack.sh"

begin_test "$1" 1
stack_start plant
eventually 10 stack_twinctl get twin-2024-001
# shellcheck source=/dev/null
source "$STACK_DIR/env"
node "$STACK_ROOT/tests/e2e/node/client.mjs" "$STACK_ROOT/proto" twin-2024-001
