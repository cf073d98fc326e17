"""A model server without dependencies. What it does is said by its environment and by each request."""

import http.server
import os
import socketserver
import sys
import time
from pathlib import Path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(200 if self.path == "/ping" else 404, b"")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        verb, _, argument = body.decode("utf-8", "replace").partition(" ")
        if verb == "exit":
            print("told to exit", flush=True)
            os._exit(int(argument))
        if verb == "sleep":
            time.sleep(float(argument))
        if verb == "status":
            self._answer(int(argument), b"the model says no")
        elif verb == "headers":
            self._answer(200, str(self.headers).encode())
        else:
            self._answer(200, f"{os.environ.get('VERSION', '1')} {os.getpid()}".encode())

    def _answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept", "text/plain"))
        if "X-Amzn-SageMaker-Custom-Attributes" in self.headers:
            value = self.headers["X-Amzn-SageMaker-Custom-Attributes"]
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


print("version", os.environ.get("VERSION", "1"), flush=True)
if "CRASH" in os.environ and Path(os.environ.get("CRASH_IF", "/")).exists():
    print("cannot load the model: no such tree", flush=True)
    sys.exit(int(os.environ["CRASH"]))
if "SILENT" in os.environ:
    time.sleep(600)
Server(os.environ["WILDSAGE_BIND_SOCKET"], Handler).serve_forever()
