"""The ephemeral server, as a child of this process."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from wildsage.clients.fast_waits import fast_waits
from wildsage.testing.account import Account
from wildsage.testing.environment import variables

_DEFAULT_REGION = "us-east-1"
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0
_PATH = "/_wildsage/ephemeral"


class ServerNotStartedError(Exception):
    """The server did not come up. The text is what it said."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running ephemeral server.

    Attributes
    ----------
    url
        Where it answers.
    data_dir
        Its state; gone when it ends.
    account
        The one whose credentials `environment` names.
    environment
        The variables that bring clients here; None: one that has to be absent.
    """

    url: str
    pid: int
    data_dir: Path
    account: Account
    environment: Mapping[str, str | None] = field(repr=False)
    _token: str = field(repr=False)
    _log: BinaryIO = field(repr=False)

    def new_account(self) -> Account:
        """Make an account that is empty but for its execution role."""
        made = self._ask("POST", "accounts")
        return self._account(made["account"], made["role"], made)

    def happened(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Return the jobs and endpoints of all accounts that changed or logged since a moment (`time.time()`).

        Each is a dict: ``kind``, ``name``, ``account``, ``region``, ``status``, ``reason``, ``log`` (lines).
        """
        found: list[dict[str, Any]] = self._ask("GET", f"happened/{since}")
        return found

    def log(self) -> str:
        """Return what the server itself has logged."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def in_force(self) -> contextlib.AbstractContextManager[None]:
        """Bring all clients here that code makes on its own, until the block ends."""
        return variables(self.environment)

    def _account(self, number: str, role: str, credentials: Mapping[str, Any]) -> Account:
        return Account(number, role, self.account.region, self.url, self.data_dir / "clients", credentials)

    def _ask(self, method: str, what: str) -> Any:
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        with closing(connection):
            connection.request(method, f"{_PATH}/{what}", headers={"authorization": self._token})
            response = connection.getresponse()
            content = response.read().decode()
        if response.status != http.client.OK:
            raise RuntimeError(
                f"the Wildsage server answered {response.status}: {content}; its log:\n{self.log()}"
            )
        return json.loads(content)


@contextlib.contextmanager
def server(
    *,
    account: str | None = None,
    region: str | None = None,
    create_roles: bool = True,
    environment: bool = True,
    shorten_waits: bool = True,
) -> Iterator[Server]:
    """Run a server of one's own until the block ends: a free port, temporary state, nothing left behind.

    It ends with this process too, however that ends.

    Parameters
    ----------
    account
        12 digits; None: 123456789012.
    region
        None: the one that ``AWS_REGION`` or ``AWS_DEFAULT_REGION`` names, else us-east-1.
    create_roles
        Create an execution role that a request names and that does not exist.
    environment
        Bring all clients of this process here (see `Server.in_force`); they are put back at the end.
    shorten_waits
        Let the SDKs and boto3's waiters look for an end every quarter of a second
        (`wildsage.clients.fast_waits`).

    Raises
    ------
    ServerNotStartedError
        If it does not come up.
    """
    region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or _DEFAULT_REGION
    command = [sys.executable, "-m", "wildsage", "up", "--ephemeral", "--json", "--region", region]
    command += ["--account", account] if account else []
    command += ["--create-roles"] if create_roles else []
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())
        # In a session of its own: Ctrl-C is for the tests, and what ends them by their process group leaves
        # somebody to clean up.
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, start_new_session=True
        )
        stack.callback(_end, process)
        running = _running(process, log, region)
        stack.callback(shutil.rmtree, running.data_dir, ignore_errors=True)
        if environment:
            stack.enter_context(running.in_force())
        if shorten_waits:
            stack.enter_context(fast_waits())
        yield running


def _running(process: "subprocess.Popen[bytes]", log: BinaryIO, region: str) -> Server:
    """Wait for the line that the server says when it answers."""
    patience = threading.Timer(_START_SECONDS, process.kill)
    patience.start()
    try:
        line = process.stdout.readline() if process.stdout else b""
    finally:
        patience.cancel()
    if not line:
        process.wait()
        log.seek(0)
        raise ServerNotStartedError(f"no Wildsage server came up:\n{log.read().decode(errors='replace')}")
    said = json.loads(line)
    changes = {**said["environment"], "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    changes["WILDSAGE_DATA_DIR"] = said["data_dir"]
    credentials = {
        "access_key_id": changes["AWS_ACCESS_KEY_ID"],
        "secret_access_key": changes["AWS_SECRET_ACCESS_KEY"],
    }
    data_dir = Path(said["data_dir"])
    owner = Account(said["account"], said["role"], region, said["url"], data_dir / "clients", credentials)
    return Server(said["url"], said["pid"], data_dir, owner, changes, said["token"], log)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
