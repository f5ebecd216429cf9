#!/usr/bin/env bash
# twinctl against a gateway: reading, writing with conditions, watching through an outage, and what is refused.
set -euo pipefail
# shellcheck source=tests/e2e/test_stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/test_stack.sh"

begin_test "$1" 1
twin="twin-2024-001"
example=$STACK_ROOT/tests/data/profile/twin-complete.jsonld
stack_start plant
eventually 10 stack_twinctl get "$twin"

step "reading"
expect_code 0 stack_twinctl list -o jsonl
expect_match "$output" "^\{\"twin\":\"$twin\",\"revision\":[0-9]+,\"etag\":\"[0-9a-f]{64}\",\"definitionEtag\":\"[0-9a-f]{64}\"\}$"
expect_code 0 stack_twinctl list --filter "id = $twin AND connectionStatus = \"active\" AND sensors.temp-1.currentValue < 1000" \
  --order-by 'lastSynced desc, id' --total
expect_match "$output" "^$twin +[0-9]+ +[0-9a-f]{64}"
expect_match "$output" '^total 1$'
expect_code 0 stack_twinctl list --filter 'NOT id:*' --total -o jsonl
expect_match "$output" '^\{"total":0\}$'
expect_code 2 stack_twinctl list --filter 'name = "x" AND'
expect_match "$output" 'position 15: expected a path'
expect_code 0 stack_twinctl get "$twin" -o json
expect_match "$output" '"@type": "DigitalDocument"'
expect_code 0 stack_twinctl get "$twin" --typed
expect_match "$output" '"id": "temp-1"'
expect_code 0 stack_twinctl get "$twin" --fields etag,twin.sensors
expect_match "$output" '"etag": "[0-9a-f]{64}"'
expect_code 0 stack_twinctl get "$twin" --definition --if-none-match "$(stack_twinctl get "$twin" --definition --raw | sha256sum | cut -d' ' -f1)"
expect_match "$output" 'not modified'
expect_code 0 stack_twinctl get "$twin" --definition --lossless --nquads
expect_match "$output" '<https://schema.org/sensors>'
has_three_samples() { [ "$(stack_twinctl samples "$twin" temp-1 --limit 3 -o jsonl | wc -l)" -eq 3 ]; }
eventually 10 has_three_samples
shows_bridge() { stack_twinctl bridges | grep -Eq 'spiffe://plant.example/bridge/robots +connected +connected'; }
eventually 10 shows_bridge

step "what is not there, and what is malformed"
expect_code 1 stack_twinctl get no-such-twin
expect_code 2 stack_twinctl samples "$twin" temp-1 --from yesterday
expect_code 2 stack_twinctl get
expect_code 2 stack_twinctl get "$twin" --fields sensors
expect_match "$output" 'read_mask'
expect_code 2 stack_twinctl put /dev/null

step "writing with conditions"
sed 's/twin-2024-001/twin-cloud-1/' "$example" >"$STACK_DIR/cloud.jsonld"
expect_code 0 stack_twinctl put "$STACK_DIR/cloud.jsonld" --etag - -o json
expect_match "$output" '"result": "created"'
etag=$(sed -n 's/.*"definitionEtag": "\([0-9a-f]*\)".*/\1/p' <<<"$output")
expect_code 1 stack_twinctl put "$STACK_DIR/cloud.jsonld" --etag -
echo '{"name": "Renamed", "sensors": [{"id": "temp-1", "normalRange": [10, 20]}]}' >"$STACK_DIR/patch.json"
expect_code 1 stack_twinctl patch twin-cloud-1 "$STACK_DIR/patch.json" --etag "${etag//[0-9a-f]/0}"
expect_code 0 stack_twinctl patch twin-cloud-1 "$STACK_DIR/patch.json" --etag "$etag"
expect_code 0 stack_twinctl get twin-cloud-1 --raw
expect_match "$output" '"name":"Renamed"'
expect_match "$output" '"normalRange":\[10,20\]'
echo '{"sensors": [{"id": "temp-1", "unit": ""}]}' >"$STACK_DIR/bad.json"
expect_code 2 stack_twinctl patch twin-cloud-1 "$STACK_DIR/bad.json"
expect_match "$output" 'SEN-09'
expect_code 0 stack_twinctl delete twin-cloud-1
expect_code 1 stack_twinctl get twin-cloud-1

