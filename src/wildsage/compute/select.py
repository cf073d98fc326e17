"""Which backend carries a container: the best that works here, or the one asked for."""

from wildsage.compute.base import Probe, Sandbox, UnavailableError
from wildsage.compute.bubblewrap import Bubblewrap
from wildsage.compute.containers import Containers
from wildsage.compute.engine import ENGINES
from wildsage.compute.namespaces import Namespaces
from wildsage.compute.plain import Plain

BACKENDS: tuple[Sandbox, ...] = (Bubblewrap(), Namespaces(), Plain())
"""What carries programs of this machine. Best first."""

ENGINE_BACKENDS: tuple[Sandbox, ...] = tuple(Containers(engine) for engine in ENGINES)
"""What carries images of container engines: chosen by name, for an image is one engine's."""


def probe_all() -> dict[str, Probe]:
    """Try every backend, best first: what ``doctor`` shows."""
    return {sandbox.name: sandbox.probe() for sandbox in BACKENDS}


def choose(name: str = "auto") -> Sandbox:
    """Return the backend called `name`; ``auto`` tries those of this machine's programs, best first.

    Trying costs as much as starting a container: a server asks once and names the answer in its job files.

    Raises
    ------
    UnavailableError
        If there is no backend of that name, or none works.
    """
    reasons = []
    for sandbox in (*BACKENDS, *(ENGINE_BACKENDS if name != "auto" else ())):
        if name == sandbox.name:
            return sandbox
        if name == "auto":
            probe = sandbox.probe()
            if probe.available:
                return sandbox
            reasons.append(f"{sandbox.name}: {probe.reason}")
    known = ", ".join(sandbox.name for sandbox in (*BACKENDS, *ENGINE_BACKENDS))
    raise UnavailableError("; ".join(reasons) or f"no sandbox is called {name!r}; there are: {known}")
