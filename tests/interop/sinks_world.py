"""One Envoy with the filter and every sink that is shipped, and whoever reads them."""

import copy
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# Before it is there: it would speak of every process that is started.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
import forgery
import grpc
import parts
import yaml
from audit_server import Repository
from cryptography.hazmat.primitives.asymmetric import ec
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from google.protobuf import wrappers_pb2
from guard import LISTENER, OPTIONS, WASM, cluster_of, envoy, objects, replaced, set_address, write_files
from joserfc.jwk import ECKey
from pki import ADDRESS, HOST, Authority
from process import Process, free_ports
from revocation_list import RevocationList

SINKS = parts.ROOT / "envoy/sinks"
RULES = parts.ROOT / "envoy/prometheus/fhir-guard.rules.yaml"
ISSUER = "https://as.example.org"
# Whose keys cannot be fetched.
AWAY = "https://other.example.org"
# In a query, a path, a token: it must be nowhere.
CANARY = "Kanarienvogel"
# Longer than a tick, in seconds.
SLOW = 2.5
BODY = "Body: Str("


class World:
    def __init__(self, folder, running):
        self._folder = folder
        # Before ports are looked for: these take any that is free.
        self._access, lists, repository = AccessLogService(), RevocationList(), Repository()
        running += [self._access, lists, repository]
        ports = iter(free_ports(6))
        collector = [next(ports), next(ports)]
        self._collector = Process(
            "rotel",
            [
                *(parts.rotel(), "start", "--exporter", "blackhole", "--pid-file", folder / "rotel.pid"),
                *("--otlp-grpc-endpoint", f"{ADDRESS}:{collector[0]}"),
                *("--otlp-http-endpoint", f"{ADDRESS}:{collector[1]}"),
                *("--debug-log", "logs", "--debug-log-verbosity", "detailed"),
            ],
            folder / "rotel.log",
        )
        running.append(self._collector)
        self._collector.wait_for(collector[0])
        upstream, admin = Upstream(next(ports)), next(ports)
        running.append(upstream)
        pki = folder / "pki"
        pki.mkdir()
        sinks = {"otel_collector": collector[0], "access_log_service": self._access.port}
        authority = Authority(pki, "authority")
        self.guard = Guard(folder / "envoy", authority, upstream.port, admin, lists, sinks, repository)
        running.append(self.guard)
        self.rsyslog = Rsyslog(folder / "rsyslog", folder / "envoy/audit.log")
        running.append(self.rsyslog)
        self.prometheus_port = next(ports)
        self.prometheus = _prometheus(folder / "prometheus", admin, self.prometheus_port)
        running.append(self.prometheus)
        self.prometheus.wait_for(self.prometheus_port)
        self.caller, self.thief, self.garbage = self.guard.caller, self.guard.thief, self.guard.garbage
        self.announced, self._repository = self.guard.announced, repository

    def unannounced(self):
        """One whose exchanges the repository does not take note of."""
        ask = self.announced()

        def asks(**request):
            self._repository.acknowledges = False
            try:
                return ask(**request)
            finally:
                self._repository.acknowledges = True

        return asks

    def lines(self):
        return lines_of(self._folder / "envoy/audit.log")

    def alerts(self):
        return lines_of(self._folder / "envoy/alerts.log")

    def forwarded(self):
        return lines_of(self._folder / "rsyslog/lines.log")

    def parsed(self):
        return [json.loads(line) for line in lines_of(self._folder / "rsyslog/parsed.json")]

    def unparsed(self):
        return "\n".join(lines_of(self._folder / "rsyslog/not-records.log"))

    def collected(self):
        lines = lines_of(self._folder / "rotel.log")
        return [line.removeprefix(BODY).removesuffix(")") for line in lines if line.startswith(BODY)]

    def served(self):
        return self._access.records()

    def everything(self):
        """All that each reader has, by its name."""
        return {
            "the file": "\n".join(self.lines()),
            "the file of alerts": "\n".join(self.alerts()),
            "rsyslog": "\n".join(self.forwarded()),
            "the OpenTelemetry collector": "\n".join(lines_of(self._folder / "rotel.log")),
            "the access log service": self._access.text(),
        }

    def promtool(self, *arguments):
        command = [parts.find(parts.PROMTOOL), *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=parts.environment())


class AccessLogService(als_pb2_grpc.AccessLogServiceServicer):
    """Envoy's own protocol, by messages that others have made of it."""

    def __init__(self):
        self._messages = []
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port(f"{ADDRESS}:0")
        self._server.start()

    def StreamAccessLogs(self, messages, _):
        for message in messages:
            self._messages.append(message)
        return als_pb2.StreamAccessLogsResponse()

    def records(self):
        return [self._record(entry) for message in list(self._messages) for entry in message.tcp_logs.log_entry]

    def text(self):
        """All of it, whatever the fields."""
        return "\n".join(str(message) for message in list(self._messages))

    def stop(self):
        self._server.stop(0)

    def _record(self, entry):
        state = entry.common_properties.filter_state_objects["wasm.fhir_guard.audit"]
        value = wrappers_pb2.StringValue()
        if not state.Unpack(value):
            value = wrappers_pb2.BytesValue()
            state.Unpack(value)
        return value.value if isinstance(value.value, str) else value.value.decode()


