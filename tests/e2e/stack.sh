# The whole system on this machine, in one folder: MQTT broker, gateway, bridge, plant. Sourced by `run` and by the
# end-to-end tests; needs bash 5, openssl and mosquitto.
#
#   stack_create DIR BIN MACHINES     # certificates, documents, configuration; starts nothing
#   stack_start broker; stack_start gateway; stack_start bridge
#   stack_wait_ready gateway; stack_wait_ready bridge
#   stack_start plant --seconds 10 --ledger "$STACK_DIR/ledger.json"
#   stack_kill gateway                # SIGKILL
#   stack_stop_all                    # SIGTERM, then SIGKILL; only what was started here, by process id
#
# shellcheck shell=bash

STACK_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
STACK_DIR=
STACK_BIN=
STACK_MACHINES=1
declare -A STACK_PIDS=()

stack_fail() {
  echo "error: $*" >&2
  return 1
}

# A port that nobody listens on. Below 32768, or an outgoing connection may hold it by then.
stack_free_port() {
  local port
  while true; do
    port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

stack_create() { # folder, folder of the binaries, number of machines
  STACK_DIR=$1
  STACK_BIN=$2
  STACK_MACHINES=$3
  mkdir -p "$STACK_DIR"/{broker,gateway,bridge,twins,logs}
  STACK_BROKER_PORT=$(stack_free_port)
  STACK_GATEWAY_PORT=$(stack_free_port)
  STACK_GATEWAY_OPS_PORT=$(stack_free_port)
  STACK_BRIDGE_OPS_PORT=$(stack_free_port)
  "$STACK_ROOT/certs/make_dev_pki.sh" "$STACK_DIR/pki" --bridges robots --clients operator,plant >"$STACK_DIR/logs/pki.log"
  "$STACK_BIN/mvmd-plant" --example "$STACK_ROOT/tests/data/profile/twin-complete.jsonld" \
    --machines "$STACK_MACHINES" --write-documents "$STACK_DIR/twins"
  stack_write_broker_config >"$STACK_DIR/mosquitto.conf"
  stack_write_gateway_config >"$STACK_DIR/gateway.yaml"
  stack_write_policy >"$STACK_DIR/policy.yaml"
  stack_write_bridge_config >"$STACK_DIR/bridge.yaml"
  stack_write_twinctl_config >"$STACK_DIR/twinctl.yaml"
  stack_write_environment >"$STACK_DIR/env"
  if ! { "$STACK_BIN/mvmd-gateway" check "$STACK_DIR/gateway.yaml" && "$STACK_BIN/mvmd-bridge" check "$STACK_DIR/bridge.yaml"; } \
    >"$STACK_DIR/logs/check.log" 2>&1; then
    cat "$STACK_DIR/logs/check.log" >&2
    stack_fail "the configuration is refused"
  fi
}

stack_write_broker_config() {
  # Started as root, mosquitto would drop to a user who cannot write here.
  [ "$(id -u)" != 0 ] || echo "user root"
  cat <<CONF
listener $STACK_BROKER_PORT 127.0.0.1
cafile $STACK_DIR/pki/ca.crt
certfile $STACK_DIR/pki/mqtt.crt
keyfile $STACK_DIR/pki/mqtt.key
crlfile $STACK_DIR/pki/ca.crl
tls_version tlsv1.3
require_certificate true
use_identity_as_username true
allow_anonymous false
log_dest stderr
log_type error
log_type warning
log_type notice
log_type subscribe
persistence true
persistence_location $STACK_DIR/broker/
# Nothing is dropped for a bridge that is away, and its messages share fsyncs.
max_queued_messages 0
max_inflight_messages 0
CONF
}

stack_write_gateway_config() {
  cat <<CONF
listen: 127.0.0.1:$STACK_GATEWAY_PORT
tls:
  ca_file: pki/ca.crt
  certificate_file: pki/gateway.crt
  key_file: pki/gateway.key
  crl_file: pki/ca.crl
policy_file: policy.yaml
store:
  path: gateway
ops:
  address: 127.0.0.1:$STACK_GATEWAY_OPS_PORT
reflection: true
signing:
  key_file: pki/signing.key
CONF
}

stack_write_policy() {
  cat <<'CONF'
rules:
  - subject: spiffe://plant.example/bridge/robots
    roles: [bridge]
    twins: ["twin-2024-*"]
  - subject: spiffe://plant.example/client/operator
    roles: [reader, writer, operator]
    twins: ["*"]
CONF
}

stack_write_bridge_config() {
  cat <<CONF
mqtt:
  host: localhost
  port: $STACK_BROKER_PORT
  client_id: mvmd-bridge-robots
  tls:
    ca_file: pki/ca.crt
    certificate_file: pki/bridge-robots.crt
    key_file: pki/bridge-robots.key
outbox:
  path: bridge/outbox.db
uplink:
  target: localhost:$STACK_GATEWAY_PORT
  tls:
    ca_file: pki/ca.crt
    certificate_file: pki/bridge-robots.crt
    key_file: pki/bridge-robots.key
    crl_file: pki/ca.crl
  report_interval: 1s
twins:
CONF
  local document
  for document in "$STACK_DIR"/twins/*.jsonld; do
    document=${document##*/}
    printf '  - id: %s\n    document_file: twins/%s\n' "${document%.jsonld}" "$document"
  done
  cat <<CONF
routes:
  - topic: twins/{twin}/sensors/{sensor}
    qos: 1
    twin: "{twin}"
    sensor: "{sensor}"
    json:
      readings:
        - value: /currentValue
          time: /timestamp
          unit: /unit
ops:
  address: 127.0.0.1:$STACK_BRIDGE_OPS_PORT
CONF
}

