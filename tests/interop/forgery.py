"""Tokens and proofs as the server's key would sign them, and as somebody without the key would."""

import base64
import hashlib
import hmac
import json
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jws
from joserfc.jwk import ECKey


def header_of(token):
    return _json(token.split(".")[0])


def claims_of(token):
    return _json(token.split(".")[1])


def signed(claims, key, **header):
    """A token of these claims, signed with this key. With the server's own key it is as good as the
    server's own."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": key.kid, **header}
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, algorithms=["ES256"])


def with_header(claims, key, **header):
    """A token of these claims, whatever the header has beside what it needs."""
    header = {"typ": "at+jwt", "alg": "ES256", "kid": key.kid, **header}
    return _signed_by_hand({name: value for name, value in header.items() if value is not None}, claims, key)


def changed(token, key, **claims):
    """The token with other claims (None takes one out), signed again with the same key."""
    merged = claims_of(token) | claims
    return signed({name: value for name, value in merged.items() if value is not None}, key)


def critical(token, key):
    """A header that names an extension which must be understood (RFC 7515 section 4.1.11)."""
    header = header_of(token) | {"crit": ["urn:example:extension"], "urn:example:extension": True}
    return _signed_by_hand(header, claims_of(token), key)


def tampered_signature(token):
    """One bit of the signature is another."""
    head, payload, signature = token.split(".")
    signature = bytearray(_bytes(signature))
    signature[10] ^= 1
    return ".".join([head, payload, _text(signature)])


def tampered_claims(token, **claims):
    """Other claims under the old signature."""
    head, _, signature = token.split(".")
    payload = json.dumps(claims_of(token) | claims).encode()
    return ".".join([head, _text(payload), signature])


def unsigned(token, algorithm="none"):
    head = json.dumps(header_of(token) | {"alg": algorithm}).encode()
    return ".".join([_text(head), token.split(".")[1], ""])


def by_public_key(token, key):
    """HS256 with the text of the public key as the secret: for a verifier that lets the token choose."""
    head = _text(json.dumps(header_of(token) | {"alg": "HS256"}).encode())
    message = f"{head}.{token.split('.')[1]}"
    mac = hmac.new(key.as_pem(private=False), message.encode(), hashlib.sha256).digest()
    return f"{message}.{_text(mac)}"


def by_stranger(token, kid=None):
    """Somebody else's key, under the server's `kid` or another one."""
    key = ECKey.generate_key("P-256", {"kid": kid or header_of(token)["kid"]})
    return signed(claims_of(token), key)


def with_own_key(token):
    """Somebody else's key, and the header brings it along (`jwk`)."""
    key = ECKey.generate_key("P-256", {"kid": "own"})
    public = {name: key.as_dict(private=False)[name] for name in ("kty", "crv", "x", "y")}
    return signed(claims_of(token), key, jwk=public)


def _key_of(dpop_key):
    return ECKey.import_key(dpop_key.private_key.to_dict())


def _signed_by_hand(header, claims, key):
    """For headers that the library does not sign."""
    message = ".".join(_text(json.dumps(part).encode()) for part in (header, claims))
    numbers = decode_dss_signature(key.private_key.sign(message.encode(), ec.ECDSA(hashes.SHA256())))
    return f"{message}.{_text(_numbers(numbers))}"


def _numbers(numbers):
    """r and s side by side (RFC 7518 section 3.4)."""
    return b"".join(number.to_bytes(32, "big") for number in numbers)


def changed_proof(proof, key, claims=None, header=None):
    """A DPoP proof with other claims (None takes one out) or header members, signed with this key."""
    merged = claims_of(proof) | (claims or {})
    kept = {name: value for name, value in merged.items() if value is not None}
    return _signed_by_hand(header_of(proof) | (header or {}), kept, _key_of(key))


def now():
    return int(time.time())


def _json(text):
    return json.loads(_bytes(text))


def _bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _text(data):
    return base64.urlsafe_b64encode(bytes(data)).rstrip(b"=").decode()