class Rsyslog:
    """As it is shipped, but for the folders."""

    def __init__(self, folder, file):
        folder.mkdir()
        text = (SINKS / "rsyslog.conf").read_text()
        text = text.replace("/var/log/fhir-guard/audit.log", str(file))
        text = text.replace("/var/log/fhir-guard", str(folder)).replace("/var/spool/rsyslog", str(folder))
        configuration = folder / "rsyslog.conf"
        configuration.write_text(text)
        options = ["-n", "-f", configuration, "-i", folder / "pid", "-M", parts.rsyslog_modules()]
        command = [parts.find(parts.RSYSLOG), *options]
        self._new = lambda: Process("rsyslog", command, folder / "rsyslog.log", parts.environment())
        self.start()

    def start(self):
        self._process = self._new()

    def stop(self):
        self._process.stop()


def _prometheus(folder, admin, port):
    folder.mkdir()
    (folder / "data").mkdir()
    shutil.copy(RULES, folder / "rules.yaml")
    scrape = {
        "job_name": "fhir-guard",
        "metrics_path": "/stats/prometheus",
        "static_configs": [{"targets": [f"{ADDRESS}:{admin}"]}],
    }
    configuration = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [scrape],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    command = [
        parts.find(parts.PROMETHEUS),
        f"--config.file={folder}/prometheus.yaml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={ADDRESS}:{port}",
    ]
    return Process("prometheus", command, folder / "prometheus.log", parts.environment())