stack_write_twinctl_config() {
  cat <<CONF
address: localhost:$STACK_GATEWAY_PORT
tls:
  ca_file: pki/ca.crt
  certificate_file: pki/client-operator.crt
  key_file: pki/client-operator.key
CONF
}

# What a person needs to look around.
stack_write_environment() {
  cat <<CONF
export DEMO=$STACK_DIR
export PATH=$STACK_BIN:\$PATH
export MVMD_ADDRESS=localhost:$STACK_GATEWAY_PORT
export MVMD_CA=$STACK_DIR/pki/ca.crt
export MVMD_CERT=$STACK_DIR/pki/client-operator.crt
export MVMD_KEY=$STACK_DIR/pki/client-operator.key
export BROKER_PORT=$STACK_BROKER_PORT
export PLANT_CERT=$STACK_DIR/pki/client-plant.crt
export PLANT_KEY=$STACK_DIR/pki/client-plant.key
export GATEWAY_OPS=http://127.0.0.1:$STACK_GATEWAY_OPS_PORT
export BRIDGE_OPS=http://127.0.0.1:$STACK_BRIDGE_OPS_PORT
CONF
}

stack_start() { # broker, gateway, bridge or plant; the plant with its flags
  local name=$1
  shift
  local command
  case $name in
    broker) command=("$(stack_mosquitto)" -c "$STACK_DIR/mosquitto.conf") ;;
    gateway) command=("$STACK_BIN/mvmd-gateway" "$STACK_DIR/gateway.yaml") ;;
    bridge) command=("$STACK_BIN/mvmd-bridge" "$STACK_DIR/bridge.yaml") ;;
    plant)
      command=("$STACK_BIN/mvmd-plant" --example "$STACK_ROOT/tests/data/profile/twin-complete.jsonld"
        --machines "$STACK_MACHINES" --host localhost --port "$STACK_BROKER_PORT" --ca "$STACK_DIR/pki/ca.crt"
        --cert "$STACK_DIR/pki/client-plant.crt" --key "$STACK_DIR/pki/client-plant.key" "$@")
      ;;
    *) stack_fail "stack_start: no program $name" ;;
  esac
  "${command[@]}" >>"$STACK_DIR/logs/$name.log" 2>&1 </dev/null &
  STACK_PIDS[$name]=$!
  echo "$!" >"$STACK_DIR/$name.pid"
}

