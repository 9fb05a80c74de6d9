"""glewlwyd, an authorization server that none of us wrote: its process, and its configuration over REST."""

import json
import secrets
import sqlite3

import parts
import requests
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pki import ADDRESS, HOST
from process import Process, free_ports

# The one plugin that is an OpenID provider here; part of every URL.
PLUGIN = "fhir"
AUDIENCE = "https://fhir.example.org/r4"
# Another resource that the same server issues tokens for.
OTHER_AUDIENCE = "https://lab.example.org/r4"
SCOPE = "system/Patient.rs"
# A scope that does not open a Patient.
OTHER_SCOPE = "system/Observation.rs"
# Each has a certificate of its own. Either may prove itself by it or by a secret: both, because glewlwyd
# tells of a token only to the client it was issued to, and who asks has no certificate of a client.
CLIENTS = ("robot", "other")
# Each with a key, and a client that the server signs for with it; the first one signs for all others.
ALGORITHMS = ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "EdDSA"]
# The property of a client that names the key.
KEY_OF_CLIENT = "sign_kid"
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
# An app whose users sign in: it gets tokens of one patient. The user is that patient.
APP = "app"
APP_SCOPE = "patient/Patient.rs"
CALLBACK = "https://app.example.org/callback"
USER = {"username": "ann", "password": "a password of nobody"}
# The user's properties, which the tokens have as claims of the same names.
LAUNCH = {"patient": "p1", "fhirUser": "Patient/p1"}
LIFETIME = 3600
TIMEOUT = 30

MODULES = {
    "user_module_path": "user",
    "client_module_path": "client",
    "user_auth_scheme_module_path": "scheme",
    "plugin_module_path": "plugin",
}
# The account that glewlwyd's own tables begin with.
ADMINISTRATOR = {"username": "admin", "password": "password"}


