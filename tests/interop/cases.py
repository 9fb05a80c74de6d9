"""What is tried, and what must come of it: one row for each thing a client, or somebody else, does."""

from dataclasses import dataclass
from typing import Callable

import forgery
from authorization_server import ALGORITHMS, APP_SCOPE, AUDIENCE, OTHER_AUDIENCE, SCOPE
from client import Request

ACCEPTED = "accepted"
REFUSED = "refused"
# Nobody is let in, because it cannot be known who it is.
UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Case:
    """One row, tried on both judges."""

    # What the client does.
    name: str
    expected: str
    # From the world and the URL of the judge.
    request: Callable
    # How the record of the filter names the reason; the scope where it is accepted.
    rule: str = f"scope:{SCOPE}"
    # Where mod_oauth2 comes to another verdict: that verdict, and why.
    other: tuple = ()
    remark: str = ""
    # What happens first, to the world.
    before: Callable = None
    # What is read.
    path: str = "/Patient/p1"


def bearer(token, certificate="robot", scheme="Bearer"):
    """`token`: a function of the world."""

    def request(world, _url):
        return Request([("Authorization", f"{scheme} {token(world)}")], world.certificate(certificate))

    return request


def good(world):
    return world.token("bound")


def resigned(**claims):
    """The good token, changed, and signed with the server's own key: nothing else is wrong with it."""
    return lambda world: forgery.changed(good(world), world.key, **claims)


def headed(**header):
    return lambda world: forgery.signed(forgery.claims_of(good(world)), world.key, **header)


def seconds(difference):
    return forgery.now() + difference


def in_query(world, _url):
    return Request([], world.certificate("robot"), query=f"?access_token={good(world)}")


def nothing(world, _url):
    return Request([], world.certificate("robot"))


def twice(world, _url):
    field = ("Authorization", f"Bearer {good(world)}")
    return Request([field, field], world.certificate("robot"))


CLAIMS = "token.claims"


def of_user(world):
    return world.token("user")


def user_resigned(**claims):
    return lambda world: forgery.changed(of_user(world), world.key, **claims)


OF_USER = f"scope:{APP_SCOPE}"

USER = [
    Case("the patient reads itself", ACCEPTED, bearer(of_user), OF_USER),
    Case(
        "the patient, with its type in the token",
        ACCEPTED,
        bearer(user_resigned(patient="Patient/p1")),
        OF_USER,
    ),
    Case(
        "the patient reads another one",
        REFUSED,
        bearer(of_user),
        "compartment",
        path="/Patient/p2",
        other=(ACCEPTED, "mod_oauth2 knows nothing of patients"),
    ),
    Case(
        "no patient in the token",
        REFUSED,
        bearer(user_resigned(patient=None)),
        "scope",
        other=(ACCEPTED, "mod_oauth2 knows nothing of patients"),
    ),
    Case(
        "another type of resource",
        REFUSED,
        bearer(of_user),
        "scope",
        path="/Observation/o1",
        other=(ACCEPTED, "mod_oauth2 knows nothing of resources"),
    ),
    Case("another client's certificate", REFUSED, bearer(of_user, "other"), "token.binding"),
    Case(
        "the user's refresh token",
        REFUSED,
        bearer(lambda world: world.issued("user").refresh_token),
        "token.malformed",
    ),
]


def signed_with(algorithm):
    return bearer(lambda world: world.token(algorithm))


def damaged(algorithm):
    return bearer(lambda world: forgery.tampered_signature(world.token(algorithm)))


UNKNOWN = {"EdDSA": (REFUSED, "the library below mod_oauth2 does not know EdDSA (RFC 8037)")}
SIGNATURES = [
    row
    for algorithm in ALGORITHMS[1:]
    for row in (
        Case(
            f"a token that the server signed with {algorithm}",
            ACCEPTED,
            signed_with(algorithm),
            other=UNKNOWN.get(algorithm, ()),
        ),
        Case(
            f"{algorithm}, a bit of the signature is another",
            REFUSED,
            damaged(algorithm),
            "token.signature",
        ),
    )
]

