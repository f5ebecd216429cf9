#!/usr/bin/env bash
# The gateway is killed at random points, again and again, also while a document that needs several chunks is under way.
set -euo pipefail
# shellcheck source=tests/faults/faults.sh
source "$(dirname "${BASH_SOURCE[0]}")/faults.sh"
fault_row 2 "gateway killed, kill -9 at random points, also within a document" "$@"
fault_create 2

# A document of 3 MB with a number in it; a frame has at most 1 MiB.
document=$STACK_DIR/twins/twin-2024-002.jsonld
cp "$document" "$STACK_DIR/small.jsonld"
write_document() { # number
  python3 - "$STACK_DIR/small.jsonld" "$document" "$1" <<'PYTHON'
import json, sys
source, target, number = sys.argv[1:]
with open(source, encoding="utf-8") as file:
    document = json.load(file)
document["notes"] = [f"{number}-{i:07d}" * 10 for i in range(30000)]
with open(target, "w", encoding="utf-8") as file:
    json.dump(document, file)
PYTHON
  "$FAULT_BIN/twinctl" canonicalize --digest "$document" >>"$STACK_DIR/digests"
}
definition_etag() { stack_twinctl get twin-2024-002 2>/dev/null | awk '$1 == "definition" { print $2 }'; }
is_one_of_ours() { # the whole of some document, never a part or a mixture
  local etag
  etag=$(definition_etag)
  [ -z "$etag" ] || grep -q "^$etag" "$STACK_DIR/digests" || fail_test "definition $etag is none of the documents"
}

write_document 0
fault_start
times=${FAULT_TIMES:-12}
fault_load $((times * 3)) 10
for ((i = 1; i <= times; i++)); do
  # A new document goes up when the bridge starts.
  write_document "$i"
  stack_stop bridge || fail_test "the bridge ended with $?"
  stack_start bridge
  fault_pause 20 700
  stack_kill gateway
  fault_pause 0 200
  stack_start gateway
  stack_wait_ready gateway
  is_one_of_ours
done
fault_ready
fault_judge
is_last() { [ "$(definition_etag)" = "$(tail -n 1 "$STACK_DIR/digests" | cut -c1-64)" ]; }
eventually 20 is_last
fault_holds "$times kills, $times documents of 3 MB, none in part"
