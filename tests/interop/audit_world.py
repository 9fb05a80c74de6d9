"""One Envoy with the filter four times, as it can remember: records or events for a repository, strict or not, alerts
in both forms; beside the access log in a file, by gRPC and to an OpenTelemetry collector, and spans."""

import base64
import copy
import hashlib
import http.client
import json
import os
import secrets
import socket
import ssl
import time
import urllib.request

import forgery
import parts
import yaml
from audit_server import FhirServer, Repository
from cryptography.hazmat.primitives.asymmetric import ec
from guard import LISTENER, OPTIONS, WASM, cluster_of, envoy, objects, replaced, set_address, write_files
from joserfc.jwk import ECKey
from pki import ADDRESS, HOST, Authority
from process import Process, free_ports
from sinks_world import BODY, ISSUER, SINKS, AccessLogService, lines_of
from spans import SpanService

# By way: what differs of the repository, and the form of alerts.
WAYS = {
    "events": ({"format": "audit-events"}, "ecs"),
    "records": ({"format": "records"}, "ocsf"),
    "strict-records": ({"format": "records", "strict": True}, "ecs"),
    "strict-events": ({"format": "audit-events", "strict": True}, "ocsf"),
}
OBSERVER = "fhir.example.org"
# All that Envoy and the filter say, but for the two parts of Envoy that write heads as they come.
LOGS = ["--log-level", "trace", "--component-log-level", "http:info,router:info"]
# Where the secrets come from.
SECRET, PAGE_SECRET = "FHIR_GUARD_AUDIT_KEY", "FHIR_GUARD_PAGE_KEY"


