"""The systems that are compared: this project, a tuned mosquitto bridge, and NATS leaf node + JetStream.

One path for all of them: load generator -> edge -> TLS with client certificates -> cloud -> sink. A system sets `mqtt_port`
(where the load goes), `processes` ("edge" and "cloud" are what the figures of bridge and gateway stand beside) and
`sink_command()`.
"""

import copy
import json
import os
import shutil
import subprocess
import tempfile

from processes import Link, Process, Sink, free_port, http_ok, listening, wait_until

TOPICS = 100
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
EXAMPLE_DOCUMENT = os.path.join(ROOT, "tests", "data", "profile", "twin-complete.jsonld")

# No limit on what is queued or in flight: nothing is dropped for want of room. The same for every mosquitto here.
TUNED_MOSQUITTO = """user root
allow_anonymous true
log_type error
log_type warning
persistence true
max_queued_messages 0
max_inflight_messages 0
"""


def make_certificates(directory):
    """One set for all systems of a run: what the development PKI has for a gateway, a bridge and a client."""
    subprocess.run([os.path.join(ROOT, "certs", "make_dev_pki.sh"), directory, "--bridges", "bench", "--clients", "bench",
                    "--days", "2"], check=True, stdout=subprocess.DEVNULL)


class System:
    """Context manager: up when entered, gone with its directory when left."""

    name = ""
    needs = []  # programs that must be installed

    def __init__(self, bin_dir, tls, with_link=False, linger=None):
        self.bin_dir = bin_dir
        self.tls = tls  # directory of make_certificates()
        self.with_link = with_link
        self.linger = linger
        self.processes = {}
        self.link = None

    def __enter__(self):
        self.directory = tempfile.mkdtemp(prefix="mvmd-bench-")
        try:
            self.mqtt_port = free_port()
            self.cloud_tls_port = free_port()
            if self.with_link:
                self.link = Link(self.program("link"), self.directory, self.cloud_tls_port)
            self.hop_port = self.link.port if self.link else self.cloud_tls_port
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in reversed(self.processes.values()):
            process.stop()
        if self.link:
            self.link.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @classmethod
    def missing(cls, bin_dir):
        """What is not installed or not built."""
        return [need for need in cls.needs
                if not (shutil.which(need) or os.path.exists(os.path.join(bin_dir, need)))]

    def program(self, name):
        return os.path.join(self.bin_dir, f"mvmd-bench-{name}")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, name, command, port=None):
        process = Process(command, self.path(f"{name}.log"))
        self.processes[name] = process

        def up():
            process.check()
            return port is None or listening(port)

        wait_until(up, name)
        return process

    def start_mosquitto(self, name, config):
        os.mkdir(self.path(name))
        text = f"{TUNED_MOSQUITTO}persistence_location {self.path(name)}/\n{config}"
        path = self.write(f"{name}.conf", text)
        return ["mosquitto", "-c", path]

    def sink(self, numbered, expect, first_n, idle_seconds, limit_seconds):
        return Sink(self.sink_command(numbered) + ["--expect", expect, "--first-n", first_n, "--idle", idle_seconds,
                                                   "--limit", limit_seconds])

    def kill_both_ends(self):
        for name in ("edge", "cloud"):
            self.processes[name].kill9()

    def start_both_ends(self):
        for name in ("cloud", "edge"):
            self.processes[name].start()

    def verify(self, ledger_path, first_n):
        """What the system has kept of the ledger, or None when only the sink can tell."""
        return None