class AuthorizationServer:
    """glewlwyd with its clients."""

    def __init__(self, folder, authority, server, resources):
        (self.port,) = free_ports(1)
        self._resources = [AUDIENCE, OTHER_AUDIENCE, *resources]
        self.base = f"https://{HOST}:{self.port}/api"
        self.issuer = f"{self.base}/{PLUGIN}"
        # The newest first.
        self.keys = [_ec_key("ES256", "as-1")]
        self._others = _keys(ALGORITHMS[1:])
        self._rotations = 0
        self.secret = secrets.token_urlsafe(24)
        self.session = requests.Session()
        # Nothing of the environment: neither a proxy nor another authority.
        self.session.trust_env = False
        self.session.verify = str(authority.file)
        folder.mkdir()
        # On other systems there is no such folder in the package.
        (folder / "middleware").mkdir()
        database = folder / "glewlwyd.db"
        with sqlite3.connect(database) as tables:
            tables.executescript(parts.find(parts.GLEWLWYD_TABLES).read_text())
        configuration = folder / "glewlwyd.conf"
        configuration.write_text(self._configuration(folder, database, authority, server))
        self._process = Process(
            "glewlwyd",
            [parts.find(parts.GLEWLWYD), "--config-file", configuration],
            folder / "glewlwyd.log",
            env=parts.environment(),
        )

    def prepare(self):
        """Waits for the server, and gives it scopes, the provider and its clients."""
        self._process.wait_for(self.port)
        answer = self.session.post(f"{self.base}/auth", json=ADMINISTRATOR, timeout=TIMEOUT)
        answer.raise_for_status()
        self._cookie = _cookie_of(answer)
        for scope in (SCOPE, OTHER_SCOPE, APP_SCOPE):
            body = {"name": scope, "display_name": scope, "description": scope, "password_required": False}
            self._administer("POST", "scope", {**body, "scheme": {}})
        plugin = {"module": "oidc", "name": PLUGIN, "display_name": PLUGIN}
        self._administer("POST", "mod/plugin", {**plugin, "parameters": self._parameters()})
        self._add_properties("client", [KEY_OF_CLIENT])
        self._add_properties("user", LAUNCH)
        for name in CLIENTS:
            self._add_client(name, name)
        for key in self._others:
            self._add_client(client_of(key.alg), CLIENTS[0], **{KEY_OF_CLIENT: key.kid})
        code = {"authorization_type": ["code"], "redirect_uri": [CALLBACK]}
        self._add_client(APP, CLIENTS[0], **code, scope=[])
        account = {**USER, "name": USER["username"], "enabled": True, **LAUNCH}
        self._administer("POST", "user", {**account, "scope": ["g_profile", "openid", APP_SCOPE]})

    @property
    def token_endpoint(self):
        return f"{self.issuer}/token"

    @property
    def authorization_endpoint(self):
        return f"{self.issuer}/auth"

    @property
    def introspection_endpoint(self):
        return f"{self.issuer}/introspect"

    @property
    def revocation_endpoint(self):
        return f"{self.issuer}/revoke"

    @property
    def jwks_uri(self):
        return f"{self.issuer}/jwks"

    def jwks(self):
        """The public keys as the server publishes them."""
        answer = self.session.get(self.jwks_uri, timeout=TIMEOUT)
        answer.raise_for_status()
        return answer.json()

    def rotate(self):
        """A new key signs from now on; the one before is still published, older ones are not."""
        self._rotations += 1
        self.keys = [_ec_key("ES256", f"as-{1 + self._rotations}"), self.keys[0]]
        plugin = self._administer("GET", f"mod/plugin/{PLUGIN}").json()
        plugin["parameters"]["jwks-private"] = self._private_keys()
        self._administer("PUT", f"mod/plugin/{PLUGIN}", plugin)
        self._administer("PUT", f"mod/plugin/{PLUGIN}/reset")

    def stop(self):
        self._process.stop()

    def log(self):
        return self._process.log()

    def sign_in(self, request_uri):
        """What the user does in a browser for this authorization request: signs in, and consents.
        Returns where the browser is sent."""
        with requests.Session() as browser:
            browser.trust_env = False
            browser.verify = self.session.verify
            answer = browser.post(f"{self.base}/auth", json=USER, timeout=TIMEOUT)
            answer.raise_for_status()
            headers = _cookie_of(answer)
            consent = {"scope": f"openid {APP_SCOPE}"}
            path = f"{self.base}/auth/grant/{APP}"
            browser.put(path, json=consent, headers=headers, timeout=TIMEOUT).raise_for_status()
            # As its page of consent goes on.
            answer = browser.get(
                f"{request_uri}&g_continue", headers=headers, allow_redirects=False, timeout=TIMEOUT
            )
            return answer.headers["location"]

    def _add_client(self, name, certificate, **more):
        body = {"client_id": name, "name": name, "confidential": True, "enabled": True}
        body |= {"authorization_type": ["client_credentials"], "scope": [SCOPE, OTHER_SCOPE]}
        body |= {"token_endpoint_auth_method": ["tls_client_auth", "client_secret_basic"]}
        body |= {"tls_client_auth_san_dns": f"{certificate}.example.org", "client_secret": self.secret}
        self._administer("POST", "client", body | more)

    def _add_properties(self, kind, names):
        """Which properties clients or users may have besides glewlwyd's own."""
        path = f"mod/{kind}/database"
        module = self._administer("GET", path).json()
        module["parameters"]["data-format"] |= {
            name: {"multiple": False, "read": True, "write": True} for name in names
        }
        self._administer("PUT", path, module)
        self._administer("PUT", f"{path}/reset")

    def _administer(self, method, path, body=None):
        answer = self.session.request(
            method, f"{self.base}/{path}", json=body, headers=self._cookie, timeout=TIMEOUT
        )
        if not answer.ok:
            raise RuntimeError(f"glewlwyd: {method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer

    def _private_keys(self):
        return json.dumps({"keys": [key.as_dict(private=True) for key in [*self.keys, *self._others]]})

    def _parameters(self):
        """Of the plugin `oidc`. What is off is said, because nothing is off by itself."""
        unused = ("token", "password", "implicit", "refresh", "none", "device")
        return {
            "iss": self.issuer,
            "jwt-type": "ecdsa",
            "jwt-key-size": "256",
            "jwks-private": self._private_keys(),
            "jwks-show": True,
            "access-token-duration": LIFETIME,
            "refresh-token-duration": LIFETIME,
            "code-duration": 600,
            "refresh-token-rolling": False,
            "allow-non-oidc": True,
            "subject-type": "public",
            "client-sign_kid-parameter": KEY_OF_CLIENT,
            "auth-type-client-enabled": True,
            "auth-type-code-enabled": True,
            **{f"auth-type-{name}-enabled": False for name in unused},
            "introspection-revocation-allowed": True,
            "introspection-revocation-allow-target-client": True,
            "client-cert-source": "TLS",
            "client-cert-use-endpoint-aliases": False,
            "client-cert-self-signed-allowed": False,
            "oauth-dpop-allowed": True,
            "oauth-dpop-iat-duration": 60,
            "pkce-allowed": True,
            "additional-parameters": [{"user-parameter": name, "token-parameter": name} for name in LAUNCH],
            "resource-allowed": True,
            "resource-scope": {scope: self._resources for scope in (SCOPE, OTHER_SCOPE, APP_SCOPE)},
            "resource-client-property": "",
            "resource-scope-and-client-property": False,
        }

    def _configuration(self, folder, database, authority, server):
        modules = parts.find(parts.GLEWLWYD_MODULES)
        settings = {
            "port": self.port,
            "bind_address": ADDRESS,
            "external_url": f"https://{HOST}:{self.port}",
            "login_url": "login.html",
            "api_prefix": "api",
            "log_mode": "console",
            "log_level": "INFO",
            "cookie_domain": HOST,
            "cookie_secure": 1,
            "session_key": "SESSION",
            "admin_scope": "g_admin",
            "profile_scope": "g_profile",
            "hash_algorithm": "SHA512",
            "use_secure_connection": True,
            "secure_connection_key_file": str(server.key),
            "secure_connection_pem_file": str(server.certificate),
            "secure_connection_ca_file": str(authority.file),
            "user_middleware_module_path": str(folder / "middleware"),
            **{key: str(modules / name) for key, name in MODULES.items()},
        }
        lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        lines.append(f'database = {{ type = "sqlite3"; path = {json.dumps(str(database))}; }};')
        return "\n".join(lines) + "\n"


def _cookie_of(answer):
    """By hand, because a jar sends no cookie back to a host without a dot."""
    return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in answer.cookies)}


def client_of(algorithm):
    """The client whose tokens are signed so, with the certificate of the first."""
    return f"{CLIENTS[0]}-{algorithm.lower()}"


def _keys(algorithms):
    """One for each; all of RSA are one key under six names, because it takes its time."""
    rsa = RSAKey.generate_key(2048).as_dict(private=True)
    keys = []
    for algorithm in algorithms:
        named = {"kid": f"as-{algorithm.lower()}", "alg": algorithm, "use": "sig"}
        if algorithm.startswith("E"):
            keys.append(_ec_key(algorithm, named["kid"]))
        else:
            keys.append(RSAKey.import_key({**rsa, **named}))
    return keys


def _ec_key(algorithm, kid):
    named = {"kid": kid, "alg": algorithm, "use": "sig"}
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519", named)
    return ECKey.generate_key(CURVES[algorithm], named)
