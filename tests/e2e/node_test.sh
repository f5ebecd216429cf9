#!/usr/bin/env bash
# A client in another language lists, gets and watches over mutual TLS; another implementation of Data Integrity verifies what the
# gateway has signed, and twinctl what that one has.
set -euo pipefail
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/test_stack.sh"

begin_test "$1" 1
stack_start plant
eventually 10 stack_twinctl get twin-2024-001
# shellcheck source=/dev/null
source "$STACK_DIR/env"
node "$STACK_ROOT/tests/e2e/node/client.mjs" "$STACK_ROOT/proto" twin-2024-001

step "proofs of the gateway"
proof() { node "$STACK_ROOT/tests/e2e/node/proof.mjs" "$@"; }
did=$(stack_twinctl signing-key)
expect_match "$did" '^did:key:z6Mk[1-9A-HJ-NP-Za-km-z]+$'
stack_twinctl get twin-2024-001 --proof --raw >"$STACK_DIR/signed.json"
expect_code 0 proof verify "$STACK_DIR/signed.json" "$did"
expect_code 0 stack_twinctl verify "$STACK_DIR/signed.json" --did "$did"
sed 's/"Manufacturing Robot/"Another Robot/' "$STACK_DIR/signed.json" >"$STACK_DIR/changed.json"
expect_code 1 proof verify "$STACK_DIR/changed.json" "$did"
expect_code 2 stack_twinctl verify "$STACK_DIR/changed.json" --did "$did"
expect_match "$output" 'NOT verified'

step "proofs of the other implementation"
proof sign "$STACK_ROOT/tests/data/profile/twin-complete.jsonld" >"$STACK_DIR/other.txt"
other=$(head -n 1 "$STACK_DIR/other.txt")
tail -n 1 "$STACK_DIR/other.txt" >"$STACK_DIR/other.json"
expect_code 0 stack_twinctl verify "$STACK_DIR/other.json" --did "$other" -o json
expect_match "$output" '"pinned": true'
expect_code 2 stack_twinctl verify "$STACK_DIR/other.json" --did "$did"
sed 's/"Manufacturing Robot/"Another Robot/' "$STACK_DIR/other.json" >"$STACK_DIR/changed.json"
expect_code 2 stack_twinctl verify "$STACK_DIR/changed.json"