class MosquittoBridge(System):
    """Edge mosquitto, bridging to a cloud mosquitto; a subscriber there."""

    name = "mosquitto bridge"
    needs = ["mosquitto", "mvmd-bench-mqtt-sink"]

    def set_up(self):
        self.cloud_port = free_port()
        cloud = self.start_mosquitto("cloud", f"""listener {self.cloud_port} 127.0.0.1
listener {self.cloud_tls_port} 127.0.0.1
cafile {self.tls}/ca.crt
certfile {self.tls}/gateway.crt
keyfile {self.tls}/gateway.key
require_certificate true
use_identity_as_username true
""")
        self.start("cloud", cloud, self.cloud_port)
        edge = self.start_mosquitto("edge", f"""listener {self.mqtt_port} 127.0.0.1
connection to-cloud
address 127.0.0.1:{self.hop_port}
topic plant/# out 1
bridge_cafile {self.tls}/ca.crt
bridge_certfile {self.tls}/bridge-bench.crt
bridge_keyfile {self.tls}/bridge-bench.key
cleansession false
restart_timeout 1
notifications false
""")
        self.start("edge", edge, self.mqtt_port)

    def sink_command(self, _numbered):
        return [self.program("mqtt-sink"), "--port", self.cloud_port]


class NatsLeaf(System):
    """Edge nats-server (MQTT listener, JetStream, leaf node); the cloud's stream sources the edge's; a consumer there."""

    name = "NATS leaf + JetStream"
    needs = ["nats-server", "mvmd-bench-nats-sink"]

    def set_up(self):
        self.edge_port = free_port()
        self.cloud_port = free_port()
        # `advertise` names the link: a leaf node else learns the address behind it and reconnects there.
        cloud = self.write("cloud.conf", f"""server_name: cloud
listen: "127.0.0.1:{self.cloud_port}"
jetstream {{ store_dir: "{self.path('cloud')}", domain: cloud, max_mem: 2G, max_file: 20G }}
leafnodes {{
  listen: "127.0.0.1:{self.cloud_tls_port}"
  advertise: "127.0.0.1:{self.hop_port}"
  tls {{ ca_file: "{self.tls}/ca.crt", cert_file: "{self.tls}/gateway.crt", key_file: "{self.tls}/gateway.key", verify: true }}
}}
""")
        edge = self.write("edge.conf", f"""server_name: edge
listen: "127.0.0.1:{self.edge_port}"
jetstream {{ store_dir: "{self.path('edge')}", domain: edge, max_mem: 2G, max_file: 20G }}
mqtt {{ listen: "127.0.0.1:{self.mqtt_port}", max_ack_pending: 10000 }}
leafnodes {{
  reconnect: 1
  remotes: [ {{ url: "tls://127.0.0.1:{self.hop_port}",
    tls {{ ca_file: "{self.tls}/ca.crt", cert_file: "{self.tls}/bridge-bench.crt", key_file: "{self.tls}/bridge-bench.key" }} }} ]
}}
""")
        self.start("cloud", ["nats-server", "-c", cloud], self.cloud_port)
        wait_until(lambda: listening(self.cloud_tls_port), "leaf node listener")
        self.start("edge", ["nats-server", "-c", edge], self.edge_port)
        wait_until(lambda: listening(self.mqtt_port), "MQTT listener of nats-server")
        subprocess.run([str(word) for word in self.sink_command(True)] + ["--set-up"], check=True)

    def sink_command(self, _numbered):
        return [self.program("nats-sink"), "--edge", self.edge_port, "--cloud", self.cloud_port]


