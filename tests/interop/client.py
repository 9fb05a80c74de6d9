"""The client: an independent library gets the tokens and signs the proofs. What the library refuses to
send, because it is wrong, is sent by hand."""

import http.client
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests
from requests_oauth2client import ClientSecretBasic, DPoPKey, OAuth2Client, PublicApp

TIMEOUT = 30


# 0: in the handshake. 404: as if it were not there.
REFUSALS = (0, 400, 401, 403, 404)


@dataclass(frozen=True)
class Answer:
    """What a judge said: its status, and the id of the exchange where there is one."""

    status: int
    request_id: str

    @property
    def verdict(self):
        """What a judge means by a status; anything else is no verdict."""
        if self.status == 200:
            return "accepted"
        if self.status == 503:
            return "unavailable"
        return "refused" if self.status in REFUSALS else "answered"

    @property
    def shown(self):
        return str(self.status) if self.status else "TLS"


NO_CONNECTION = Answer(0, "")


@dataclass(frozen=True)
class Request:
    """One GET as a client, or somebody else, would send it."""

    # Header fields in their order; one name may come twice.
    headers: list = field(default_factory=list)
    certificate: object = None
    query: str = ""


@dataclass(frozen=True)
class LibraryRequest:
    """A GET as the library sends it, with its own type of token, which adds the scheme and the proof."""

    token: object
    certificate: object = None


class Caller:
    """Asks the authorization server for tokens, and the judges for a Patient."""

    def __init__(self, authority, issuer):
        self._authority = authority
        self._issuer = issuer

    def token(self, auth, certificate=None, scope=None, resource=None, dpop_key=None):
        """A token by client credentials, as the library has it. `auth`: a client id, which the certificate
        proves, or id and secret."""
        return self._client(auth, certificate).client_credentials(
            scope=scope, resource=resource, dpop=dpop_key is not None, dpop_key=dpop_key
        )

    def token_of_user(self, auth, certificate, scope, resource, redirect_uri, sign_in):
        """A token by an authorization code with PKCE, as the library has it. `sign_in`: what the user does
        for an authorization request; returns where the browser is sent."""
        client = self._client(auth, certificate, redirect_uri)
        request = client.authorization_request(scope=scope, resource=resource)
        code = request.validate_callback(sign_in(request.uri))
        return client.authorization_code(code, resource=resource, validate=False)

    def metadata(self, url, certificate):
        """What a client that knows only this URL is told: the metadata of the protected resource, from the
        address in the challenge (RFC 9728 section 5)."""
        with self._session(certificate) as session:
            challenge = session.get(url, timeout=TIMEOUT).headers.get("www-authenticate", "")
            address = challenge.partition('resource_metadata="')[2].partition('"')[0]
            answer = session.get(address, timeout=TIMEOUT)
            answer.raise_for_status()
            return answer.json()

    def discovered_token(self, auth, certificate, metadata):
        """A token with no other knowledge than this metadata and what it leads to, as the library has it."""
        client = OAuth2Client.from_discovery_endpoint(
            issuer=metadata["authorization_servers"][0],
            auth=PublicApp(auth),
            session=self._session(certificate),
        )
        scope = " ".join(metadata["scopes_supported"])
        return client.client_credentials(scope=scope, resource=metadata["resource"])

    def revoke(self, auth, token, certificate=None):
        return self._client(auth, certificate).revoke_access_token(token)

    def introspect(self, auth, token, certificate=None):
        """The members of the answer (RFC 7662)."""
        return self._client(auth, certificate).introspect_token(token)

    def send(self, url, request):
        if isinstance(request, LibraryRequest):
            with self._session(request.certificate) as session:
                accept = {"Accept": "application/fhir+json"}
                answer = session.get(url, auth=request.token, headers=accept, timeout=TIMEOUT)
                return _answer(answer.status_code, answer.headers)
        return self._send_by_hand(url, request)

    def _send_by_hand(self, url, request):
        """Exactly these fields, in this order."""
        parts = urlsplit(url)
        context = ssl.create_default_context(cafile=str(self._authority.file))
        if request.certificate:
            context.load_cert_chain(*request.certificate.pair)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=TIMEOUT, context=context)
        try:
            connection.putrequest("GET", parts.path + request.query)
            connection.putheader("Accept", "application/fhir+json")
            for name, value in request.headers:
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            return _answer(answer.status, answer.headers)
        except (ssl.SSLError, ConnectionResetError) as error:
            # That the client believes the judge is not what is asked here.
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise
            return NO_CONNECTION
        finally:
            connection.close()

    def _client(self, auth, certificate, redirect_uri=None):
        authentication = PublicApp(auth) if isinstance(auth, str) else ClientSecretBasic(*auth)
        return OAuth2Client(
            token_endpoint=self._issuer.token_endpoint,
            introspection_endpoint=self._issuer.introspection_endpoint,
            revocation_endpoint=self._issuer.revocation_endpoint,
            authorization_endpoint=self._issuer.authorization_endpoint,
            redirect_uri=redirect_uri,
            auth=authentication,
            session=self._session(certificate),
        )

    def _session(self, certificate):
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self._authority.file)
        session.cert = certificate.pair if certificate else None
        return session


def _answer(status, fields):
    return Answer(status, fields.get("x-request-id", ""))


def dpop_key(of=None, iat=None, typ="dpop+jwt"):
    """A key that signs proofs: a new one, or that of another which says another time or type."""
    key = of.private_key if of else DPoPKey.generate().private_key
    more = {"iat_generator": lambda: iat} if iat else {}
    return DPoPKey(private_key=key, jwt_typ=typ, **more)