step "a watch goes on where it was when the gateway comes back"
"$STACK_BIN/twinctl" --config "$STACK_DIR/twinctl.yaml" watch "$twin" --sensor pressure-1 -o jsonl >"$STACK_DIR/watch.jsonl" 2>"$STACK_DIR/logs/watch.log" &
STACK_PIDS[watch]=$!
eventually 10 grep -q '"change":"sample"' "$STACK_DIR/watch.jsonl"
stack_kill gateway
sleep 1
stack_start gateway
eventually 15 grep -q 'going on after' "$STACK_DIR/logs/watch.log"
seen=$(wc -l <"$STACK_DIR/watch.jsonl")
has_grown() { [ "$(wc -l <"$STACK_DIR/watch.jsonl")" -gt "$seen" ]; }
eventually 10 has_grown
stack_stop plant
sleep 1
stack_stop watch || true
times=$(sed -n 's/.*"change":"sample".*"timestamp":"\([^"]*\)".*/\1/p' "$STACK_DIR/watch.jsonl")
[ -z "$(sort <<<"$times" | uniq -d)" ] || fail_test "the watch told a sample twice"
first=$(head -n 1 <<<"$times")
history=$(stack_twinctl samples "$twin" pressure-1 --from "$first" -o jsonl | sed -n 's/.*"timestamp":"\([^"]*\)".*/\1/p')
[ "$times" = "$history" ] || fail_test "the watch is not the history: $(diff <(echo "$times") <(echo "$history") | head)"

step "malformed messages become issues, and harm nothing"
publish() { # topic, payload
  mosquitto_pub -h localhost -p "$STACK_BROKER_PORT" --cafile "$STACK_DIR/pki/ca.crt" \
    --cert "$STACK_DIR/pki/client-plant.crt" --key "$STACK_DIR/pki/client-plant.key" -q 1 -t "$1" -m "$2"
}
lists_issue() { stack_twinctl bridges --issues | grep -q "$1"; }
publish "twins/$twin/sensors/temp-1" '{"currentValue": '
publish "twins/$twin/sensors/no-such-sensor" '{"currentValue": 1}'
publish "twins/no-such-twin/sensors/temp-1" '{"currentValue": 1}'
publish "twins/$twin/sensors/temp-1" '{"currentValue": 77.7, "timestamp": "2024-03-15T14:30:00Z"}'
eventually 10 lists_issue "topic twins/$twin/sensors/temp-1"
eventually 10 lists_issue no-such-sensor
eventually 10 lists_issue no-such-twin
has_late_sample() { stack_twinctl samples "$twin" temp-1 -o jsonl | grep -q '"timestamp":"2024-03-15T14:30:00Z","value":77.7'; }
eventually 10 has_late_sample

step "who may not, may not"
expect_code 1 env MVMD_CERT="$STACK_DIR/pki/client-plant.crt" MVMD_KEY="$STACK_DIR/pki/client-plant.key" \
  "$STACK_BIN/twinctl" --config "$STACK_DIR/twinctl.yaml" get "$twin"
expect_match "$output" 'policy'
"$STACK_ROOT/certs/make_dev_pki.sh" "$STACK_DIR/other-pki" >/dev/null
expect_code 1 env MVMD_CA="$STACK_DIR/other-pki/ca.crt" "$STACK_BIN/twinctl" --config "$STACK_DIR/twinctl.yaml" get "$twin"
expect_match "$output" 'TLS|certificate'
expect_code 1 env MVMD_CERT="$STACK_DIR/other-pki/client-operator.crt" MVMD_KEY="$STACK_DIR/other-pki/client-operator.key" \
  "$STACK_BIN/twinctl" --config "$STACK_DIR/twinctl.yaml" get "$twin"

step "nobody listens"
stack_stop gateway
expect_code 1 stack_twinctl get "$twin"
expect_match "$output" 'cannot be reached'

