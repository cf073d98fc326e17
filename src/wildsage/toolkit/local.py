"""Run an algorithm's container by hand: its entry point on a folder of its own. For tests and for trying out."""

import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from wildsage.toolkit.environment import Paths
from wildsage.toolkit.resolve import load_spec
from wildsage.toolkit.spec import InputMode
from wildsage.toolkit.training import train


@dataclass(frozen=True, slots=True)
class Files:
    """A channel's content type (None: not given) and its files by name."""

    content_type: str | None
    content: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class LocalContainer:
    """A container of the algorithm in `module`, whose ``/opt/ml`` is `base`."""

    def __init__(self, module: str, base: Path) -> None:
        self.module = module
        self.paths = Paths(base)

    def prepare(
        self,
        hyperparameters: Mapping[str, str],
        channels: Mapping[str, Files],
        hosts: Sequence[str] = ("algo-1",),
        mode: InputMode = "File",
        current: int = 0,
    ) -> None:
        """Write the configuration and the channels of a training job; in Pipe mode `piped` streams them.

        Parameters
        ----------
        hosts, current
            Names of all hosts, and which of them this container is.
        """
        described: dict[str, dict[str, str]] = {}
        for name, files in channels.items():
            described[name] = {"TrainingInputMode": mode}
            if files.content_type is not None:
                described[name]["ContentType"] = files.content_type
            for file, content in files.content.items() if mode != "Pipe" else ():
                path = self.paths.data / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
        configuration = {
            "hyperparameters": hyperparameters,
            "inputdataconfig": described,
            "resourceconfig": {"current_host": hosts[current], "hosts": list(hosts)},
        }
        self.paths.config.mkdir(parents=True, exist_ok=True)
        for name, content_of in configuration.items():
            (self.paths.config / f"{name}.json").write_text(json.dumps(content_of))

    @contextmanager
    def piped(self, channels: Mapping[str, Files]) -> Iterator[None]:
        """Stream channels through their FIFOs until the block ends."""
        self.paths.data.mkdir(parents=True, exist_ok=True)
        feeders = [
            _Feeder(self.paths.data / name, b"".join(files.content.values()))
            for name, files in channels.items()
        ]
        try:
            yield
        finally:
            for feeder in feeders:
                feeder.end()

    def train(self, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run ``train`` to its end; the log is in ``stdout``."""
        return subprocess.run(
            self._command("train"),
            env=self._environment(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )

    def train_here(self, **environment: str) -> tuple[int, str]:
        """Run ``train`` in this process, which saves its start; returns exit code and log."""
        handler = signal.getsignal(signal.SIGTERM)
        log = io.StringIO()
        try:
            with redirect_stdout(log):
                code = train(load_spec(self.module), self._environment(environment))
        finally:
            signal.signal(signal.SIGTERM, handler)
        return code, log.getvalue()

    @property
    def failure(self) -> str:
        """Content of the failure file; empty if there is none."""
        return self.paths.failure.read_text() if self.paths.failure.exists() else ""

    @contextmanager
    def serve(self, **environment: str) -> Iterator["LocalEndpoint"]:
        """Run ``serve`` until the block ends.

        Raises
        ------
        RuntimeError
            If the container ends instead of answering; the text is its log.
        """
        with tempfile.TemporaryDirectory() as folder, Path(folder, "log").open("w+") as log:
            address = str(Path(folder, "serve.sock"))
            process = subprocess.Popen(
                self._command("serve"),
                env=self._environment({"WILDSAGE_BIND_SOCKET": address, **environment}),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                endpoint = LocalEndpoint(address)
                _wait_until_up(process, endpoint, Path(folder, "log"))
                yield endpoint
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)

    def _command(self, mode: str) -> list[str]:
        return [sys.executable, "-m", "wildsage.toolkit", mode, self.module]

    def _environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", ""), "SAGEMAKER_BASE_DIR": str(self.paths.base), **extra}


def loopback_addresses(count: int) -> tuple[str, ...]:
    """Return addresses for the hosts of a job on this machine, others than another process gets: 254 at most."""
    pid = os.getpid()
    return tuple(f"127.{pid // 250 % 250 + 1}.{pid % 250 + 1}.{number}" for number in range(1, count + 1))


def train_together(containers: Sequence[LocalContainer]) -> list[subprocess.CompletedProcess[str]]:
    """Run ``train`` of all hosts of a job at the same time, to their ends."""
    with ThreadPoolExecutor(len(containers)) as pool:
        return list(pool.map(LocalContainer.train, containers))


@dataclass(frozen=True, slots=True)
class LocalEndpoint:
    """A served model behind a Unix socket."""

    address: str

    def request(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = _UnixConnection(self.address)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def invoke(self, body: bytes, content_type: str, accept: str = "") -> Answer:
        """Ask for predictions."""
        headers = {"Content-Type": content_type} | ({"Accept": accept} if accept else {})
        return self.request("POST", "/invocations", body, headers)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, address: str) -> None:
        super().__init__("localhost", timeout=60)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._address)


class _Feeder:
    """Writes a content into one FIFO after the other, each when somebody opens it."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content, self._epoch, self._over = path, content, 0, False
        os.mkfifo(self._place())
        self._thread = threading.Thread(target=self._feed, daemon=True)
        self._thread.start()

    def _place(self) -> Path:
        return self._path.with_name(f"{self._path.name}_{self._epoch}")

    def _feed(self) -> None:
        while not self._over:
            with suppress(BrokenPipeError), self._place().open("wb", buffering=0) as fifo:
                self._epoch += 1
                os.mkfifo(self._place())
                fifo.write(self._content)

    def end(self) -> None:
        """Let go of the FIFO that nobody opened."""
        self._over = True
        deadline = time.monotonic() + 10
        while self._thread.is_alive() and time.monotonic() < deadline:
            os.close(os.open(self._place(), os.O_RDONLY | os.O_NONBLOCK))
            self._thread.join(0.01)


def _wait_until_up(process: subprocess.Popen[bytes], endpoint: LocalEndpoint, log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if endpoint.request("GET", "/ping").status == 200:
                return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError(f"the container does not serve (exit code {process.poll()}): {log.read_text()}")
