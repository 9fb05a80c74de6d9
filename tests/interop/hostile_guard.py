"""The filter in a real Envoy before the hostile server: a listener for each way to be configured, and tokens
that are signed here, for it is not they that are tried."""

import copy
import json
import ssl
import time
import http.client
from urllib.parse import urlsplit

import forgery
import parts
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from guard import LISTENER, OPTIONS, WASM, envoy, objects, replaced, set_address, write_files
from hostile_server import DOCTOR, OWN
from joserfc.jwk import ECKey
from pki import ADDRESS, HOST
from process import Process, free_ports

ISSUER = "https://as.example.org"
TIMEOUT = 60
PAGE_KEY = "b0" * 32
CLEARED = {"unlabelled": "normal", "clearances": [{"confidentiality": "normal"}]}
HIDDEN = [
    {"name": "birth-date", "resource": "Patient", "elements": ["birthDate"], "action": "remove"},
    {"name": "performer", "resource": "Observation", "elements": ["performer"], "action": "remove"},
]
TEXTS = [{"name": "mail", "patterns": ["email"], "action": "mask"}]


def _as_shipped(policy):
    """But for the redaction, which has a way of its own."""
    policy["redaction"] = []


def _open(policy):
    """Everything that makes a server send more."""
    _as_shipped(policy)
    policy["fhir"] |= {
        "bundles": {"types": ["batch"]},
        "operations": [
            {
                "name": "everything",
                "level": "instance",
                "types": ["Patient"],
                "parameters": ["_count"],
                "answer": "bundle",
            },
            {
                "name": "everything",
                "level": "type",
                "types": ["Patient"],
                "parameters": ["_count"],
                "answer": "bundle",
            },
        ],
        "search": {
            "include": ["Observation:subject", "Observation:performer:Practitioner", "Observation:encounter"],
            "revinclude": ["Observation:subject", "Condition:subject"],
            "chains": ["Observation:subject:Patient"],
            "has": ["Observation:subject"],
        },
    }
    policy["secrets"] = {"page_key": {"inline": PAGE_KEY}}


def _practitioner(policy):
    _open(policy)
    policy["fhir"]["user_access"] = "compartment"


def _hidden(policy):
    _open(policy)
    policy |= {"labels": CLEARED, "redaction": HIDDEN, "dlp": TEXTS}


def _guarded(policy):
    _open(policy)
    policy["egress"] = [{"name": "one-patient", "patients": 1, "over": "refuse"}]


# By way: the configuration, and whether the server hears `prefer: handling=strict`, in which it says what it
# does not know, and is hostile no longer.
WAYS = {
    "strict": (_as_shipped, True),
    "open": (_open, False),
    "practitioner": (_practitioner, False),
    "hidden": (_hidden, False),
    "guardrail": (_guarded, False),
}


class HostileGuard:
    """One Envoy with a listener for each way, one client, and the tokens that it asks with."""

    def __init__(self, folder, authority, server):
        folder.mkdir()
        self._authority = authority
        self._certificate = authority.client("robot")
        self._key = ECKey.import_key(
            ec.generate_private_key(ec.SECP256R1()), {"kid": "k1", "alg": "ES256", "use": "sig"}
        )
        self._bases = {way: f"https://{HOST}:{port}/r4" for way, port in zip(WAYS, free_ports(len(WAYS)))}
        write_files(folder, authority, authority.server())
        config = yaml.safe_load((parts.ROOT / "envoy/envoy.yaml").read_text())
        (admin,) = free_ports(1)
        set_address(config["admin"]["address"], ADDRESS, admin)
        (cluster,) = config["static_resources"]["clusters"]
        (endpoints,) = cluster["load_assignment"]["endpoints"]
        set_address(endpoints["lb_endpoints"][0]["endpoint"]["address"], ADDRESS, server.port)
        listeners = config["static_resources"]["listeners"]
        (shipped,) = [listener for listener in listeners if listener["name"] == LISTENER]
        listeners[:] = [self._listener(shipped, way, server) for way in WAYS]
        config = replaced(config, {"/etc/fhir-guard": str(folder), "/dev/stdout": str(folder / "audit.log")})
        file = folder / "envoy.json"
        file.write_text(json.dumps(config))
        self._process = Process("envoy", [envoy(), "--config-path", file, *OPTIONS], folder / "envoy.log")
        for base in self._bases.values():
            self._process.wait_for(urlsplit(base).port)

    def ask(self, way, scope, method, path, body=None):
        """Status and text of the answer to whoever has this scope. `path` is below the base, or a link."""
        base = self._bases[way]
        parts_of = urlsplit(path if path.startswith("https:") else base + path)
        context = ssl.create_default_context(cafile=str(self._authority.file))
        context.load_cert_chain(*self._certificate.pair)
        connection = http.client.HTTPSConnection(
            parts_of.hostname, parts_of.port, timeout=TIMEOUT, context=context
        )
        fields = {"Accept": "application/fhir+json", "Authorization": f"Bearer {self._token(base, scope)}"}
        if body is not None:
            form = not body.startswith("{")
            fields["Content-Type"] = "application/x-www-form-urlencoded" if form else "application/fhir+json"
        try:
            query = f"?{parts_of.query}" if parts_of.query else ""
            connection.request(method, parts_of.path + query, body, fields)
            answer = connection.getresponse()
            head = "".join(f"{name}: {value}\n" for name, value in answer.getheaders())
            return answer.status, head, answer.read().decode()
        finally:
            connection.close()

    def log(self):
        return self._process.log()

    def stop(self):
        self._process.stop()

    def _listener(self, shipped, way, server):
        listener = copy.deepcopy(shipped)
        listener["name"] = way
        set_address(listener["address"], ADDRESS, urlsplit(self._bases[way]).port)
        (filter,) = [part for part in objects(listener) if part.get("@type") == WASM]
        policy = filter["config"]["configuration"]["value"]
        policy["fhir"]["base"] = self._bases[way]
        policy["fhir"]["upstream"]["base"] = server.base
        (entry,) = policy["issuers"]
        entry |= {
            "audiences": [self._bases[way]],
            "keys": {"inline": {"keys": [self._key.as_dict(private=False)]}},
        }
        policy["limits"][0]["burst"] = 1000
        configure, strict = WAYS[way]
        configure(policy)
        (routes,) = [part for part in objects(listener) if "virtual_hosts" in part]
        if not strict:
            routes["request_headers_to_remove"] = ["prefer"]
        return listener

    def _token(self, base, scope):
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": base,
            "sub": "somebody",
            "client_id": "robot",
            "jti": f"{now}-{scope}",
            "iat": now,
            "exp": now + 600,
            "scope": scope,
            "cnf": {"x5t#S256": self._certificate.thumbprint},
        }
        if "patient/" in scope:
            claims["patient"] = OWN
        if "user/" in scope:
            claims["fhirUser"] = f"Practitioner/{DOCTOR}"
        return forgery.signed(claims, self._key)
