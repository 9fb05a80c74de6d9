"""What only the authorization server knows: which keys it has now, and which tokens it took back."""

import secrets

import forgery
from authorization_server import CLIENTS
from cases import ACCEPTED, REFUSED, UNAVAILABLE, Case, bearer
from cases_dpop import proven
from client import LibraryRequest
from guard import REFRESH
from second_judge import KEYS_FOR


def rotate(world):
    world.issuer.rotate()


def retire(world):
    """The first key is published no longer, and neither judge may use it any more."""
    world.issuer.rotate()
    world.wait(max(KEYS_FOR, REFRESH) + 1)


def go_away(world):
    """The server is stopped, and longer than mod_oauth2 remembers its keys."""
    world.issuer.stop()
    world.wait(KEYS_FOR + 1)


def first(world):
    return world.token("bound")


ROTATION = [
    Case("a token of the first key", ACCEPTED, bearer(first)),
    Case(
        "the server has a new key: a token of it",
        ACCEPTED,
        bearer(lambda world: world.token("second key")),
        before=rotate,
    ),
    Case("a token of the first key, which is still published", ACCEPTED, bearer(first)),
    Case(
        "the first key is published no longer: its token",
        REFUSED,
        bearer(first),
        "token.key",
        before=retire,
    ),
    Case("a token of the second key", ACCEPTED, bearer(lambda world: world.token("second key"))),
    Case("a token of the third key", ACCEPTED, bearer(lambda world: world.token("third key"))),
    Case(
        "a stranger's key under a `kid` that nobody has",
        REFUSED,
        bearer(lambda world: forgery.by_stranger(first(world), kid="as-9")),
        "token.key",
    ),
]


def take_back(world):
    """The client gives one token back to the server, and the operator puts it on the list, with another
    client and with a certificate."""
    token = world.token("taken back")
    world.caller.revoke((CLIENTS[0], world.issuer.secret), token)
    claims = forgery.claims_of(token)
    world.list.put(
        [
            {"issuer": claims["iss"], "jti": claims["jti"]},
            {"issuer": claims["iss"], "client_id": "other"},
            {"certificate": world.certificate("renewed").digest},
        ]
    )
    world.wait(REFRESH + 1)


NO_LISTS = "mod_oauth2 asks the server, which knows nothing of it; it has no lists"

REVOCATION = [
    Case("a token that will be given back", ACCEPTED, proven(token=lambda world: world.token("taken back"))),
    Case(
        "the token, given back to the server and put on the list",
        REFUSED,
        proven(token=lambda world: world.token("taken back")),
        "token.revoked",
        before=take_back,
    ),
    Case("another token of the same client", ACCEPTED, proven(token=lambda world: world.token("dpop"))),
    Case(
        "a certificate that is on the list, with a token that is bound to a key only",
        REFUSED,
        proven(token=lambda world: world.token("dpop"), certificate="renewed"),
        "token.revoked",
        other=(ACCEPTED, NO_LISTS),
    ),
    Case(
        "a token of a client that is on the list",
        REFUSED,
        proven(token=lambda world: world.token("other dpop")),
        "token.revoked",
        remark="mod_oauth2 may not ask about another client's token",
    ),
]

# Last of all: nothing is issued any more.
AWAY = [
    Case(
        "the server is away: a token of a key that is known",
        ACCEPTED,
        bearer(lambda world: world.token("third key")),
        other=(REFUSED, "mod_oauth2 uses keys for as long as it remembers them, the filter for `max_age`"),
        before=go_away,
    ),
    Case(
        "the server is away: the same with a bit of the signature changed",
        REFUSED,
        bearer(lambda world: forgery.tampered_signature(world.token("third key"))),
        "token.signature",
    ),
    Case(
        "the server is away: a stranger's key under a new `kid`",
        UNAVAILABLE,
        bearer(lambda world: forgery.by_stranger(first(world), kid="as-10")),
        "unavailable.keys",
        other=(REFUSED, "the filter says that it cannot know, mod_oauth2 that the token is bad"),
    ),
]

INACTIVE = "token.inactive"


def give_back(world):
    """The client revokes a token that was used a moment ago; longer ago than an answer is remembered."""
    world.caller.revoke((CLIENTS[0], world.issuer.secret), world.token("short"))
    world.wait(1)


