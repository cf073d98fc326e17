"""The small HTTP client against servers of every kind."""

import socket
import threading

import pytest

from wildsage.supervisor.http1 import Connection


@pytest.fixture
def answering():
    """Serve given bytes, one answer per request, on as many connections as it takes."""
    listeners = []

    def start(*answers):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        seen = []

        def serve():
            remaining = list(answers)
            while remaining:
                connection, _ = listener.accept()
                with connection:
                    while remaining and (request := connection.recv(65536)):
                        seen.append(request)
                        answer = remaining.pop(0)
                        connection.sendall(answer)
                        if b"close" in answer.lower() or b"\r\n\r\n" not in answer:
                            break

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}", seen

    yield start
    for listener in listeners:
        listener.close()


def read(connection, url):
    with connection.send("GET", url, {"x-a": "b"}) as response:
        content = b""
        while chunk := response.read(3):
            content += chunk
        return response.status, content


def test_a_connection_is_kept(answering):
    url, seen = answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x=y\r\nwiki\r\n1\r\n!\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.1 206 Part\r\nConnection: close\r\nContent-Length: 2\r\n\r\nxy",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nz",
    )
    connection = Connection(url)
    assert [read(connection, f"{url}/a%20b?c=d") for _ in range(5)] == [
        (200, b"hello"), (404, b""), (200, b"wiki!"), (206, b"xy"), (200, b"z"),
    ]  # fmt: skip
    assert seen[0].startswith(b"GET /a%20b?c=d HTTP/1.1\r\nhost: 127.0.0.1:")
    assert b"x-a: b\r\n" in seen[0]
    connection.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nno length",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhel",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK close" + b"x" * 100_000,
    ],
)
def test_what_is_no_whole_answer_is_a_connection_error(answering, answer):
    url, _ = answering(answer)
    with pytest.raises(ConnectionError):
        read(Connection(url), url)


def test_only_plain_http_is_spoken():
    with pytest.raises(OSError, match="no http URL"):
        Connection("https://127.0.0.1/")