# Debian has it in /usr/sbin, which is not in everybody's PATH.
stack_mosquitto() { PATH=$PATH:/usr/sbin command -v mosquitto; }

stack_running() { [ -n "${STACK_PIDS[$1]:-}" ] && kill -0 "${STACK_PIDS[$1]}" 2>/dev/null; }

# Status line of an HTTP GET on this machine; curl may not be there.
stack_http_status() { # port, path
  local line=
  {
    exec 3<>"/dev/tcp/127.0.0.1/$1" &&
      printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3 &&
      IFS= read -r -t 2 line <&3
  } 2>/dev/null || true
  exec 3>&- 2>/dev/null || true
  echo "$line"
}

# Waits until a program can do its work, at most 20 s.
stack_wait_ready() { # broker, gateway or bridge
  local name=$1 deadline=$((SECONDS + 20))
  until stack_is_ready "$name"; do
    stack_running "$name" || { tail -n 20 "$STACK_DIR/logs/$name.log" >&2; stack_fail "the $name ended"; return 1; }
    [ "$SECONDS" -lt "$deadline" ] || { tail -n 20 "$STACK_DIR/logs/$name.log" >&2; stack_fail "the $name is not ready after 20 s"; return 1; }
    sleep 0.1
  done
}

stack_is_ready() {
  case $1 in
    broker) (exec 3<>"/dev/tcp/127.0.0.1/$STACK_BROKER_PORT") 2>/dev/null ;;
    gateway) [[ $(stack_http_status "$STACK_GATEWAY_OPS_PORT" /readyz) == *" 200 "* ]] ;;
    bridge) [[ $(stack_http_status "$STACK_BRIDGE_OPS_PORT" /readyz) == *" 200 "* ]] ;;
  esac
}

stack_kill() { # name
  kill -9 "${STACK_PIDS[$1]}"
  wait "${STACK_PIDS[$1]}" 2>/dev/null || true
  unset "STACK_PIDS[$1]"
}

# Exit code of the program, after SIGTERM; SIGKILL after 15 s.
stack_stop() { # name
  local pid=${STACK_PIDS[$1]:-} code=0 deadline=$((SECONDS + 15))
  [ -n "$pid" ] || return 0
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.05; done
  kill -9 "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || code=$?
  unset "STACK_PIDS[$1]"
  return "$code"
}

stack_stop_all() {
  local name
  for name in plant bridge gateway broker "${!STACK_PIDS[@]}"; do stack_stop "$name" || true; done
}

stack_twinctl() { "$STACK_BIN/twinctl" --config "$STACK_DIR/twinctl.yaml" "$@"; }

# Every sample of every sensor in the gateway, as JSON lines.
stack_read_back() {
  local document twin sensor
  for document in "$STACK_DIR"/twins/*.jsonld; do
    twin=${document##*/}
    twin=${twin%.jsonld}
    for sensor in temp-1 motion-1 pressure-1; do
      stack_twinctl samples "$twin" "$sensor" -o jsonl || return 1
    done
  done
}

# Samples that the gateway has committed, by its own count.
stack_committed() {
  local count
  count=$(stack_twinctl bridges -o jsonl 2>/dev/null | sed -n 's/.*"samplesCommitted":"\([0-9]*\)".*/\1/p')
  echo "${count:-0}"
}

# Waits until everything that the broker acknowledged is committed, at most for a minute; then reads it all back, prints
# the ledger and fails if anything is lost or duplicated.
stack_check_ledger() { # ledger file
  local acked deadline=$((SECONDS + 60))
  acked=$(sed -n '1s/.*"acked":\([0-9]*\).*/\1/p' "$1")
  while [ "$(stack_committed)" -lt "${acked:-0}" ] && [ "$SECONDS" -lt "$deadline" ]; do sleep 0.2; done
  stack_read_back >"$STACK_DIR/samples.jsonl" || return 1
  "$STACK_BIN/mvmd-plant" check-ledger "$1" <"$STACK_DIR/samples.jsonl"
}