CERTIFICATE = [
    Case("the client's certificate and its token", ACCEPTED, bearer(good)),
    Case("the same token again", ACCEPTED, bearer(good)),
    Case("the scheme in lower case", ACCEPTED, bearer(good, scheme="bearer")),
    Case(
        "another client with its own certificate and token",
        ACCEPTED,
        bearer(lambda world: world.token("other"), "other"),
    ),
    Case(
        "the token's claims, signed again with the server's key",
        ACCEPTED,
        bearer(resigned()),
        remark="the forgeries below are made in this way",
    ),
    Case(
        "several audiences, one is this API",
        ACCEPTED,
        bearer(resigned(aud=[OTHER_AUDIENCE, AUDIENCE])),
    ),
    Case("another client's certificate", REFUSED, bearer(good, "other"), "token.binding"),
    Case(
        "the client's next certificate, of the same name",
        REFUSED,
        bearer(good, "renewed"),
        "token.binding",
    ),
    Case("no certificate", REFUSED, bearer(good, None), "token.certificate"),
    Case(
        "a certificate of an authority that nobody trusts",
        REFUSED,
        bearer(good, "stranger"),
        "",
        remark="refused in the handshake, before there is a request",
    ),
    Case(
        "a token that is not bound, as the server issues it for a secret",
        REFUSED,
        bearer(lambda world: world.token("unbound")),
        "token.binding",
    ),
    Case(
        "a token bound by SHA-1 only (`x5t`)", REFUSED, bearer(resigned(cnf={"x5t": "AAAA"})), "token.binding"
    ),
    Case("an empty confirmation", REFUSED, bearer(resigned(cnf={})), "token.binding"),
    Case("an empty thumbprint", REFUSED, bearer(resigned(cnf={"x5t#S256": ""})), "token.binding"),
    Case(
        "expired a second ago",
        REFUSED,
        bearer(lambda world: resigned(iat=seconds(-60), nbf=seconds(-60), exp=seconds(-1))(world)),
        "token.expired",
    ),
    Case("no `exp`", REFUSED, bearer(resigned(exp=None)), CLAIMS),
    Case("no `iat`", REFUSED, bearer(resigned(iat=None)), CLAIMS),
    Case(
        "issued in an hour",
        REFUSED,
        bearer(lambda world: resigned(iat=seconds(3600), nbf=None)(world)),
        "token.not-yet",
    ),
    Case(
        "not valid for another hour (`nbf`)",
        REFUSED,
        bearer(lambda world: resigned(nbf=seconds(3600))(world)),
        "token.not-yet",
        other=(ACCEPTED, "mod_oauth2 does not look at `nbf`"),
    ),
    Case(
        "a bit of the signature is another",
        REFUSED,
        bearer(lambda world: forgery.tampered_signature(good(world))),
        "token.signature",
    ),
    Case(
        "other claims under the old signature",
        REFUSED,
        bearer(lambda world: forgery.tampered_claims(good(world), sub="admin")),
        "token.signature",
    ),
    Case(
        "no signature, `alg: none`",
        REFUSED,
        bearer(lambda world: forgery.unsigned(good(world))),
        "token.algorithm",
    ),
    Case(
        "no signature, `alg: ES256`",
        REFUSED,
        bearer(lambda world: forgery.unsigned(good(world), "ES256")),
        "token.signature",
    ),
    Case(
        "HS256 with the public key as the secret",
        REFUSED,
        bearer(lambda world: forgery.by_public_key(good(world), world.key)),
        "token.algorithm",
    ),
    Case(
        "a stranger's key under the server's `kid`",
        REFUSED,
        bearer(lambda world: forgery.by_stranger(good(world))),
        "token.signature",
    ),
    Case(
        "a stranger's key, brought along in the header (`jwk`)",
        REFUSED,
        bearer(lambda world: forgery.with_own_key(good(world))),
        "token.header",
    ),
    Case("a `kid` that the server does not have", REFUSED, bearer(headed(kid="as-9")), "token.key"),
    Case(
        "a token of the server for another resource",
        REFUSED,
        bearer(lambda world: world.token("elsewhere")),
        "token.audience",
    ),
    Case(
        "a token of the server for no resource: its audience is the scope",
        REFUSED,
        bearer(lambda world: world.token("aimless")),
        "token.audience",
    ),
    Case("no audience", REFUSED, bearer(resigned(aud=None)), "token.audience"),
    Case("another issuer", REFUSED, bearer(resigned(iss="https://as.example.net")), "token.issuer"),
    Case("an ID token", REFUSED, bearer(lambda world: world.token("id token")), "token.type"),
    Case(
        "an access token of the type `JWT`",
        REFUSED,
        bearer(headed(typ="JWT")),
        "token.type",
        other=(ACCEPTED, "mod_oauth2 does not look at `typ` (RFC 9068 section 4)"),
    ),
    Case(
        "a header member that must be understood (`crit`)",
        REFUSED,
        bearer(lambda world: forgery.critical(good(world), world.key)),
        "token.header",
        other=(ACCEPTED, "the library below mod_oauth2 passes over `crit` (RFC 7515 section 4.1.11)"),
    ),
    Case(
        "no client in the token",
        REFUSED,
        bearer(resigned(client_id=None)),
        CLAIMS,
        other=(ACCEPTED, "mod_oauth2 asks for no `client_id` (RFC 9068 section 2.2 does)"),
    ),
    Case("no subject in the token", REFUSED, bearer(resigned(sub=None)), CLAIMS),
    Case(
        "no token id (`jti`)",
        REFUSED,
        bearer(resigned(jti=None)),
        CLAIMS,
        other=(ACCEPTED, "mod_oauth2 asks for no `jti` (RFC 9068 section 2.2 does)"),
    ),
    Case(
        "a token of the server for another scope",
        REFUSED,
        bearer(lambda world: world.token("scope")),
        "scope",
    ),
    Case("no credentials", REFUSED, nothing, "credentials.missing"),
    Case("the token in the query", REFUSED, in_query, "credentials.malformed"),
    Case("the token twice, in two fields", REFUSED, twice, "credentials.malformed"),
    Case("the scheme Basic", REFUSED, bearer(good, scheme="Basic"), "credentials.missing"),
    Case("no token behind the scheme", REFUSED, bearer(lambda _: ""), "credentials.malformed"),
    Case(
        "a token that the server has revoked",
        ACCEPTED,
        bearer(lambda world: world.token("revoked")),
        remark="whoever looks at the signature only cannot know",
    ),
]
