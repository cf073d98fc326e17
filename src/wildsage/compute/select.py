"""Which backend carries a container: the best that works here, or the one asked for."""

from wildsage.compute.base import Probe, Sandbox, UnavailableError
from wildsage.compute.bubblewrap import Bubblewrap
from wildsage.compute.namespaces import Namespaces
from wildsage.compute.plain import Plain

BACKENDS: tuple[Sandbox, ...] = (Bubblewrap(), Namespaces(), Plain())
"""Best first."""


def probe_all() -> dict[str, Probe]:
    """Try every backend, best first: what ``doctor`` shows."""
    return {sandbox.name: sandbox.probe() for sandbox in BACKENDS}


def choose(name: str = "auto") -> Sandbox:
    """Return the backend called `name`; ``auto`` tries them, best first, and takes the first that works.

    Trying costs as much as starting a container: a server asks once and names the answer in its job files.

    Raises
    ------
    UnavailableError
        If there is no backend of that name, or none works.
    """
    reasons = []
    for sandbox in BACKENDS:
        if name == sandbox.name:
            return sandbox
        if name == "auto":
            probe = sandbox.probe()
            if probe.available:
                return sandbox
            reasons.append(f"{sandbox.name}: {probe.reason}")
    known = ", ".join(sandbox.name for sandbox in BACKENDS)
    raise UnavailableError("; ".join(reasons) or f"no sandbox is called {name!r}; there are: {known}")
