"""Everything that runs in one comparison, and the tokens that it is about."""

import shutil
import tempfile
import time
from pathlib import Path

import forgery
from authorization_server import (
    ALGORITHMS,
    APP,
    APP_SCOPE,
    AUDIENCE,
    CALLBACK,
    CLIENTS,
    OTHER_AUDIENCE,
    OTHER_SCOPE,
    SCOPE,
    AuthorizationServer,
    client_of,
)
from client import Caller, dpop_key
from guard import Guard, free_bases
from pki import Authority
from revocation_list import RevocationList
from second_judge import SecondJudge


class World:
    """Starts what is needed, and stops exactly that. A context manager."""

    def __init__(self, log):
        self._log = log

    def __enter__(self):
        self._folder = Path(tempfile.mkdtemp(prefix="fhir-guard-interop-"))
        # The children of Apache are somebody else, who must reach their files.
        self._folder.chmod(0o755)
        self._running = []
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for part in reversed(self._running):
            part.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def certificate(self, name):
        return self._certificates[name] if name else None

    def token(self, name):
        """The text of a token that the server issued, always the same one by the same name."""
        token = self.issued(name)
        return getattr(token, "access_token", token)

    def issued(self, name):
        """As `token`, as the library has it."""
        if name not in self._tokens:
            self._tokens[name] = self._issued[name]()
        return self._tokens[name]

    def wait(self, seconds):
        self._log(f"waiting for {seconds} s")
        time.sleep(seconds)

    @property
    def key(self):
        """The private key that the server signs with."""
        return self.issuer.keys[0]

    def _start(self):
        pki = self._folder / "pki"
        pki.mkdir()
        authority = Authority(pki, "authority")
        server = authority.server()
        self._certificates = {name: authority.client(name) for name in CLIENTS}
        self._certificates["renewed"] = authority.client("robot", file="renewed")
        self._certificates["stranger"] = Authority(pki, "nobody").client("robot")
        self._log("starting glewlwyd")
        bases = free_bases()
        self.issuer = self._runs(
            AuthorizationServer(self._folder / "glewlwyd", authority, server, bases.values())
        )
        self.issuer.prepare()
        self._log("starting Apache with mod_oauth2")
        self.second = self._runs(SecondJudge(self._folder / "apache", authority, server, self.issuer))
        self._log("starting Envoy with the filter, and the FHIR server")
        self.list = self._runs(RevocationList())
        self.guard = self._runs(Guard(self._folder / "envoy", authority, server, self.issuer, self.list, bases))
        self.second.ready()
        self.guard.ready()
        self.caller = Caller(authority, self.issuer)
        self.dpop_key = dpop_key()
        # What one row keeps for another.
        self.memory = {}
        self._tokens = {}
        self._issued = {
            "bound": lambda: self._ask("robot"),
            "other": lambda: self._ask("other"),
            "unbound": lambda: self._ask(self._secret("robot")),
            "elsewhere": lambda: self._ask("robot", resource=OTHER_AUDIENCE),
            "aimless": lambda: self._ask("robot", resource=None),
            "scope": lambda: self._ask("robot", scope=OTHER_SCOPE),
            **{name: self._signed_with(name) for name in ALGORITHMS[1:]},
            "user": self._of_user,
            "id token": lambda: str(self.issued("user").id_token),
            "revoked": lambda: self._revoked("robot", self._ask("robot")),
            "second key": lambda: self._ask("robot"),
            "third key": lambda: self._ask("robot"),
            "dpop": lambda: self._prove(self._secret("robot")),
            "other dpop": lambda: self._prove(self._secret("other")),
            "elsewhere dpop": lambda: self._prove(self._secret("robot"), OTHER_AUDIENCE),
            "revoked dpop": lambda: self._revoked(self._secret("robot"), self._prove(self._secret("robot"))),
            "short": lambda: self._prove(self._secret("robot")),
            "taken back": lambda: self._prove(self._secret("robot")),
            "both": lambda: self._prove("robot"),
        }

    def _secret(self, name):
        """Proves itself by its secret, without a certificate."""
        return (name, self.issuer.secret)

    def _ask(self, auth, scope=SCOPE, resource=AUDIENCE, key=None):
        return self.caller.token(auth, self._certificate_of(auth), scope, resource, key)

    def _signed_with(self, algorithm):
        certificate = self.certificate(CLIENTS[0])

        def issue():
            token = self.caller.token(client_of(algorithm), certificate, SCOPE, AUDIENCE)
            found = forgery.header_of(token.access_token)["alg"]
            if found != algorithm:
                raise RuntimeError(f"glewlwyd signed with {found}, expected {algorithm}")
            return token

        return issue

    def _of_user(self):
        scope = f"openid {APP_SCOPE}"
        certificate = self.certificate(CLIENTS[0])
        return self.caller.token_of_user(APP, certificate, scope, AUDIENCE, CALLBACK, self.issuer.sign_in)

    def _prove(self, auth, resource=AUDIENCE):
        return self._ask(auth, resource=resource, key=self.dpop_key)

    def _revoked(self, auth, token):
        if not self.caller.revoke(auth, token, self._certificate_of(auth)):
            raise RuntimeError("glewlwyd did not revoke a token of its own")
        return token

    def _certificate_of(self, auth):
        return self.certificate(auth) if isinstance(auth, str) else None

    def _runs(self, part):
        self._running.append(part)
        return part