class Product(System):
    """mosquitto, mvmd-bridge, mvmd-gateway; a watch of every change there."""

    name = "this project"
    needs = ["mosquitto", "mvmd-bridge", "mvmd-gateway", "mvmd-bench-twin-sink"]

    def set_up(self):
        broker = self.start_mosquitto("broker", f"listener {self.mqtt_port} 127.0.0.1\n")
        self.start("broker", broker, self.mqtt_port)
        gateway = os.path.join(self.bin_dir, "mvmd-gateway")
        self.gateway_ops_port = free_port()
        self.start("cloud", [gateway, self.write("gateway.yaml", json.dumps(self.gateway_config()))], self.cloud_tls_port)
        bridge = os.path.join(self.bin_dir, "mvmd-bridge")
        self.bridge_ops_port = free_port()
        self.start("edge", [bridge, self.write("bridge.yaml", json.dumps(self.bridge_config()))])
        # Before that there is no subscription, and the broker would have nobody to keep messages for.
        wait_until(lambda: http_ok(f"http://127.0.0.1:{self.bridge_ops_port}/readyz"), "bridge is ready")

    def tls_files(self, name):
        return {"ca_file": f"{self.tls}/ca.crt", "certificate_file": f"{self.tls}/{name}.crt",
                "key_file": f"{self.tls}/{name}.key"}

    # JSON is YAML.
    def gateway_config(self):
        policy = {"rules": [
            {"subject": "spiffe://plant.example/bridge/bench", "roles": ["bridge"], "twins": ["*"]},
            {"subject": "spiffe://plant.example/client/bench", "roles": ["reader", "operator"], "twins": ["*"]},
        ]}
        return {
            "listen": f"127.0.0.1:{self.cloud_tls_port}",
            "tls": self.tls_files("gateway"),
            "policy_file": self.write("policy.yaml", json.dumps(policy)),
            "store": {"path": self.path("store")},
            "ops": {"address": f"127.0.0.1:{self.gateway_ops_port}"},
            "log": {"level": "warning"},
        }

    def bridge_config(self):
        uplink = {"target": f"127.0.0.1:{self.hop_port}", "tls": self.tls_files("bridge-bench")}
        if self.linger is not None:
            uplink["linger"] = self.linger
        return {
            "mqtt": {"host": "127.0.0.1", "port": self.mqtt_port, "client_id": "mvmd-bridge-bench"},
            "outbox": {"path": self.path("outbox.db")},
            "uplink": uplink,
            "twins": self.twins(),
            "routes": [{
                "topic": "plant/{line}/{machine}/{sensor}", "qos": 1, "twin": "{line}-{machine}", "sensor": "{sensor}",
                "json": {"readings": [{"value": "/value", "time": "/timestamp"}]},
            }],
            "ops": {"address": f"127.0.0.1:{self.bridge_ops_port}"},
            "log": {"level": "warning"},
        }

    def twins(self):
        """A document for each robot that the load generator speaks for; topics as in traffic.cc."""
        with open(EXAMPLE_DOCUMENT, encoding="utf-8") as file:
            example = json.load(file)
        example.pop("performance")
        sensors = {}
        for i in range(TOPICS):
            sensors.setdefault(f"line{i % 8}-robot-{i // 8 % 64}", []).append(f"temp-{i // 512}")
        twins = []
        for twin, names in sensors.items():
            document = copy.deepcopy(example)
            document["name"] = f"Robot {twin}"
            document["identifier"]["value"] = twin
            document["sensors"] = [dict(example["sensors"][0], id=name) for name in names]
            document["dataStorage"]["analytics"]["alertThresholds"] = {"temperature": 70}
            twins.append({"id": twin, "document_file": self.write(f"{twin}.jsonld", json.dumps(document))})
        return twins

    def client_command(self):
        return [self.program("twin-sink"), "--target", f"127.0.0.1:{self.cloud_tls_port}", "--ca", f"{self.tls}/ca.crt",
                "--certificate", f"{self.tls}/client-bench.crt", "--key", f"{self.tls}/client-bench.key"]

    def sink_command(self, numbered):
        return self.client_command() + ["watch"] + ([] if numbered else ["--unnumbered"])

    def verify(self, ledger_path, first_n):
        output = subprocess.run([str(word) for word in self.client_command()] +
                                ["verify", "--ledger", ledger_path, "--first-n", str(first_n)],
                                check=True, stdout=subprocess.PIPE, text=True, timeout=120).stdout
        return json.loads(output)


SYSTEMS = {"product": Product, "mosquitto": MosquittoBridge, "nats": NatsLeaf}
