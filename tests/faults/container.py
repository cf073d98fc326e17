"""A container whose steps a test can see and hold: it writes a line for each, and waits for a file."""

import hashlib
import http.server
import os
import signal
import socketserver
import sys
import time
from pathlib import Path

ML = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
LIFE = os.urandom(8).hex()


def train():
    print(f"begin {LIFE}", flush=True)
    for step in range(int(os.environ.get("STEPS", "0"))):
        print(f"step {step} loss={step}.25;", flush=True)
        time.sleep(float(os.environ.get("PAUSE", "0")))
    while "HOLD" in os.environ and not (ML / "go").exists():
        time.sleep(0.01)
    digest = hashlib.sha256()
    for path in sorted((ML / "input/data").rglob("*")):
        if path.is_file():
            digest.update(path.read_bytes())
    (ML / "model/inputs.sha256").write_text(digest.hexdigest())
    if "NAMED" in os.environ:  # of several hosts each leaves a file of its own
        (ML / "model" / os.environ["HOSTNAME"]).write_text(LIFE)
    print(f"end {LIFE}", flush=True)


def process():
    print(f"begin {LIFE}", flush=True)
    out = ML / "processing/out"
    for step in range(int(os.environ.get("STEPS", "0"))):
        (out / f"part-{step}").write_text(f"part {step}\n")
        time.sleep(float(os.environ.get("PAUSE", "0")))
    while "HOLD" in os.environ and not (ML / "go").exists():
        time.sleep(0.01)
    (out / "last").write_text(LIFE)
    (ML / "output/message").write_text("done")
    print(f"end {LIFE}", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self._answer(b"")

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(LIFE.encode())

    def _answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "client"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if len(sys.argv) == 1:
    process()
elif sys.argv[1] == "train":
    train()
else:
    Server(os.environ["WILDSAGE_BIND_SOCKET"], Handler).serve_forever()
