"""fhir-guard in a real Envoy, with the shipped manifest, and the FHIR server behind it."""

import copy
import json
import os
import secrets
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import parts
import yaml
from authorization_server import ALGORITHMS, AUDIENCE, CLIENTS, SCOPE
from pki import ADDRESS, HOST
from process import Process, free_ports

# The one of the shipped manifest that asks for a certificate, but takes connections without.
LISTENER = "open"
# Two workers, as in production. The records are wanted at once.
OPTIONS = ["--concurrency", "2", "--disable-hot-restart", "--file-flush-interval-msec", "50"]
# How often fetched keys are fetched again, in seconds: the least that the filter takes.
REFRESH = 10
SERVER_CLUSTER = "authorization_server"
LISTS_CLUSTER = "revocation_lists"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"


def by_certificate(_policy, _issuer, _lists):
    """As it is shipped."""


def by_proof(policy, _issuer, _lists):
    """A key of the client ties a token as well as its certificate, and is enough."""
    policy["issuers"][0]["proof"] = ["certificate", "dpop"]
    policy["client_certificate"]["required"] = False


def by_nonce(policy, issuer, lists):
    """As `by_proof`, and the proof must have a nonce that the filter gave out."""
    by_proof(policy, issuer, lists)
    policy["dpop"] = {"nonce": "required"}
    policy["secrets"] = {"nonce_key": {"inline": secrets.token_hex(32)}}


def by_fetched_keys(policy, issuer, _lists):
    """The keys are where the server publishes them, and may change."""
    policy["issuers"][0]["keys"] = {
        "uri": issuer.jwks_uri,
        "cluster": SERVER_CLUSTER,
        "refresh": f"{REFRESH}s",
        "cooldown": "1s",
    }


def by_list(policy, issuer, lists):
    """As `by_proof`, but for what the operator took back."""
    by_proof(policy, issuer, lists)
    place = {"uri": lists.uri, "cluster": LISTS_CLUSTER}
    policy["revocation"] = [{**place, "refresh": f"{REFRESH}s"}]


def by_introspection(policy, issuer, lists):
    """As `by_proof`, and the server is asked about every token. What it said is remembered as shortly as
    can be."""
    by_proof(policy, issuer, lists)
    policy["issuers"][0]["introspection"] = {
        "uri": issuer.introspection_endpoint,
        "cluster": SERVER_CLUSTER,
        "client": {"id": CLIENTS[0], "secret": {"inline": issuer.secret}},
        "tokens": ["opaque", "jwt"],
        "cache": "100ms",
        "negative_cache": "100ms",
    }


# By way: how the filter's configuration differs.
CONFIGURATIONS = {
    "certificate": by_certificate,
    "dpop": by_proof,
    "nonce": by_nonce,
    "introspection": by_introspection,
    "keys": by_fetched_keys,
    "revocation": by_list,
}
# What this version can do. The rows of other ways count as skipped for it.
WAYS = list(CONFIGURATIONS)


def free_bases():
    """Where clients will reach the filter, by way."""
    return {way: f"https://{HOST}:{port}/r4" for way, port in zip(WAYS, free_ports(len(WAYS)))}


