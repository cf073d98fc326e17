"""The way of a container to AWS's own host names.

Some clients name AWS's hosts whatever ``AWS_ENDPOINT_URL`` says: the SageMaker SDKs those of STS. The container
gets a proxy of its own that answers these names. The socket is there from the start; the proxy, a process, starts
when the first client comes, and most containers never need it.
"""

import select
import shutil
import socket
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from wildsage.supervisor.contract import RUN_FOLDER
from wildsage.supervisor.environment import RUN_TARGET
from wildsage.supervisor.surroundings import HostProxyCommand

BUNDLE_FILE = "aws-hosts.pem"
"""In the run's folder: whom the container's AWS clients trust."""

_ADDRESS = "127.0.0.1"
_BACKLOG = 128
_DIRECT = ("localhost", _ADDRESS, "::1")


class HostProxy:
    """The proxy of one container. Everything it holds goes with `close`, or with the supervisor.

    Parameters
    ----------
    command
        Starts the proxy; None: the container has none.
    folder
        Of the run.
    """

    def __init__(self, command: HostProxyCommand | None, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._listener: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def open(self, peers: Iterable[str]) -> Mapping[str, str]:
        """Listen, and return the variables that tell a container where.

        Parameters
        ----------
        peers
            Names and addresses that are not asked of the proxy: the hosts of the job.
        """
        command = self._command
        if command is None:
            return {}
        if self._listener is None:
            self._listener = socket.create_server((_ADDRESS, 0), backlog=_BACKLOG)
            bundle = self._folder / RUN_FOLDER / BUNDLE_FILE
            shutil.copyfile(command.bundle, bundle)
            bundle.chmod(0o644)  # an image may want to be another user
        url = f"http://{_ADDRESS}:{self._listener.getsockname()[1]}"
        direct = ",".join(dict.fromkeys((*_DIRECT, *peers)))
        proxies = {f"{scheme}_PROXY": url for scheme in command.schemes} | {"NO_PROXY": direct}
        # Some programs read only one spelling.
        both = proxies | {name.lower(): value for name, value in proxies.items()}
        return {"AWS_CA_BUNDLE": f"{RUN_TARGET}/{BUNDLE_FILE}", **both}

    def look(self) -> None:
        """Start the proxy if somebody waits for it; also once more, if it has died."""
        if self._command is None or self._listener is None:
            return
        runs = self._process is not None and self._process.poll() is None
        if runs or not select.select([self._listener], [], [], 0)[0]:
            return
        if self._process is not None:
            self._end(self._process)
        listener = self._listener.fileno()
        # The proxy ends when its input does: also if this process is killed.
        self._process = subprocess.Popen(
            [*self._command.argv, str(listener)],
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=(listener,),
        )

    def close(self) -> None:
        """End the proxy and stop listening. May be called again."""
        if self._process is not None:
            self._end(self._process)
            self._process = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    @staticmethod
    def _end(process: "subprocess.Popen[bytes]") -> None:
        process.kill()
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        process.wait()
