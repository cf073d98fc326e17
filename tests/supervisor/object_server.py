"""An object store and a source of credentials for tests: it checks signatures and fails on demand."""

import calendar
import hashlib
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from wildsage.core.credentials import AccessKey
from wildsage.core.signing import sign_request
from wildsage.supervisor.contract import InputObject

TOKEN = "the-token"
KEY = AccessKey("ASIATEST", "secret", "session", "", "")
REGION = "eu-west-1"


@dataclass
class ObjectServer:
    """State and switches of the server; `faults` are taken one per object request.

    Of objects in `any_version` a request need not name the version.
    """

    objects: dict = field(default_factory=dict)
    faults: list = field(default_factory=list)
    forbidden: set = field(default_factory=set)
    any_version: set = field(default_factory=set)
    requests: list = field(default_factory=list)
    credentials_given: int = 0
    url: str = ""

    def put(self, bucket, key, content, path=None):
        self.objects[f"/{bucket}/{key}"] = content
        where = key if path is None else path
        return InputObject(bucket, key, where, len(content), etag_of(content), key.endswith(".tar.gz"))


def etag_of(content):
    return hashlib.md5(content).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self.path == "/credentials":
            self.credentials()
        else:
            self.object()

    def credentials(self):
        store = self.server.store
        if self.headers["Authorization"] != TOKEN:
            return self.reply(403, b"{}")
        store.credentials_given += 1
        reply = {
            "AccessKeyId": KEY.access_key_id,
            "SecretAccessKey": KEY.secret_access_key,
            "Token": KEY.session_token,
            "Expiration": "2999-01-01T00:00:00Z",
        }
        return self.reply(200, json.dumps(reply).encode())

    def object(self):
        store = self.server.store
        store.requests.append((self.path, self.headers.get("Range")))
        fault = store.faults.pop(0) if store.faults else None
        path = unquote(self.path)
        if fault == "reset":
            self.close_connection = True
            return self.connection.shutdown(socket.SHUT_RDWR)
        if isinstance(fault, tuple):
            return self.error(*fault)
        if not self.signed():
            return self.error(403, "SignatureDoesNotMatch")
        if path in store.forbidden:
            return self.error(403, "AccessDenied")
        if path not in store.objects:
            return self.error(404, "NoSuchKey")
        content = store.objects[path]
        wanted = self.headers["If-Match"]
        if wanted is not None and wanted != f'"{etag_of(content)}"':
            return self.error(412, "PreconditionFailed")
        ranged = self.headers.get("Range")
        first, _, last = (ranged or "bytes=0-").removeprefix("bytes=").partition("-")
        body = content[int(first) : int(last) + 1 if last else None]
        if fault == "half":
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return None
        return self.reply(206 if ranged else 200, body)

    def signed(self):
        names = re.search(r"SignedHeaders=([^,]+)", self.headers["Authorization"])[1].split(";")
        at = self.headers["X-Amz-Date"]
        epoch = calendar.timegm(time.strptime(at, "%Y%m%dT%H%M%SZ"))
        extra = {name: self.headers[name] for name in names if name in ("if-match", "range")}
        again = sign_request(
            KEY, "GET", self.server.store.url + self.path, region=REGION, at=epoch, headers=extra
        )
        is_named = "if-match" in names or self.path in self.server.store.any_version
        return again["authorization"] == self.headers["Authorization"] and is_named

    def error(self, status, code):
        self.reply(status, f"<Error><Code>{code}</Code><Message>about {code}</Message></Error>".encode())

    def reply(self, status, content):
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    daemon_threads = True
    store: ObjectServer

    def handle_error(self, *_):
        pass


def serve(store, port=0):
    """Start a server; the caller shuts it down."""
    server = Server(("127.0.0.1", port), Handler)
    server.store = store
    store.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server
