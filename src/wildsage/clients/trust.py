"""The trust bundle of a client: whom it trusts already, and our authority."""

import importlib.util
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import botocore

from wildsage.clients.files import keep_file

BUNDLE_VARIABLES = (
    "AWS_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
)
"""The variables by which boto3, requests, curl, OpenSSL and Node find a bundle. All get the same one."""

_SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s.+?-----END CERTIFICATE-----", re.DOTALL)


def write_bundle(environ: Mapping[str, str], authority: str, folder: Path) -> Path:
    """Write the bundle for a client that would run in `environ`; only the owner can read it.

    Parameters
    ----------
    environ
        The client's variables before ours are added.
    authority
        Our certificate, PEM.
    folder
        Where the bundle goes.
    """
    certificates: dict[bytes, None] = {}
    for path in _sources(environ):
        certificates.update(dict.fromkeys(_certificates(path)))
    certificates[authority.strip().encode()] = None
    return keep_file(folder, "bundle.pem", b"\n".join(certificates) + b"\n")


def _sources(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield what the client trusts today: its own bundles, and the defaults of tools that have none set."""
    own = [Path(environ[name]) for name in BUNDLE_VARIABLES if environ.get(name)]
    yield from own
    if len(own) == len(BUNDLE_VARIABLES):
        return
    default = ssl.get_default_verify_paths().cafile
    if default:
        yield Path(default)
    yield from (Path(path) for path in _SYSTEM_BUNDLES)
    # What requests and botocore trust unless told otherwise.
    certifi = importlib.util.find_spec("certifi")
    for module in (certifi.origin if certifi else None, botocore.__file__):
        if module:
            yield Path(module).parent / "cacert.pem"


def _certificates(path: Path) -> list[bytes]:
    """Return the PEM blocks of a file, or of the files of a folder (requests takes both)."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return [
        block.replace(b"\r\n", b"\n")
        for file in files
        if file.is_file()
        for block in _CERTIFICATE.findall(file.read_bytes())
    ]