class Guard:
    """One Envoy with the filter: a listener for each way, with a configuration of its own."""

    def __init__(self, folder, authority, server, issuer, lists, bases):
        self._folder = folder
        folder.mkdir()
        self._fhir = Process("fhir-server", [_fhir_server()], folder / "fhir-server.log")
        self._fhir.wait_until(lambda: "raw http" in self._fhir.log(), "say its address")
        fhir_base = self._fhir.log().split()[0]
        (admin,) = free_ports(1)
        self.bases = bases
        self._audit = folder / "audit.log"
        write_files(folder, authority, server)
        config = yaml.safe_load((parts.ROOT / "envoy/envoy.yaml").read_text())
        set_address(config["admin"]["address"], ADDRESS, admin)
        (cluster,) = config["static_resources"]["clusters"]
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        fhir_port = urlsplit(fhir_base).port
        set_address(endpoints["lb_endpoints"][0]["endpoint"]["address"], ADDRESS, fhir_port)
        config["static_resources"]["clusters"].extend(
            [_server_cluster(authority, issuer.port), cluster_of(LISTS_CLUSTER, lists.port)]
        )
        listeners = config["static_resources"]["listeners"]
        (shipped,) = [listener for listener in listeners if listener["name"] == LISTENER]
        listeners[:] = [self._listener(shipped, way, fhir_base, issuer, lists) for way in WAYS]
        config = replaced(config, {"/etc/fhir-guard": str(folder), "/dev/stdout": str(self._audit)})
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        command = [envoy(), "--config-path", file, *OPTIONS]
        self._process = Process("envoy", command, folder / "envoy.log")

    def ready(self):
        for base in self.bases.values():
            self._process.wait_for(urlsplit(base).port)

    def url(self, way, path):
        return f"{self.bases[way]}{path}"

    def rule(self, request_id):
        """What the audit record of this exchange says: the rule that refused, or nothing."""
        records = []

        def found():
            lines = self._audit.read_text().splitlines() if self._audit.exists() else []
            records[:] = [json.loads(line) for line in lines]
            records[:] = [record for record in records if record.get("request_id") == request_id]
            return records

        self._process.wait_until(found, f"record the exchange {request_id}")
        return records[0].get("rule", "")

    def log(self):
        return self._process.log()

    def stop(self):
        self._process.stop()
        self._fhir.stop()

    def _listener(self, shipped, way, fhir_base, issuer, lists):
        # What the manifest's anchors share must be changed apart.
        listener = copy.deepcopy(shipped)
        listener["name"] = way
        set_address(listener["address"], ADDRESS, urlsplit(self.bases[way]).port)
        (filter,) = [part for part in objects(listener) if part.get("@type") == WASM]
        policy = filter["config"]["configuration"]["value"]
        policy["fhir"]["base"] = self.bases[way]
        policy["fhir"]["upstream"]["base"] = fhir_base
        (entry,) = policy["issuers"]
        entry["issuer"] = issuer.issuer
        # As it is named, and as it is reached here.
        entry["audiences"] = [AUDIENCE, self.bases[way]]
        entry["algorithms"] = ALGORITHMS
        entry["keys"] = {"inline": issuer.jwks()}
        # So that both judges mean the same by `expired`.
        entry["clock_skew"] = "0s"
        policy["discovery"] = {"scopes": [SCOPE]}
        policy["limits"][0]["burst"] = 1000
        CONFIGURATIONS[way](policy, issuer, lists)
        return listener


def write_files(folder, authority, server):
    """What the manifest wants below `/etc/fhir-guard`."""
    tls = folder / "tls"
    tls.mkdir()
    shutil.copy(authority.file, tls / "ca.pem")
    shutil.copy(server.certificate, tls / "server.pem")
    shutil.copy(server.key, tls / "server.key")
    shutil.copy(module(), folder / "fhir_guard.wasm")


def set_address(address, host, port):
    address["socket_address"] |= {"address": host, "port_value": port}


def _server_cluster(authority, port):
    """The way to the authorization server."""
    trusted = {
        "trusted_ca": {"filename": str(authority.file)},
        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": HOST}}],
    }
    context = {"sni": HOST, "common_tls_context": {"validation_context": trusted}}
    socket = {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": TLS, **context}}
    return {**cluster_of(SERVER_CLUSTER, port), "transport_socket": socket}


def cluster_of(name, port):
    address = {"socket_address": {"address": ADDRESS, "port_value": port}}
    endpoints = [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    assignment = {"cluster_name": name, "endpoints": endpoints}
    return {"name": name, "type": "STATIC", "connect_timeout": "5s", "load_assignment": assignment}


def objects(value):
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from objects(part)


def replaced(value, prefixes):
    if isinstance(value, dict):
        return {key: replaced(part, prefixes) for key, part in value.items()}
    if isinstance(value, list):
        return [replaced(part, prefixes) for part in value]
    if isinstance(value, str):
        for prefix, instead in prefixes.items():
            if value.startswith(prefix):
                return instead + value.removeprefix(prefix)
    return value


def envoy():
    named = os.environ.get("ENVOY")
    return executable(Path(named) if named else parts.ROOT / ".tools/envoy/envoy/_bin/envoy", "make tools")


def _fhir_server():
    target = Path(os.environ.get("CARGO_TARGET_DIR", parts.ROOT / "target"))
    return executable(target / "debug/fhir-server", "make demo-binary")


def module():
    named = os.environ.get("FHIR_GUARD_WASM")
    module = Path(named) if named else parts.ROOT / "dist/fhir_guard.wasm"
    if not module.is_file():
        raise parts.Missing(f"{module} is not there: make wasm")
    return module


def executable(path, target):
    if not os.access(path, os.X_OK):
        raise parts.Missing(f"{path} is not there: {target}")
    return path
