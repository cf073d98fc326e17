"""The HTTP side of a model server: ``/ping``, ``/invocations`` and ``/execution-parameters``.

HTTP/1.1 with kept connections, on a Unix socket or a port. Requests are read side by side and answered by
the model one at a time, because a user's functions are not written for threads; more at once is what
``SAGEMAKER_MODEL_SERVER_WORKERS`` processes are for.
"""

import json
import logging
import os
import socket
import socketserver
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from wildsage.formats.content_types import JSON, media_type
from wildsage.toolkit.script_mode.answers import Answer
from wildsage.toolkit.script_mode.handlers import Handlers
from wildsage.toolkit.script_mode.tensorflow import TensorFlowHandlers

logger = logging.getLogger("wildsage.script_mode.server")

_LARGEST_BODY = 1 << 30
_EMPTY = Answer(200, "text/plain", b"")
_BACKLOG = 1024


def listening_socket() -> socket.socket:
    """Listen at ``WILDSAGE_BIND_SOCKET``, else at ``SAGEMAKER_BIND_TO_PORT``, else at port 8080."""
    path = os.environ.get("WILDSAGE_BIND_SOCKET")
    if path:
        Path(path).unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(path)
    else:
        port = int(os.environ.get("SAGEMAKER_BIND_TO_PORT") or 8080)
        listener = socket.create_server(("0.0.0.0", port))  # noqa: S104 - the container's own network
    listener.listen(_BACKLOG)
    return listener


class ModelServer(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Serves a loaded model on a listening socket, which other processes may share."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, handlers: Handlers | TensorFlowHandlers) -> None:
        super().__init__(listener.getsockname(), Connection)
        self.listener = listener
        self.handlers = handlers
        self.model_lock = threading.Lock()
        # Another process may have taken the connection that woke this one.
        listener.setblocking(False)

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self.listener.fileno()

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept one connection."""
        connection, address = self.listener.accept()
        connection.setblocking(True)
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection, address

    def shutdown_request(self, request: Any) -> None:
        """Close a connection."""
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        """Log what broke a connection; a client that went away is no error."""
        logger.debug("a connection ended early: %s", sys.exception())


class BadRequestError(Exception):
    """The request's framing is wrong; the connection cannot be used again."""


class Connection(BaseHTTPRequestHandler):
    """One connection, request after request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    server: ModelServer

    def do_GET(self) -> None:
        """Answer ``/ping`` and ``/execution-parameters``."""
        path = self.path.partition("?")[0]
        if path == "/ping":
            self._send(_EMPTY)
        elif path == "/execution-parameters" and self.server.handlers.execution_parameters:
            self._send(self._guarded(self._execution_parameters))
        else:
            self._send(_not_found(path))

    def do_POST(self) -> None:
        """Answer ``/invocations``."""
        path = self.path.partition("?")[0]
        try:
            body = self._body()
        except BadRequestError as error:
            self.close_connection = True
            self._send(Answer(400, "text/plain", str(error).encode()))
            return
        self._send(self._guarded(lambda: self._invoke(body)) if path == "/invocations" else _not_found(path))

    def _invoke(self, body: bytes) -> Answer:
        content_type = self.headers.get("Content-Type") or JSON
        with self.server.model_lock:
            return self.server.handlers.answer(body, content_type, self._accept())

    def _execution_parameters(self) -> Answer:
        function = self.server.handlers.execution_parameters
        assert function is not None
        value = function()
        return Answer(200, JSON, value.encode() if isinstance(value, str) else json.dumps(value).encode())

    def _accept(self) -> str:
        """Return the type the client asks for; any type at all is the container's default."""
        wanted = (self.headers.get("Accept") or "").partition(",")[0].strip()
        if wanted and media_type(wanted) != "*/*":
            return wanted
        return os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT") or JSON

    def _guarded(self, work: Callable[[], Answer]) -> Answer:
        """Answer 500 with the error's own text where the user's code fails; the log has the traceback."""
        try:
            return work()
        except Exception as error:
            logger.exception("Exception on %s [%s]", self.path, self.command)
            return Answer(500, "text/plain", "".join(traceback.format_exception_only(error)).encode())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunked_body()
        text = self.headers.get("Content-Length", "0")
        if not text.isdigit() or int(text) > _LARGEST_BODY:
            raise BadRequestError(f"Content-Length {text!r} is not a size up to {_LARGEST_BODY}")
        body = self.rfile.read(int(text))
        if len(body) < int(text):
            raise BadRequestError(f"the body ended after {len(body)} of {text} bytes")
        return body

    def _chunked_body(self) -> bytes:
        parts: list[bytes] = []
        total = 0
        while True:
            line = self.rfile.readline(1024).partition(b";")[0].strip()
            try:
                size = int(line, 16)
            except ValueError as error:
                raise BadRequestError(f"{line!r} is not the size of a chunk") from error
            total += size
            if size < 0 or total > _LARGEST_BODY:
                raise BadRequestError(f"the body is larger than {_LARGEST_BODY} bytes")
            if size == 0:
                break
            parts.append(self.rfile.read(size))
            self.rfile.readline(8)
        while self.rfile.readline(8192).strip():
            pass  # trailers
        return b"".join(parts)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def handle_expect_100(self) -> bool:
        """Let the client send its body at once."""
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def address_string(self) -> str:
        """Name the client; a Unix socket has no address."""
        return str(self.client_address[0]) if self.client_address else "unix"

    def log_message(self, format: str, *args: Any) -> None:
        """Log a request unless it is a ping."""
        if getattr(self, "path", "") != "/ping":
            logger.info(format, *args)


def _not_found(path: str) -> Answer:
    return Answer(404, "text/plain", f"there is no {path} here".encode())
