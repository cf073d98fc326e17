"""What becomes of the requests of real and of ill-behaved clients."""

import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from tests.clients.support import (
    echo_server,
    free_port,
    read_all,
    read_head,
    say_server,
    socket_server,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def client(proxy, service, endpoint_url, **config):
    """A boto3 client that knows only the proxy and the bundle, as one under `wildsage run` does."""
    proxies = {"http": proxy.url, "https": proxy.url} if "127.0.0.1" not in endpoint_url else {}
    return boto3.Session().client(
        service,
        region_name="us-west-2",
        endpoint_url=endpoint_url,
        verify=str(proxy.bundle),
        aws_access_key_id="AK",
        aws_secret_access_key="SK",
        config=Config(proxies=proxies, retries={"total_max_attempts": 1}, **config),
    )


# To the server


IDENTITY = (
    b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
    b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
)


@pytest.fixture
def identity(layout):
    """A server that knows who calls."""
    with echo_server(answer=IDENTITY) as echo:
        say_server(layout, echo.port)
        yield echo


def test_a_hard_coded_https_endpoint_arrives_with_its_host_and_signature(start_proxy, identity):
    sts = client(start_proxy(), "sts", "https://sts.us-west-2.amazonaws.com")
    sent = []
    sts.meta.events.register("before-send", lambda request, **_: sent.append(request))
    assert sts.get_caller_identity()["Account"] == "123456789012"
    (seen,) = identity.seen
    as_sent = {name.lower(): value for name, value in sent[0].headers.items()}
    as_sent = {name: v.decode() if isinstance(v, bytes) else v for name, v in as_sent.items()}
    added_by_urllib3 = {"host": "sts.us-west-2.amazonaws.com", "accept-encoding": "identity"}
    assert seen.headers == as_sent | added_by_urllib3
    assert "authorization" in seen.headers
    assert seen.body.decode() == sent[0].body


@pytest.mark.parametrize(
    "endpoint", ["https://s3.us-west-2.amazonaws.com", "http://s3.us-west-2.amazonaws.com", None]
)
def test_a_large_upload_with_continue_arrives_whole(start_proxy, layout, endpoint):
    with echo_server(answer=b"") as echo:
        say_server(layout, echo.port)
        proxy = start_proxy()
        s3 = client(proxy, "s3", endpoint or proxy.url, s3={"addressing_style": "path"})
        body = bytes(range(256)) * 16384
        s3.put_object(Bucket="bucket", Key="a b", Body=body)
    (seen,) = echo.seen
    assert seen.path == "/bucket/a%20b"
    assert seen.headers["host"] == ("s3.us-west-2.amazonaws.com" if endpoint else f"127.0.0.1:{proxy.port}")
    assert seen.headers["expect"] == "100-continue"
    if "x-amz-trailer" in seen.headers:  # botocore frames the body where it goes through TLS
        assert seen.headers["x-amz-decoded-content-length"] == str(len(body))
        seen.body = unframed(seen.body)
    assert seen.body == body


def unframed(data):
    """Undo aws-chunked framing."""
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        if size == b"0":
            return body
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]


