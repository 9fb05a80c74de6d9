"""DPoP (RFC 9449): what a proof must say, and what it must not. The proofs are signed by the independent
library where it is willing to, by hand where it is not."""

import base64
import hashlib

import forgery
from cases import ACCEPTED, REFUSED, Case
from client import LibraryRequest, Request, dpop_key


def good(world):
    return world.token("dpop")


def proven(token=good, scheme="DPoP", certificate=None, query="", proofs=None, **proof):
    """A request with a token and a proof. `proof`: what `proof_of` takes; `proofs`: the fields instead."""

    def request(world, url):
        text = token(world)
        made = proofs(world, url, text) if proofs else [proof_of(world, url, text, **proof)]
        fields = [("Authorization", f"{scheme} {text}"), *[("DPoP", one) for one in made]]
        return Request(fields, world.certificate(certificate), query)

    return request


def proof_of(world, url, token, method="GET", at=lambda url: url, of=None, key=None, age=0, **header):
    """By the library. `at`: another URL; `of`: another token, or none (`""`); `key`: of somebody else."""
    hashed = hash_of(token if of is None else of(world)) if of != "" else None
    signer = dpop_key(of=key or world.dpop_key, iat=forgery.now() - age, **header)
    return str(signer.proof(htm=method, htu=at(url), ath=hashed))


def hash_of(token):
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()


def changed(**claims):
    """A proof with other claims (None takes one out), signed by hand with the right key."""

    def proofs(world, url, token):
        return [forgery.changed_proof(proof_of(world, url, token), world.dpop_key, claims=claims)]

    return proofs


def headed(**header):
    def proofs(world, url, token):
        return [forgery.changed_proof(proof_of(world, url, token), world.dpop_key, header=header)]

    return proofs


def forged(change):
    def proofs(world, url, token):
        return [change(proof_of(world, url, token))]

    return proofs


def remembered(world, url, token):
    """One proof for all rows that take it."""
    return [world.memory.setdefault(("proof", url), proof_of(world, url, token))]


def remembered_id(world, url, token):
    """Another proof with its `jti`."""
    (proof,) = remembered(world, url, token)
    return changed(jti=forgery.claims_of(proof)["jti"], iat=forgery.now() - 1)(world, url, token)


def both(world):
    return world.token("both")


def by_library():
    """The whole request is the library's: the scheme, the proof, and the nonce when it is told one."""
    return lambda world, _url: LibraryRequest(world.issued("dpop"))


