"""No request to AWS leaves this machine, whatever the client is and says; all other hosts stay reachable."""

import datetime as dt
import http.server
import io
import ipaddress
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.acceptance.live import FOLDER, Live

pytestmark = pytest.mark.acceptance

# Loopback, but nothing that a client or the proxy takes for this machine by its name.
_ADDRESS = "127.0.0.2"


def test_an_old_boto3_with_explicit_hosts_and_a_profile(server: Live, boto3_old: str, tmp_path: Path):
    finished = server.run(boto3_old, str(FOLDER / "checks" / "explicit_endpoints.py"), cwd=tmp_path)
    said = json.loads(finished.stdout)
    assert said["boto3"].startswith("1.26."), "newer ones know AWS_ENDPOINT_URL"
    assert said["absent"] == "ValidationError"
    assert "dynamodb" in said["refused"]
    assert said["metadata"] == "ProxyConnectionError"
    assert finished.contacted
    assert finished.outside == []
    assert "refused dynamodb" in finished.stderr


def test_what_is_not_brought_here_reaches_out(
    server: Live, boto3_old: str, tmp_path: Path, loopback_only: int | str
):
    """The same eyes see a client that does leave: what they do not see elsewhere was not there."""
    if isinstance(loopback_only, str):
        pytest.skip(loopback_only)
    finished = server.run(boto3_old, str(FOLDER / "checks" / "reach_out.py"), cwd=tmp_path, brought=False)
    assert finished.outside == ["sts.us-west-2.amazonaws.com"]


def test_pip_is_tunnelled_to_an_index_of_its_own(server: Live, tmp_path: Path, index: "Index"):
    environ = {
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_NO_INDEX": "0",  # which the server's jobs have
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        # The user's bundle knows the index; Wildsage's authority may not vouch for it.
        "REQUESTS_CA_BUNDLE": str(index.certificate),
        "SSL_CERT_FILE": str(index.certificate),
    }
    finished = server.run(
        "python", "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--index-url", f"{index.url}/simple/",
        "tunnelled", cwd=tmp_path, environ=environ,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.read_bytes() == index.wheel
    assert index.asked[-1] == f"/files/{wheel.name}"
    assert _ADDRESS in finished.contacted


def test_a_proxy_that_the_user_had_is_not_asked_for_aws(server: Live, boto3_old: str, tmp_path: Path):
    nobody = "http://127.0.0.1:9"
    finished = server.run(
        boto3_old, "-c", "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])",
        cwd=tmp_path, environ={"HTTPS_PROXY": nobody, "HTTP_PROXY": nobody},
    )  # fmt: skip
    assert finished.stdout.strip() == "123456789012"


class Index:
    """A package index on HTTPS with a certificate that only its own file vouches for."""

    def __init__(self, folder: Path) -> None:
        self.certificate = folder / "index.pem"
        self.wheel = _wheel()
        self.asked: list[str] = []
        key = folder / "index.key"
        _write_certificate(self.certificate, key)
        index = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index.asked.append(self.path)
                name = "tunnelled-1.0-py3-none-any.whl"
                page = f'<!DOCTYPE html><a href="/files/{name}">{name}</a>'.encode()
                content = index.wheel if self.path.startswith("/files/") else page
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer((_ADDRESS, 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://{_ADDRESS}:{self.server.server_address[1]}"


@pytest.fixture
def index(server: Live, tmp_path: Path) -> Iterator[Index]:
    """Serve an index in the server's network."""
    index = Index(tmp_path)
    thread = threading.Thread(target=index.server.serve_forever, daemon=True)
    thread.start()
    yield index
    index.server.shutdown()
    index.server.server_close()
    thread.join()


def _wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("tunnelled.py", "")
        archive.writestr(
            "tunnelled-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tunnelled\nVersion: 1.0\n"
        )
        archive.writestr(
            "tunnelled-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tunnelled-1.0.dist-info/RECORD", "")
    return content.getvalue()


def _write_certificate(certificate: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "index of the tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(_ADDRESS))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