def test_one_connection_carries_many_requests(proxy, server):
    with proxy.connect() as connection:
        for number in range(3):
            connection.sendall(f"GET /{number} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            assert read_head(connection).startswith(b"HTTP/1.1 200")
            assert connection.recv(100) == b'{"ok": true}'
    assert [seen.path for seen in server.seen] == ["/0", "/1", "/2"]


def test_pipelined_requests_are_answered_in_order(proxy, server):
    request = b"POST /%d HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\n%s\r\nabc"
    answer = proxy.talk(request % (1, b"") + request % (2, b"Connection: close\r\n"))
    assert answer.count(b'{"ok": true}') == 2
    assert [(seen.path, seen.body) for seen in server.seen] == [("/1", b"abc"), ("/2", b"abc")]


def test_an_answer_streams_while_it_is_made(start_proxy, layout):
    more = threading.Event()

    def stream(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        assert more.wait(10)
        connection.sendall(b"3\r\ntwo\r\n0\r\n\r\n")

    with socket_server(stream) as port:
        say_server(layout, port)
        proxy = start_proxy()
        with proxy.connect() as connection:
            connection.sendall(b"POST /stream HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
            data = b""
            while b"one" not in data:
                data += connection.recv(100)
            more.set()
            while not data.endswith(b"0\r\n\r\n"):
                data += connection.recv(100)
    assert data.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")


def test_a_server_that_refuses_a_body_early_is_heard(start_proxy, layout):
    def refuse(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbig!")
        # As servers do: a socket closed with bytes unread resets, and the answer may be lost on its way.
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65_536):
            pass

    with socket_server(refuse, refuse) as port:
        say_server(layout, port)
        proxy = start_proxy()
        head = b"PUT /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000\r\n"
        assert proxy.talk(head + b"Expect: 100-continue\r\n\r\n").endswith(b"\r\n\r\nbig!")
        with proxy.connect() as connection:
            connection.sendall(head + b"\r\n" + b"x" * 100_000)
            assert read_all(connection).endswith(b"\r\n\r\nbig!")


def test_aws_hosts_of_absent_services_are_refused_by_name(proxy, server, caplog):
    for endpoint in ("https://dynamodb.us-east-1.amazonaws.com", "http://dynamodb.us-east-1.amazonaws.com"):
        with pytest.raises(ClientError, match=r"dynamodb\.us-east-1\.amazonaws\.com") as caught:
            client(proxy, "dynamodb", endpoint).list_tables()
        assert caught.value.response["Error"]["Code"] == "ServiceNotImplemented"
        # Clients repeat 5xx.
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert server.seen == []
    assert caplog.text.count("refused dynamodb.us-east-1.amazonaws.com") == 1


def test_a_page_in_a_browser_cannot_reach_the_server(proxy, server):
    answer = proxy.talk(b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"'evil.example' is no host of this proxy" in answer
    assert server.seen == []


# While the server is away


def test_a_client_waits_for_the_servers_return(start_proxy, layout):
    first, second = free_port(), free_port()
    say_server(layout, first)
    proxy = start_proxy()
    with proxy.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 4\r\n\r\nbody")
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(10)
        # It comes back under another address.
        with echo_server(second) as echo:
            say_server(layout, second)
            assert read_head(connection).startswith(b"HTTP/1.1 200")
            assert echo.seen[0].body == b"body"


def test_a_server_that_stays_away_is_named_in_the_form_of_the_protocol(start_proxy, layout):
    port = free_port()
    say_server(layout, port)
    proxy = start_proxy(patience=0.3)
    begin = time.monotonic()
    with pytest.raises(ClientError) as caught:
        client(proxy, "s3", proxy.url).list_buckets()
    assert time.monotonic() - begin >= 0.3
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    for part in (f"http://127.0.0.1:{port}", "within 0 s", "wildsage up -d"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /b/k HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        (
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: SageMaker.DescribeTrainingJob\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        ),
        (
            b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
            b"Content-Length: 32\r\n\r\nVersion=1&Action=GetCallerIdenti"
        ),
    ],
)
def test_a_read_is_sent_again_when_the_server_dies_over_it(start_proxy, layout, request_bytes):
    got = []

    def die(connection):
        read_head(connection)

    def answer(connection):
        data = read_head(connection)
        data += connection.recv(100) if b"Content-Length" in data else b""
        got.append(data)
        connection.sendall(OK)

    with socket_server(die, answer) as port:
        say_server(layout, port)
        with start_proxy().connect() as connection:
            connection.sendall(request_bytes)
            assert read_head(connection).startswith(b"HTTP/1.1 200")
    assert got == [request_bytes]


def test_a_change_is_never_sent_twice(start_proxy, layout):
    count = []

    def die(connection):
        read_head(connection)
        count.append(1)

    with socket_server(die, die) as port:
        say_server(layout, port)
        proxy = start_proxy()
        with pytest.raises(ConnectionClosedError):
            client(proxy, "sagemaker", proxy.url).delete_model(ModelName="m")
    assert len(count) == 1


def test_an_answer_that_breaks_off_is_not_taken_for_whole(start_proxy, layout):
    def break_off(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with socket_server(break_off) as port:
        say_server(layout, port)
        with start_proxy().connect() as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            received = iter(lambda: connection.recv(100), b"")
            with pytest.raises(ConnectionResetError):
                list(received)


# Elsewhere


@pytest.fixture
def outside(tmp_path):
    """An HTTPS server that is not AWS's, with a certificate of its own."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    options = "-x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    options += " -addext subjectAltName=DNS:localhost"
    subprocess.run(
        ["openssl", "req", *options.split(), "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with echo_server(wrap=lambda sock: context.wrap_socket(sock, server_side=True)) as echo:
        yield echo.port, certificate, echo


def curl(*arguments):
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "", *arguments], capture_output=True, check=False, timeout=20
    )
    return done.returncode, done.stdout, done.stderr.decode()


def test_other_https_is_tunnelled_untouched(proxy, outside):
    port, certificate, echo = outside
    url = f"https://localhost:{port}/simple/"
    # The client sees the outside's own certificate: it trusts nothing but that.
    assert curl("-x", proxy.url, "--cacert", certificate, url) == (0, b'{"ok": true}', "")
    assert curl("-x", proxy.url, "--cacert", proxy.bundle, url)[0] == 60
    assert [seen.path for seen in echo.seen] == ["/simple/"]


def test_other_http_is_passed_on_without_what_was_meant_for_the_proxy(proxy):
    with echo_server() as echo:
        url = f"http://localhost:{echo.port}/a?b=c"
        assert curl("-x", proxy.url, "-U", "me:secret", "-d", "x=1", url)[:2] == (0, b'{"ok": true}')
    (seen,) = echo.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/a?b=c", b"x=1")
    assert not {"proxy-authorization", "proxy-connection"} & seen.headers.keys()


def test_either_side_of_a_tunnel_may_be_done_before_the_other(start_proxy, layout):
    def answer_at_the_end(connection):
        data = read_all(connection)
        connection.sendall(b"got %d" % len(data))

    with socket_server(answer_at_the_end) as port, start_proxy().connect() as connection:
        connection.sendall(f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode())
        assert read_head(connection).startswith(b"HTTP/1.1 200")
        connection.sendall(b"x" * 300_000)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection) == b"got 300000"


def test_the_company_proxy_is_chained_with_its_password(start_proxy):
    heads = []

    def company(connection):
        heads.append(read_head(connection))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        connection.sendall(connection.recv(100)[::-1])

    def company_http(connection):
        heads.append(read_head(connection))
        connection.sendall(OK)

    with socket_server(company, company_http) as port:
        proxy = start_proxy(
            {"HTTPS_PROXY": f"http://me:pw@127.0.0.1:{port}", "HTTP_PROXY": f"127.0.0.1:{port}"}
        )
        with proxy.connect() as connection:
            connection.sendall(b"CONNECT pypi.invalid:443 HTTP/1.1\r\nProxy-Authorization: mine\r\n\r\n")
            assert read_head(connection).startswith(b"HTTP/1.1 200")
            connection.sendall(b"abc")
            assert read_all(connection) == b"cba"
        assert curl("-x", proxy.url, "http://plain.invalid/x")[:2] == (0, b"ok")
    assert heads[0] == (
        b"CONNECT pypi.invalid:443 HTTP/1.1\r\nHost: pypi.invalid:443\r\n"
        b"Proxy-Authorization: Basic bWU6cHc=\r\n\r\n"
    )
    assert heads[1].startswith(b"GET http://plain.invalid/x HTTP/1.1\r\n")


def test_the_company_proxy_is_not_asked_for_aws_or_for_its_exceptions(start_proxy, identity, outside):
    port, certificate, _ = outside
    dead = f"http://127.0.0.1:{free_port()}"
    proxy = start_proxy({"HTTPS_PROXY": dead, "HTTP_PROXY": dead, "NO_PROXY": "localhost"})
    client(proxy, "sts", "https://sts.amazonaws.com").get_caller_identity()
    assert curl("-x", proxy.url, "--cacert", certificate, f"https://localhost:{port}/")[0] == 0
    code, _, error = curl("-x", proxy.url, "https://elsewhere.invalid/")
    assert code == 56
    assert "502" in error


def test_a_company_proxy_that_refuses_is_named(start_proxy):
    def refuse(connection):
        read_head(connection)
        connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    with socket_server(refuse) as port:
        proxy = start_proxy({"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
        answer = proxy.talk(b"CONNECT pypi.invalid:443 HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 502")
    assert f"http://127.0.0.1:{port} refuses a tunnel to pypi.invalid:443: 407".encode() in answer


@pytest.mark.parametrize(
    "request_line",
    [
        "GET http://169.254.169.254/latest/meta-data/ HTTP/1.1",
        "CONNECT 169.254.170.2:80 HTTP/1.1",
        "CONNECT [fd00:ec2::254]:80 HTTP/1.1",
        "GET http://2852039166/ HTTP/1.1",  # the same address as one number
    ],
)
def test_metadata_addresses_are_refused(proxy, request_line):
    answer = proxy.talk(f"{request_line}\r\nHost: x\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"metadata" in answer


# Abuse


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        (b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"CONNECT example.com HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT user@example.com:443 HTTP/1.1\r\n\r\n", 400),
        (b"CONNECT example.com:99999 HTTP/1.1\r\n\r\n", 400),
        (b"GET ftp://example.com/ HTTP/1.1\r\n\r\n", 400),
        (b"GET example.com HTTP/1.1\r\n\r\n", 400),
        (b"GET http:// HTTP/1.1\r\n\r\n", 400),
        (b"GET http://[::1/ HTTP/1.1\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", 400),
    ],
)
def test_what_breaks_the_rules_is_refused_and_the_connection_closed(proxy, server, request_bytes, status):
    assert proxy.talk(request_bytes).startswith(b"HTTP/1.1 %d " % status)
    assert server.seen == []


def test_a_client_that_does_not_trust_us_is_named_in_the_log(proxy, server, caplog):
    with pytest.raises(Exception, match="certificate verify failed"):
        boto3.Session().client(
            "sts",
            region_name="us-west-2",
            endpoint_url="https://sts.amazonaws.com",
            aws_access_key_id="AK",
            aws_secret_access_key="SK",
            verify=str(Path(botocore.__file__).parent / "cacert.pem"),
            config=Config(proxies={"https": proxy.url}, retries={"total_max_attempts": 1}),
        ).get_caller_identity()
    deadline = time.monotonic() + 5
    while "sts.amazonaws.com broke off the TLS handshake" not in caplog.text and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    assert "sts.amazonaws.com broke off the TLS handshake" in caplog.text


def test_idle_connections_do_not_keep_others_waiting(proxy, server):
    idle = [proxy.connect() for _ in range(200)]
    try:
        idle[0].sendall(b"GET / HT")
        begin = time.monotonic()
        assert b" 200 " in proxy.talk(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        assert time.monotonic() - begin < 2
    finally:
        for connection in idle:
            connection.close()


def test_it_listens_on_loopback_only(proxy):
    with socket.socket() as probe:
        probe.settimeout(2)
        with pytest.raises(OSError):
            probe.connect(("127.0.0.2", proxy.port))