class Upstream:
    """A FHIR server that knows one patient, and gives it slowly under another id."""

    def __init__(self, port):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path = self.path.split("?")[0]
                name = path.rsplit("/", 1)[-1]
                patient = {"resourceType": "Patient", "id": name}
                if name == "Patient":
                    self._answer({"resourceType": "Bundle", "type": "searchset", "entry": []})
                else:
                    self._answer(patient, SLOW if name == "slow" else 0)

            def do_POST(self):
                bundle = json.loads(self.rfile.read(int(self.headers["content-length"])))
                patient = {"resourceType": "Patient", "id": "p1"}
                entry = {"resource": patient, "response": {"status": "200"}}
                entries = [entry] * len(bundle["entry"])
                self._answer({"resourceType": "Bundle", "type": "batch-response", "entry": entries})

            def _answer(self, resource, pause=0):
                body = json.dumps(resource).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:10])
                self.wfile.flush()
                time.sleep(pause)
                self.wfile.write(body[10:])

            def log_message(self, *_):
                pass

        self.port = port
        self._server = ThreadingHTTPServer((ADDRESS, port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()


class Guard:
    """The shipped manifest with the shipped sinks, of the listener that takes connections without certificates; and the
    same once more, where a repository is told of each exchange before it goes on."""

    def __init__(self, folder, authority, upstream, admin, lists, sinks, repository):
        folder.mkdir()
        private = ec.generate_private_key(ec.SECP256R1())
        self._key = ECKey.import_key(private, {"kid": "k1", "alg": "ES256", "use": "sig"})
        self._authority = authority
        self._certificate, self._other = authority.client("robot"), authority.client("thief")
        (self._port, self._strict_port, nobody) = free_ports(3)
        write_files(folder, authority, authority.server())
        config = yaml.safe_load((parts.ROOT / "envoy/envoy.yaml").read_text())
        set_address(config["admin"]["address"], ADDRESS, admin)
        clusters = config["static_resources"]["clusters"]
        self._reach(clusters[0], upstream)
        clusters += [cluster_of("lists", lists.port), cluster_of("nobody", nobody)]
        listeners = config["static_resources"]["listeners"]
        (shipped,) = [listener for listener in listeners if listener["name"] == LISTENER]
        listeners[:] = [copy.deepcopy(shipped)]
        set_address(listeners[0]["address"], ADDRESS, self._port)
        (manager,) = [part for part in objects(listeners[0]) if "http_filters" in part]
        for name in ("opentelemetry", "grpc"):
            sink = yaml.safe_load((SINKS / f"{name}.yaml").read_text())
            manager["access_log"] += sink["access_log"]
            for cluster in sink["clusters"]:
                self._reach(cluster, sinks[cluster["name"]])
            clusters += sink["clusters"]
        manager["access_log"] += yaml.safe_load((SINKS / "alerts.yaml").read_text())["access_log"]
        (filter,) = [part for part in objects(manager) if part.get("@type") == WASM]
        self._configure(filter["config"]["configuration"]["value"], upstream, lists)
        listeners.append(self._strict(listeners[0], repository))
        clusters.append(cluster_of("repository", repository.port))
        places = {"/etc/fhir-guard": folder, "/var/log/fhir-guard": folder, "/dev/stdout": folder / "audit.log"}
        config = replaced(config, {shipped: str(place) for shipped, place in places.items()})
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        self._process = Process("envoy", [envoy(), "--config-path", file, *OPTIONS], folder / "envoy.log")
        self._process.wait_for(self._port)
        self._process.wait_for(self._strict_port)

    def caller(self, client, issuer=ISSUER):
        return self._asks(client, self._certificate, issuer)

    def announced(self):
        """One whose exchanges are announced."""
        return self._asks("robot", self._certificate, ISSUER, port=self._strict_port)

    def thief(self):
        """A token of the other, with a certificate of its own: each time another token."""
        return self._asks("robot", self._other, ISSUER, steals=True)

    def garbage(self):
        """Something whose head cannot be read."""
        with self._tls().wrap_socket(socket.create_connection((ADDRESS, self._port)), server_hostname=HOST) as raw:
            raw.sendall(f"GET /r4/{CANARY} HTTP/1.1\r\nhost: a\r\n{CANARY}\r\n\r\n".encode())
            raw.settimeout(10)
            while raw.recv(4096):
                pass

    def lives(self):
        return self._process.lives()

    def log(self):
        return self._process.log()

    def stop(self):
        self._process.stop()

    def _asks(self, client, certificate, issuer, steals=False, port=None):
        """A function that asks once, on a connection of its own, and gives the status."""
        numbers = iter(range(1000))
        first = self._token(client, 0, issuer)

        def ask(path, method="GET", body=None, fields=()):
            token = self._token(client, next(numbers), issuer) if steals else first
            headers = {"authorization": f"Bearer {token}", **dict(fields)}
            headers = {name: value for name, value in headers.items() if value}
            if body is not None:
                body = json.dumps(body)
                headers["content-type"] = "application/fhir+json"
            context = self._tls()
            context.load_cert_chain(*certificate.pair)
            connection = http.client.HTTPSConnection(HOST, port or self._port, timeout=30, context=context)
            try:
                connection.request(method, path, body=body, headers=headers)
                answer = connection.getresponse()
                answer.read()
                return answer.status
            finally:
                connection.close()

        return ask

    def _tls(self):
        return ssl.create_default_context(cafile=str(self._authority.file))

    @staticmethod
    def _reach(cluster, port):
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        set_address(endpoints["lb_endpoints"][0]["endpoint"]["address"], ADDRESS, port)

    def _strict(self, listener, repository):
        strict = copy.deepcopy(listener)
        strict["name"] = "strict"
        set_address(strict["address"], ADDRESS, self._strict_port)
        (filter,) = [part for part in objects(strict) if part.get("@type") == WASM]
        place = {"cluster": "repository", "uri": f"http://{ADDRESS}:{repository.port}/records"}
        audit = filter["config"]["configuration"]["value"]["audit"]
        audit["repository"] = {**place, "format": "records", "strict": True}
        return strict

    def _configure(self, policy, upstream, lists):
        """So that everything that is counted happens."""
        self._base = policy["fhir"]["base"] = f"https://{HOST}:{self._port}/r4"
        policy["fhir"]["upstream"]["base"] = f"http://{ADDRESS}:{upstream}"
        policy["fhir"]["bundles"] = {"types": ["batch"]}
        (entry,) = policy["issuers"]
        entry |= {"audiences": [self._base], "keys": {"inline": {"keys": [self._key.as_dict(private=False)]}}}
        away = {"uri": f"{AWAY}/jwks", "cluster": "nobody"}
        policy["issuers"].append({**entry, "issuer": AWAY, "keys": away})
        policy["revocation"] = [{"uri": lists.uri, "cluster": "lists", "refresh": "10s"}]
        policy["redaction"] = []
        first = {"when": "principal.client == 'robot'", "bypass": True}
        policy["limits"] = [{"name": "few", "key": ["client"], "rate": "1/s", "burst": 2, "priority": first}]
        policy["rules"] = [{"name": "trial", "effect": "deny", "when": "true", "report": True}]
        policy["detectors"] = {}
        policy["audit"]["alerts"] = "ocsf"
        # Nobody is there: what waits for it is told.
        policy["audit"]["repository"] = {"cluster": "nowhere", "uri": "http://nowhere/fhir", "full": "access-log"}

    def _token(self, client, number, issuer):
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": self._base,
            "sub": "somebody",
            "client_id": client,
            "jti": f"{now}-{client}-{number}",
            "iat": now,
            "exp": now + 600,
            "scope": "system/Patient.rs",
            "cnf": {"x5t#S256": self._certificate.thumbprint},
        }
        return forgery.signed(claims, self._key)


def lines_of(file):
    """The lines of a file that are whole."""
    text = file.read_text(errors="replace") if file.exists() else ""
    return text.split("\n")[:-1]