class AuditWorld:
    """`word` and `field_word` are what the FHIR server answers with, in bodies and fields."""

    def __init__(self, folder, running, word, field_word):
        self._folder = folder
        self.fhir, self.repository = FhirServer(word, field_word), Repository()
        self._access, self.spans = AccessLogService(), SpanService()
        running += [self.fhir, self.repository, self._access, self.spans]
        self.secret = secrets.token_hex(32)
        collector = self._collector(running)
        pki = folder / "pki"
        pki.mkdir()
        self._authority = Authority(pki, "authority")
        # One kind of alert about one certificate comes once a minute, whatever the way.
        self.certificates = {way: self._authority.client(f"robot-{way}") for way in WAYS}
        self.thieves = {way: self._authority.client(f"thief-{way}") for way in WAYS}
        self._key = ECKey.import_key(
            ec.generate_private_key(ec.SECP256R1()), {"kid": "k1", "alg": "ES256", "use": "sig"}
        )
        self.bases = {way: f"https://{HOST}:{port}/r4" for way, port in zip(WAYS, free_ports(len(WAYS)))}
        (self._admin,) = free_ports(1)
        file = self._configuration(folder / "envoy", collector)
        env = {**os.environ, SECRET: self.secret, PAGE_SECRET: secrets.token_hex(32)}
        command = [envoy(), "--config-path", file, *OPTIONS, *LOGS]
        self._envoy_log = folder / "envoy.log"
        self.envoy = Process("envoy", command, self._envoy_log, env)
        running.append(self.envoy)
        for base in self.bases.values():
            self.envoy.wait_for(_port(base))

    def token(self, way, scope, header=None, **claims):
        """A token for this way, tied to the certificate unless the claims say how else."""
        now = int(time.time())
        members = {
            "iss": ISSUER,
            "aud": self.bases[way],
            "sub": "robot",
            "client_id": "robot",
            "jti": secrets.token_hex(8),
            "iat": now,
            "exp": now + 600,
            "scope": scope,
            "cnf": {"x5t#S256": self.certificates[way].thumbprint},
        }
        members = {name: value for name, value in (members | claims).items() if value is not None}
        return forgery.with_header(members, self._key, **(header or {}))

    def proof(self, key, way, token, path, header=None, **claims):
        """A DPoP proof of this key for `GET`."""
        digest = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
        members = {
            "jti": secrets.token_hex(8),
            "htm": "GET",
            "htu": self.bases[way] + path,
            "iat": int(time.time()),
            "ath": digest,
        }
        public = {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
        header = {"typ": "dpop+jwt", "jwk": public, **(header or {})}
        return forgery.with_header(members | claims, key, **header)

    def ask(self, way, method, path, fields, body=None, certificate=None):
        """Status, fields and body of the answer, on a connection of its own. `path` is below the base, or a link."""
        if path.startswith("https:"):
            path = path.removeprefix(self.bases[way])
        context = self._tls()
        context.load_cert_chain(*(certificate or self.certificates[way]).pair)
        connection = http.client.HTTPSConnection(HOST, _port(self.bases[way]), timeout=30, context=context)
        try:
            connection.request(method, f"/r4{path}", body=body, headers=fields)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read().decode(errors="replace")
        finally:
            connection.close()

    def raw(self, way, message):
        """Something whose head cannot be read."""
        plain = socket.create_connection((ADDRESS, _port(self.bases[way])))
        with self._tls().wrap_socket(plain, server_hostname=HOST) as raw:
            raw.sendall(message)
            raw.settimeout(10)
            found = b""
            while piece := raw.recv(4096):
                found += piece
        return found.decode(errors="replace")

    def records(self):
        return lines_of(self._folder / "envoy/audit.log")

    def served(self):
        return self._access.text()

    def collected(self):
        """All that the collector says of what it got."""
        return "\n".join(lines_of(self._folder / "rotel.log"))

    def collected_records(self):
        return [line for line in lines_of(self._folder / "rotel.log") if line.startswith(BODY)]

    def alerts(self, form):
        return lines_of(self._folder / f"envoy/alerts-{form}.log")

    def envoy_log(self):
        return self._envoy_log.read_text(errors="replace")

    def admin(self, path):
        # On the loopback interface, whatever the environment says of proxies.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{ADDRESS}:{self._admin}{path}", timeout=30) as answer:
            return answer.read().decode(errors="replace")

    def _tls(self):
        return ssl.create_default_context(cafile=str(self._authority.file))

    def _collector(self, running):
        ports = free_ports(2)
        process = Process(
            "rotel",
            [
                *(parts.rotel(), "start", "--exporter", "blackhole", "--pid-file", self._folder / "rotel.pid"),
                *("--otlp-grpc-endpoint", f"{ADDRESS}:{ports[0]}"),
                *("--otlp-http-endpoint", f"{ADDRESS}:{ports[1]}"),
                *("--debug-log", "logs", "--debug-log-verbosity", "detailed"),
            ],
            self._folder / "rotel.log",
        )
        running.append(process)
        process.wait_for(ports[0])
        return ports[0]

    def _configuration(self, folder, collector):
        folder.mkdir()
        write_files(folder, self._authority, self._authority.server())
        config = yaml.safe_load((parts.ROOT / "envoy/envoy.yaml").read_text())
        set_address(config["admin"]["address"], ADDRESS, self._admin)
        clusters = config["static_resources"]["clusters"]
        _reach(clusters[0], self.fhir.port)
        clusters.append(cluster_of("repository", self.repository.port))
        logs = []
        # Its collector is not that of the records here.
        self._tracing = yaml.safe_load((SINKS / "tracing.yaml").read_text())
        self._tracing = replaced(self._tracing, {"otel_collector": "span_collector"})
        # Every exchange, not one of a hundred.
        self._tracing["tracing"]["random_sampling"]["value"] = 100
        (cluster,) = self._tracing["clusters"]
        _reach(cluster, self.spans.port)
        clusters.append(cluster)
        for name, port in [("opentelemetry", collector), ("grpc", self._access.port)]:
            sink = yaml.safe_load((SINKS / f"{name}.yaml").read_text())
            for cluster in sink["clusters"]:
                _reach(cluster, port)
            clusters += sink["clusters"]
            logs += sink["access_log"]
        listeners = config["static_resources"]["listeners"]
        (shipped,) = [listener for listener in listeners if listener["name"] == LISTENER]
        listeners[:] = [self._listener(shipped, way, logs, folder) for way in WAYS]
        config = replaced(config, {"/etc/fhir-guard": str(folder), "/dev/stdout": str(folder / "audit.log")})
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        return file

    def _listener(self, shipped, way, logs, folder):
        listener = copy.deepcopy(shipped)
        listener["name"] = way
        set_address(listener["address"], ADDRESS, _port(self.bases[way]))
        repository, form = WAYS[way]
        alerts = yaml.safe_load((SINKS / "alerts.yaml").read_text())["access_log"]
        for alert in alerts:
            alert["typed_config"]["path"] = str(folder / f"alerts-{form}.log")
        (manager,) = [part for part in objects(listener) if "http_filters" in part]
        manager["access_log"] += copy.deepcopy(logs) + alerts
        for name in ("early_header_mutation_extensions", "tracing"):
            manager[name] = copy.deepcopy(self._tracing[name])
        manager["http_filters"][:0] = copy.deepcopy(self._tracing["http_filters"])
        (filter,) = [part for part in objects(manager) if part.get("@type") == WASM]
        plugin = filter["config"]
        plugin["vm_config"]["environment_variables"] = {"host_env_keys": [SECRET, PAGE_SECRET]}
        policy = plugin["configuration"]["value"]
        policy["fhir"] |= {
            "base": self.bases[way],
            "bundles": {"types": ["batch", "transaction"]},
            "export": {"levels": ["system", "patient"]},
            "operations": [{"name": "everything", "level": "instance", "types": ["Patient"], "answer": "bundle"}],
        }
        policy["fhir"]["upstream"]["base"] = self.fhir.base
        (entry,) = policy["issuers"]
        entry |= {
            "audiences": [self.bases[way]],
            "keys": {"inline": {"keys": [self._key.as_dict(private=False)]}},
            "proof": ["certificate", "dpop"],
            "claims": {"purpose": ["/purpose"], "roles": ["/roles"]},
        }
        policy["secrets"] = {"audit_key": {"env": SECRET}, "page_key": {"env": PAGE_SECRET}}
        policy["redaction"], policy["limits"], policy["detectors"] = [], [], {}
        own = {"cluster": "repository", "uri": f"http://{ADDRESS}:{self.repository.port}/{way}"}
        policy["audit"] |= {
            "observer": OBSERVER,
            "alerts": form,
            "token_id": "plain" if way == "events" else "hashed",
            "chain": {},
            "repository": own | repository,
        }
        if way == "strict-events":
            policy["audit"] |= {"references": "hashed", "address": "hashed"}
        return listener


def _port(base):
    return int(base.rsplit(":", 1)[1].split("/")[0])


def _reach(cluster, port):
    (endpoints,) = cluster["load_assignment"]["endpoints"]
    set_address(endpoints["lb_endpoints"][0]["endpoint"]["address"], ADDRESS, port)
