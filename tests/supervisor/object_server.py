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
    written: list = field(default_factory=list)
    uploads: dict = field(default_factory=dict)
    credentials_given: int = 0
    gives_credentials: bool = True
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
        if not store.gives_credentials:
            return self.reply(404, b"{}")
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

    def do_PUT(self):
        store = self.server.store
        if self.refused():
            return None
        length = int(self.headers["Content-Length"])
        content = self.rfile.read(length)
        path, _, query = unquote(self.path).partition("?")
        if len(content) < length:  # the client thought better of it
            self.close_connection = True
            return None
        store.written.append((self.command, self.path))
        number = re.search(r"partNumber=(\d+)", query)
        if number is None:
            store.objects[path] = content
        else:
            store.uploads[re.search(r"uploadId=(\w+)", query)[1]][int(number[1])] = content
        return self.reply(200, b"", ETag=f'"{etag_of(content)}"')

    def do_POST(self):
        store = self.server.store
        if self.refused():
            return None
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        path, _, query = unquote(self.path).partition("?")
        store.written.append((self.command, self.path))
        if query.startswith("uploads"):
            upload = f"upload{len(store.uploads)}"
            store.uploads[upload] = {}
            return self.reply(200, f"<R><UploadId>{upload}</UploadId></R>".encode())
        parts = store.uploads.pop(query.removeprefix("uploadId="))
        listed = re.findall(r'<PartNumber>(\d+)</PartNumber><ETag>"(\w+)"</ETag>', body)
        assert listed == [(str(number), etag_of(parts[number])) for number in sorted(parts)]
        store.objects[path] = b"".join(parts[number] for number in sorted(parts))
        return self.reply(200, b"<R><ETag>x</ETag></R>")

    def do_DELETE(self):
        store = self.server.store
        if self.refused():
            return
        path, _, query = unquote(self.path).partition("?")
        store.written.append((self.command, self.path))
        if query:
            store.uploads.pop(query.removeprefix("uploadId="), None)
        else:
            store.objects.pop(path, None)
        self.send_response(204)
        self.end_headers()
        return

    def handle_expect_100(self):
        # The server that is meant refuses before it asks for the body.
        return True

    def refused(self):
        store = self.server.store
        fault = store.faults.pop(0) if store.faults else None
        path = unquote(self.path).partition("?")[0]
        refusal = fault if isinstance(fault, tuple) else None
        if fault == "reset":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return True
        if not self.signed():
            refusal = 403, "SignatureDoesNotMatch"
        elif path in store.forbidden:
            refusal = 403, "AccessDenied"
        if refusal is not None:
            self.close_connection = True
            self.error(*refusal)
            return True
        if self.headers["Expect"]:
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return False

    def signed(self):
        names = re.search(r"SignedHeaders=([^,]+)", self.headers["Authorization"])[1].split(";")
        at = self.headers["X-Amz-Date"]
        epoch = calendar.timegm(time.strptime(at, "%Y%m%dT%H%M%SZ"))
        extra = {name: self.headers[name] for name in names if name in ("if-match", "range")}
        again = sign_request(
            KEY,
            self.command,
            self.server.store.url + self.path,
            region=REGION,
            at=epoch,
            headers=extra,
            payload_hash=self.headers["X-Amz-Content-Sha256"],
        )
        is_named = self.command != "GET" or "if-match" in names or self.path in self.server.store.any_version
        return again["authorization"] == self.headers["Authorization"] and is_named

    def error(self, status, code):
        self.reply(status, f"<Error><Code>{code}</Code><Message>about {code}</Message></Error>".encode())

    def reply(self, status, content, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
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