DPOP = [
    Case("whatever the library sends by itself", ACCEPTED, by_library()),
    Case("a proof for this request, by the library", ACCEPTED, proven(proofs=remembered)),
    Case("a new proof for the next request", ACCEPTED, proven()),
    Case("a query, which `htu` does not have", ACCEPTED, proven(query="?_format=json")),
    Case(
        "`htu` with the scheme and the host in capitals",
        ACCEPTED,
        proven(at=lambda url: url.replace("https://localhost", "HTTPS://LOCALHOST")),
    ),
    Case("a proof of ten seconds ago", ACCEPTED, proven(age=10)),
    Case(
        "the claims of a proof, signed by hand",
        ACCEPTED,
        proven(proofs=changed()),
        remark="as the forgeries below",
    ),
    Case("the same proof again", REFUSED, proven(proofs=remembered), "dpop.replay"),
    Case(
        "another proof with the same `jti`",
        REFUSED,
        proven(proofs=remembered_id),
        "dpop.replay",
        other=(ACCEPTED, "mod_oauth2 remembers proofs, not their `jti`"),
    ),
    Case("no proof", REFUSED, proven(proofs=lambda *_: []), "dpop.missing"),
    Case(
        "two proofs", REFUSED, proven(proofs=lambda *made: [proof_of(*made), proof_of(*made)]), "dpop.doubled"
    ),
    Case("a proof for another method", REFUSED, proven(method="POST"), "dpop.htm"),
    Case(
        "a proof for the method in lower case",
        REFUSED,
        proven(method="get"),
        "dpop.htm",
        other=(ACCEPTED, "mod_oauth2 compares without case (RFC 9110 section 9.1: methods have it)"),
    ),
    Case("a proof for another path", REFUSED, proven(at=lambda url: url + "x"), "dpop.htu"),
    Case(
        "a proof for another host",
        REFUSED,
        proven(at=lambda url: url.replace("localhost", "fhir.example.net")),
        "dpop.htu",
    ),
    Case("a proof for http", REFUSED, proven(at=lambda url: url.replace("https:", "http:")), "dpop.htu"),
    Case(
        "a proof for another token (`ath`)",
        REFUSED,
        proven(of=lambda world: world.token("unbound")),
        "dpop.ath",
        other=(ACCEPTED, "mod_oauth2 does not look at `ath` (RFC 9449 section 4.3)"),
    ),
    Case(
        "a proof for no token (no `ath`)",
        REFUSED,
        proven(of=""),
        "dpop.ath",
        other=(ACCEPTED, "mod_oauth2 does not look at `ath`"),
    ),
    Case("a proof of an hour ago", REFUSED, proven(age=3600), "dpop.iat"),
    Case("a proof of an hour from now", REFUSED, proven(age=-3600), "dpop.iat"),
    Case("no `iat`", REFUSED, proven(proofs=changed(iat=None)), "dpop.iat"),
    Case(
        "no `jti`",
        REFUSED,
        proven(proofs=changed(jti=None)),
        "dpop.jti",
        other=(ACCEPTED, "mod_oauth2 asks for no `jti` (RFC 9449 section 4.2 does)"),
    ),
    Case("a proof of another key", REFUSED, proven(key=dpop_key()), "token.binding"),
    Case("a proof of the type `JWT`", REFUSED, proven(typ="JWT"), "dpop.type"),
    Case(
        "a proof without signature, `alg: none`",
        REFUSED,
        proven(proofs=forged(forgery.unsigned)),
        "dpop.algorithm",
    ),
    Case(
        "a bit of the proof's signature is another",
        REFUSED,
        proven(proofs=forged(forgery.tampered_signature)),
        "dpop.signature",
    ),
    Case(
        "the private key in the proof",
        REFUSED,
        proven(proofs=lambda world, *made: headed(jwk=world.dpop_key.private_key.to_dict())(world, *made)),
        "dpop.key",
        other=(ACCEPTED, "mod_oauth2 takes the key as it is (RFC 9449 section 4.3: no private key)"),
    ),
    Case("a bound token with the scheme Bearer", REFUSED, proven(scheme="Bearer"), "token.binding"),
    Case(
        "a bound token with the scheme Bearer and no proof",
        REFUSED,
        proven(scheme="Bearer", proofs=lambda *_: []),
        "token.binding",
    ),
    Case(
        "a token that is not bound, with a proof",
        REFUSED,
        proven(token=lambda world: world.token("unbound")),
        "token.binding",
    ),
    Case(
        "a token bound to certificate and key, with both",
        ACCEPTED,
        proven(token=both, certificate="robot"),
    ),
    Case(
        "a token bound to certificate and key, with another certificate",
        REFUSED,
        proven(token=both, certificate="other"),
        "token.binding",
        other=(ACCEPTED, "mod_oauth2 looks at one of the two, the one it is told to"),
    ),
    Case(
        "a token bound to certificate and key, without a proof",
        REFUSED,
        proven(token=both, certificate="robot", proofs=lambda *_: []),
        "dpop.missing",
    ),
]

NO_NONCES = "mod_oauth2 gives no nonces, and looks at none"

NONCES = [
    Case("the library, which is told a nonce and takes it", ACCEPTED, by_library()),
    Case("a proof without a nonce", REFUSED, proven(), "dpop.nonce", other=(ACCEPTED, NO_NONCES)),
    Case(
        "a nonce of the client's own",
        REFUSED,
        proven(proofs=changed(nonce="0123456789abcdef")),
        "dpop.nonce",
        other=(ACCEPTED, NO_NONCES),
    ),
]