INTROSPECTION = [
    Case("a token that is active, with a proof", ACCEPTED, proven(token=lambda world: world.token("dpop"))),
    Case(
        "a token that is active, without a proof",
        REFUSED,
        proven(token=lambda world: world.token("dpop"), proofs=lambda *_: []),
        "dpop.missing",
    ),
    Case(
        "a token that the server has revoked",
        REFUSED,
        proven(token=lambda world: world.token("revoked dpop")),
        INACTIVE,
    ),
    Case(
        "a token that the server tells nobody here of: another client's",
        REFUSED,
        proven(token=lambda world: world.token("other dpop")),
        INACTIVE,
    ),
    Case("a token that will be revoked", ACCEPTED, proven(token=lambda world: world.token("short"))),
    Case(
        "the token, a second after it was revoked",
        REFUSED,
        proven(token=lambda world: world.token("short")),
        INACTIVE,
        before=give_back,
    ),
    Case(
        "a text that is no token of the server",
        REFUSED,
        proven(token=lambda _: secrets.token_urlsafe(32)),
        INACTIVE,
    ),
    Case(
        "a token of the server for another resource",
        REFUSED,
        proven(token=lambda world: world.token("elsewhere dpop")),
        "token.audience",
    ),
]

# After `AWAY`.
SILENT = [
    Case(
        "the server is away: a token that was active",
        UNAVAILABLE,
        proven(token=lambda world: world.token("dpop")),
        "unavailable.introspection",
        other=(REFUSED, "the filter says that it cannot know, mod_oauth2 that the token is bad"),
    ),
    Case(
        "the server is away: a token for another resource",
        REFUSED,
        proven(token=lambda world: world.token("elsewhere dpop")),
        "token.audience",
        remark="what is wrong with a JWT in any case is not asked",
    ),
]


def _introspected(name, auth="robot"):
    """Whether the server calls this token active, asked by a client with its secret."""

    def find(world):
        answer = world.caller.introspect((auth, world.issuer.secret), world.token(name))
        return "active" if answer.get("active") is True else "inactive"

    return find


def _header(member, name="bound"):
    return lambda world: forgery.header_of(world.token(name)).get(member)


def _claim(member, name="bound"):
    return lambda world: forgery.claims_of(world.token(name)).get(member)


def _thumbprint(world):
    return _is(_claim("cnf")(world), {"x5t#S256": world.certificate("robot").thumbprint})


def _key(world):
    return _is(_claim("cnf", "dpop")(world), {"jkt": world.dpop_key.dpop_jkt})


def _is(found, expected):
    return "as expected" if found == expected else str(found)


# What is asked of the server, what it must say, and how it is found. Without this, the tables above
# could be about something else than they say.
SERVER = [
    ("the type of an access token", "at+jwt", _header("typ")),
    ("its algorithm", "ES256", _header("alg")),
    ("its audience, as the client asked (RFC 8707)", "https://fhir.example.org/r4", _claim("aud")),
    ("the audience of a token for no resource: its scope", "system/Patient.rs", _claim("aud", "aimless")),
    ("its scope, with a slash and a dot", "system/Patient.rs", _claim("scope")),
    ("its confirmation: the thumbprint of the client's certificate", "as expected", _thumbprint),
    ("the confirmation of a DPoP token: the thumbprint of the client's key", "as expected", _key),
    ("the confirmation of a token for a secret", None, _claim("cnf", "unbound")),
    ("introspection of a DPoP token", "active", _introspected("dpop")),
    ("introspection by another client", "inactive", _introspected("dpop", "other")),
    ("introspection of a token that was revoked", "inactive", _introspected("revoked dpop")),
    (
        "introspection of a certificate's token, asked with the secret",
        "inactive",
        _introspected("bound"),
    ),
]


def _metadata(world):
    return world.caller.metadata(world.guard.url("certificate", "/Patient/p1"), world.certificate("robot"))


def _discovered(world):
    """The verdict on a request of a client that knew the URL of a Patient and nothing else."""
    certificate = world.certificate("robot")
    token = world.caller.discovered_token("robot", certificate, _metadata(world))
    return world.caller.send(
        world.guard.url("certificate", "/Patient/p1"), LibraryRequest(token, certificate)
    ).verdict


# What a client finds out that knows the URL of a Patient, its own name and its certificate. mod_oauth2
# tells nothing of this.
DISCOVERY = [
    (
        "the resource, by the metadata that the challenge names",
        "as expected",
        lambda world: _is(_metadata(world)["resource"], world.guard.bases["certificate"]),
    ),
    (
        "its authorization server",
        "as expected",
        lambda world: _is(_metadata(world)["authorization_servers"], [world.issuer.issuer]),
    ),
    (
        "whether tokens are bound to certificates",
        True,
        lambda world: _metadata(world)["tls_client_certificate_bound_access_tokens"],
    ),
    ("the Patient, with a token that the library got with this knowledge", ACCEPTED, _discovered),
]
