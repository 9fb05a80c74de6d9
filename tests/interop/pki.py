"""The certificates of the comparison: an authority, a server, clients; and one authority nobody trusts."""

import base64
import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=1)
# The name under which every server here is reached, and its address.
HOST = "localhost"
ADDRESS = "127.0.0.1"


@dataclass(frozen=True)
class Certificate:
    """PEM files on disk, and the thumbprint that a bound token carries."""

    certificate: Path
    key: Path
    # SHA-256 of the DER in base64url without padding: cnf.x5t#S256 (RFC 8705 section 3.1).
    thumbprint: str
    # The same in hexadecimal.
    digest: str

    @property
    def pair(self):
        """As `requests` wants a client certificate."""
        return (str(self.certificate), str(self.key))


class Authority:
    """A certificate authority that writes what it signs into a folder."""

    def __init__(self, folder, name):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject(name)
        builder = _builder(self._name, self._name, self._key.public_key())
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        self._certificate = builder.sign(self._key, hashes.SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def server(self):
        names = [x509.DNSName(HOST), x509.IPAddress(ipaddress.ip_address(ADDRESS))]
        return self._issue("server", names, ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, name, file=None):
        """A client's certificate, with `NAME.example.org` as its alternative name. `file`: how its files
        are called, for a second one of the same name."""
        names = [x509.DNSName(f"{name}.example.org")]
        return self._issue(name, names, ExtendedKeyUsageOID.CLIENT_AUTH, file or name)

    def _issue(self, name, alternatives, usage, file="server"):
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_subject(name), self._name, key.public_key())
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        builder = builder.add_extension(_usage(digital_signature=True), critical=True)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(identifier, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        stem = f"{self.file.stem}-{file}"
        digest = certificate.fingerprint(hashes.SHA256())
        files = Certificate(
            self._folder / f"{stem}.pem",
            self._folder / f"{stem}.key",
            base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            digest.hex(),
        )
        files.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files


def _subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(subject, issuer, public_key):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(public_key)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(minutes=5)).not_valid_after(now + LIFETIME)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)


def _usage(**wanted):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names.split()})
