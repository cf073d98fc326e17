"""The proxies of runs, as the server orders them: each job's supervisor starts its own when a client needs it."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path

from wildsage.clients.outbound import Outbound
from wildsage.core.clock import SystemClock
from wildsage.store.layout import Layout
from wildsage.supervisor.surroundings import HostProxyCommand

_PROGRAM = "wildsage.clients.run_proxy"
_log = logging.getLogger(__name__)


class RunProxies:
    """Says how the proxies of runs are started. Safe to use from any thread.

    Parameters
    ----------
    endpoint_url
        Of the server that answers for AWS.
    environ
        Of the server, as supervisors inherit it: through its proxies others are reached.
    """

    def __init__(self, layout: Layout, endpoint_url: str, environ: Mapping[str, str]) -> None:
        self._layout = layout
        self._endpoint_url = endpoint_url
        self._environ = environ
        self._command: HostProxyCommand | None = None

    def command(self) -> HostProxyCommand | None:
        """Return the command; None, and a line in the server's log, where the authority cannot be used."""
        known = self._command
        if known is not None and Path(known.bundle).is_file():
            return known
        # Cryptography takes 10 MB of memory and a tenth of a second: not before there is a job.
        from wildsage.clients.authority import Authority, AuthorityError  # noqa: PLC0415
        from wildsage.clients.trust import write_bundle  # noqa: PLC0415 - as above

        try:
            authority = Authority(self._layout.authority, SystemClock())
        except AuthorityError as error:
            _log.warning("jobs have no way to AWS's own host names: %s", error)
            return None
        outbound = Outbound.from_environment(self._environ)
        # Plain HTTP takes a proxy only where this machine needs one.
        schemes = ("HTTP", "HTTPS") if "http" in outbound.proxies else ("HTTPS",)
        self._command = HostProxyCommand(
            (sys.executable, "-m", _PROGRAM, str(self._layout.root), self._endpoint_url),
            str(write_bundle(self._environ, authority.certificate, self._layout.clients)),
            schemes,
        )
        return self._command
