#!/usr/bin/env bash
# Row 32: handshakes that never end. They are timed out, and others are served meanwhile.
set -euo pipefail
# shellcheck source=tests/faults/door.sh
source "$(dirname "${BASH_SOURCE[0]}")/door.sh"
row_begins 32 "$@"
start_all
publish_for 20

step "50 connections each that say nothing, a part of a ClientHello, or one byte a second"
python3 - "$STACK_GATEWAY_PORT" >"$STACK_DIR/slow" <<'PY' &
import select, socket, sys, time
hello = bytes.fromhex("1603010200010001fc0303") + bytes(100)
socks = {}
for kind in ("silent", "half", "drip"):
    for _ in range(50):
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
        if kind == "half":
            s.sendall(hello)
        socks[s] = [kind, time.monotonic(), 0]
longest = 0.0
while socks and time.monotonic() - min(v[1] for v in socks.values()) < 40:
    ready, _, _ = select.select(list(socks), [], [], 0.25)
    for s in ready:
        try:
            gone = s.recv(4096) == b""
        except OSError:
            gone = True
        if gone:
            longest = max(longest, time.monotonic() - socks[s][1])
            s.close()
            del socks[s]
    for s, v in list(socks.items()):
        if v[0] == "drip" and time.monotonic() - v[1] > v[2] and v[2] < len(hello):
            try:
                s.send(hello[v[2]:v[2] + 1])
                v[2] += 1
            except OSError:
                pass
print(f"{len(socks)} {longest:.1f}")
PY
slow=$!
sleep 2
stack_twinctl bridges >/dev/null || fail_test "others are not served meanwhile"
wait "$slow"
read -r left longest <"$STACK_DIR/slow"
[ "$left" -eq 0 ] || fail_test "$left connections are open still after 40 s"
awk -v s="$longest" 'BEGIN { exit !(s < 20) }' || fail_test "the longest was open for $longest s"
metric_is gateway sessions_opened_total 1 || fail_test "the bridge's stream ended"
ledger_holds
row_holds "150 unfinished handshakes closed after $longest s at most, others served; $ledger"
