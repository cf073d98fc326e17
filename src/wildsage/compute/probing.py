"""Find out by trying whether a backend works."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from wildsage.compute.base import Container, LaunchError, Limits, Probe, Sandbox, UnavailableError

_PATIENCE_SECONDS = 10.0


def try_launch(sandbox: Sandbox) -> Probe:
    """Start a container that does nothing and report what was in the way."""
    with tempfile.TemporaryDirectory(prefix="wildsage-probe-") as folder, tempfile.TemporaryFile() as output:
        container = Container(
            argv=("/bin/sh", "-c", ":"), environment={}, root=Path(folder), limits=Limits(processes=None)
        )
        try:
            process = sandbox.launch(container, output.fileno(), output.fileno())
        except (LaunchError, UnavailableError) as error:
            return Probe(available=False, reason=str(error))
        try:
            code = process.wait(_PATIENCE_SECONDS)
        except LaunchError as error:
            code, words = None, str(error)
        else:
            words = f"a command that does nothing ended with {code}"
        process.kill()
        with suppress(LaunchError):  # said again by one that had ended before
            process.wait()
        process.release()
        os.lseek(output.fileno(), 0, os.SEEK_SET)
        said = output.read().decode("utf-8", "replace").strip()
    return Probe(available=code == 0, reason="" if code == 0 else said or words)
