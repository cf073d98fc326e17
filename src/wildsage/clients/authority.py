"""The certificate authority of one installation: it vouches for AWS's host names, and for no other.

Whoever trusts it trusts this machine for the domains of `wildsage.clients.hosts.AWS_DOMAINS` alone: the
certificate is name-constrained, critically, and forbids every IP address. The key never leaves its file,
which only the owner can read. Profile: RFC 5280, including what OpenSSL's strict mode asks for.
"""

import contextlib
import ipaddress
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wildsage.clients.hosts import AWS_DOMAINS
from wildsage.core.clock import Clock

_AUTHORITY_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=397)
_RENEW_BEFORE = timedelta(days=400)
_SKEW = timedelta(days=1)
_MOST_CONTEXTS = 256


class AuthorityError(Exception):
    """The authority cannot be used. The text says what to do about it."""


class Authority:
    """Mints certificates for AWS hosts.

    Parameters
    ----------
    folder
        Where key and certificate lie; both are made at the first use, and again before they expire.
    clock
        Source of the validity periods.

    Raises
    ------
    AuthorityError
        If others than the owner can read the key, or if the file is damaged.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._key, self._certificate = self._load_or_make(folder / "authority.pem")
        # One key serves all leaves: it lives in memory, as long as this object.
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())

    @property
    def certificate(self) -> str:
        """The authority's own certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def context_for(self, host: str) -> ssl.SSLContext:
        """Return what a TLS server needs to be `host`, an AWS host in lower case."""
        context = self._contexts.get(host)
        if context is None:
            context = self._contexts[host] = self._new_context(host)
            while len(self._contexts) > _MOST_CONTEXTS:
                self._contexts.popitem(last=False)
        self._contexts.move_to_end(host)
        return context

    def mint(self, host: str) -> x509.Certificate:
        """Return a new certificate of `host` over this object's leaf key."""
        now = self._now()
        builder = (
            _named("Wildsage client proxy", self._certificate.subject)
            .public_key(self._leaf_key.public_key())
            .not_valid_before(now - _SKEW)
            .not_valid_after(min(now + _LEAF_LIFE, self._certificate.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self._leaf_key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        return builder.sign(self._key, hashes.SHA256())

    def _new_context(self, host: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        chain = self.mint(host).public_bytes(serialization.Encoding.PEM) + _pem(self._leaf_key)
        # The ssl module takes keys from files only.
        with _private_file(self._folder, chain) as path:
            context.load_cert_chain(path)
        return context

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now(), UTC)

    def _load_or_make(self, path: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            key, certificate = _load(path)
            if certificate.not_valid_after_utc - _RENEW_BEFORE > self._now():
                return key, certificate
            path.unlink()
        key = ec.generate_private_key(ec.SECP256R1())
        content = _pem(key) + self._make_certificate(key).public_bytes(serialization.Encoding.PEM)
        # Whoever links first wins: two processes that start together use one authority.
        with _private_file(self._folder, content) as made, contextlib.suppress(FileExistsError):
            os.link(made, path)
        return _load(path)

    def _make_certificate(self, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        now = self._now()
        name = f"Wildsage authority of this machine, {now:%Y-%m-%d}"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        constraints = x509.NameConstraints(
            permitted_subtrees=[x509.DNSName(domain) for domain in AWS_DOMAINS],
            excluded_subtrees=[
                x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
                x509.IPAddress(ipaddress.ip_network("::/0")),
            ],
        )
        builder = (
            _named(name, subject)
            .public_key(key.public_key())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(key_cert_sign=True), critical=True)
            .add_extension(constraints, critical=True)
            .add_extension(identifier, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
            )
        )
        return builder.sign(key, hashes.SHA256())


def _named(common_name: str, issuer: x509.Name) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
    )


def _key_usage(*, digital_signature: bool = False, key_cert_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load(path: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    with path.open("rb") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise AuthorityError(
                f"{path} holds a private key and others than its owner can read it:"
                " remove the file, the next command makes a new one"
            )
        content = file.read()
    try:
        key = serialization.load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise AuthorityError(
            f"{path} is damaged ({error}): remove it, the next command makes a new one"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(
            f"{path} holds a key of another kind: remove it, the next command makes a new one"
        )
    return key, certificate


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@contextlib.contextmanager
def _private_file(folder: Path, content: bytes) -> Iterator[str]:
    """Yield the path of a file that only the owner can read and that is gone afterwards."""
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(content)
        file.flush()
        yield file.name
