"""Small servers that play Wildsage and the outside world."""

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from wildsage.store.layout import Layout


@dataclass
class Seen:
    """A request as a server got it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Echo:
    """An HTTP server that keeps what it got and answers with a fixed body."""

    url: str
    port: int
    seen: list[Seen] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    echo: Echo
    answer = b'{"ok": true}'

    def _serve(self) -> None:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.echo.seen.append(Seen(self.command, self.path, headers, body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


for _method in ("GET", "PUT", "POST", "HEAD", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler._serve)


class _Quiet(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def echo_server(port: int = 0, wrap=None, answer: bytes = _Handler.answer) -> Iterator[Echo]:
    handler = type("Handler", (_Handler,), {"answer": answer})
    server = _Quiet(("127.0.0.1", port), handler)
    if wrap is not None:
        server.socket = wrap(server.socket)
    echo = handler.echo = Echo(f"http://127.0.0.1:{server.server_port}", server.server_port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield echo
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def socket_server(*conversations: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve one connection after the other, each by the next of `conversations`; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for conversation in conversations:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(10)
                    conversation(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def read_head(connection: socket.socket) -> bytes:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        if not piece:
            break
        data += piece
    return data


def read_all(connection: socket.socket) -> bytes:
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65536):
            data += piece
    return data


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def say_server(layout: Layout, port: int) -> None:
    said = {"url": f"http://127.0.0.1:{port}", "pid": 1, "account": "123456789012", "region": "eu-west-1"}
    layout.server.write_text(json.dumps(said))


@dataclass
class Running:
    """A proxy that runs."""

    url: str
    bundle: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def talk(self, request: bytes) -> bytes:
        """Send bytes and return all that comes until the proxy closes."""
        with self.connect() as connection:
            connection.sendall(request)
            return read_all(connection)
