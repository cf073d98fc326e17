"""The certificate authority: who may read it, whom it can vouch for."""

import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from wildsage.clients.authority import Authority, AuthorityError
from wildsage.core.clock import SystemClock


def handshake(authority, host, *, as_host=None):
    """Do a TLS handshake with a server that the authority vouches for as `as_host`; strict client."""
    client_context = ssl.create_default_context(cadata=authority.certificate)
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    ours, theirs = socket.socketpair()
    server_context = authority.context_for(as_host or host)

    def serve():
        try:
            with server_context.wrap_socket(theirs, server_side=True) as tls:
                tls.recv(1)
        except OSError:
            theirs.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client_context.wrap_socket(ours, server_hostname=host) as tls:
            return tls.getpeercert()
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize(
    "host",
    [
        "sts.us-west-2.amazonaws.com",
        "b.a.s3.cn-north-1.amazonaws.com.cn",
        "iam.global.api.aws",
        "amazonaws.com",
    ],
)
def test_a_strict_client_accepts_aws_hosts(authority, host):
    assert handshake(authority, host)["subjectAltName"] == (("DNS", host),)


@pytest.mark.parametrize("host", ["example.com", "amazonaws.com.evil.example", "evilamazonaws.com"])
def test_other_hosts_are_outside_of_its_name_constraints(authority, host):
    with pytest.raises(ssl.SSLCertVerificationError, match="permitted subtree violation"):
        handshake(authority, host)


def test_a_certificate_is_for_its_host_alone(authority):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(authority, "iam.amazonaws.com", as_host="sts.amazonaws.com")


def test_only_the_owner_can_read_the_key_and_nothing_else_is_left(layout, authority):
    authority.context_for("sts.amazonaws.com")
    assert [path.name for path in layout.authority.iterdir()] == ["authority.pem"]
    assert (layout.authority / "authority.pem").stat().st_mode & 0o777 == 0o600


def test_it_is_made_once(layout, authority):
    assert Authority(layout.authority, SystemClock()).certificate == authority.certificate


def test_processes_that_start_together_get_one(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Authority(tmp_path / "a", SystemClock()).certificate, range(16)))
    assert len(set(made)) == 1


def test_it_is_renewed_before_a_certificate_would_outlive_it(tmp_path, clock):
    first = Authority(tmp_path, clock).certificate
    clock.time += 8 * 365 * 86400
    assert Authority(tmp_path, clock).certificate == first
    clock.time += 365 * 86400
    assert Authority(tmp_path, clock).certificate != first


def test_a_key_that_others_can_read_is_refused(layout, authority):
    (layout.authority / "authority.pem").chmod(0o640)
    with pytest.raises(AuthorityError, match="others than its owner can read it: remove"):
        Authority(layout.authority, SystemClock())


def test_a_damaged_file_is_named(layout, authority):
    path = layout.authority / "authority.pem"
    path.write_text(path.read_text()[:200])
    with pytest.raises(AuthorityError, match="damaged"):
        Authority(layout.authority, SystemClock())


def test_the_cache_of_hosts_is_bounded(authority, monkeypatch):
    monkeypatch.setattr("wildsage.clients.authority._MOST_CONTEXTS", 3)
    first = authority.context_for("b0.s3.amazonaws.com")
    assert authority.context_for("b0.s3.amazonaws.com") is first
    for number in range(1, 4):
        authority.context_for(f"b{number}.s3.amazonaws.com")
    assert authority.context_for("b0.s3.amazonaws.com") is not first
