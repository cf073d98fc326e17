"""The commands of the runtime."""

import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import (
    DRIVERS_FOLDER,
    REQUIREMENTS_VARIABLE,
    base_folder,
    layer_folder,
    located,
)

_SERVING_READY = "WILDSAGE_SERVING_READY"
_USAGE = (
    "usage: script_mode train | serve FRAMEWORK | builtin train|serve MODULE | exec COMMAND [ARGUMENT…]"
    " | spark APPLICATION | torchrun … | mpi-driver | on-host HOST WORD… | overlay FOLDER\n"
)


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code.

    Every command that runs a user's code works in an overlay of the image's environment: read-only below, the job's own on top.
    """
    match arguments:
        case ["train"]:
            code = _command("training").train(_overlay())
        case ["serve", framework]:
            code = _serve(framework)
        case ["builtin", *arguments]:
            # No code of the user's: nothing is installed, and nothing needs an overlay.
            code = importlib.import_module("wildsage.toolkit.__main__").main(arguments)
        case ["spark", *application] if application:
            code = _command("spark").submit(application)
        case ["exec", *command] if command:
            code = _exec(command)
        case ["torchrun", *options]:
            own = _command("distribution").with_own_port(options)
            code = _become([sys.executable, "-m", "torch.distributed.run", *own], os.environ)
        case ["mpi-driver"]:
            code = _command("training").run_mpi_driver(_overlay())
        case ["on-host", *words] if len(words) > 1:
            code = _command("mpi").on_host(words)
        case ["overlay", folder]:
            Overlay.make(Path(folder))
            code = 0
        case _:
            sys.stderr.write(_USAGE)
            code = 2
    return int(code)


def _overlay() -> Overlay:
    """Make the job's own environment, on top of the layer that was made for it."""
    layer = layer_folder()
    return Overlay.make(base_folder(), Overlay.below(layer) if layer else None)


def _exec(command: Sequence[str]) -> int:
    """Install what the command is going to install, then become it; what it cannot do here is said first."""
    overlay = _overlay()
    requirements = os.environ.get(REQUIREMENTS_VARIABLE)
    if requirements or "mpirun" in command or any(DRIVERS_FOLDER in word for word in command):
        file = located(requirements) if requirements else None
        code = int(_command("training").prepare_entrypoint(command, file, overlay))
        if code:
            return code
    return _become(command, overlay.environment(os.environ))


def _command(module: str) -> Any:
    """Load the module of a command: a job that trains does not wait for what serving imports."""
    return importlib.import_module(f"wildsage.toolkit.script_mode.{module}")


def _serve(framework: str) -> int:
    """Install what the model asks for, then start anew in an interpreter that sees it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s - %(name)s - %(message)s", level=_log_level())
    serving = _command("serving")
    if os.environ.get(_SERVING_READY):
        return int(serving.serve(framework))
    overlay = _overlay()
    if not serving.prepare_serving(framework, overlay):
        return 1
    # The same file again, by the path it was started with.
    command = [str(overlay.python), "-P", sys.argv[0], "serve", framework]
    return _become(command, {**overlay.environment(os.environ), _SERVING_READY: "1"})


def _become(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Go on as another program; returns, with the shell's exit codes, only if there is none."""
    try:
        os.execvpe(command[0], list(command), dict(environment))  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]!r}: {error.strerror}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


def _log_level() -> int:
    level = os.environ.get("SAGEMAKER_CONTAINER_LOG_LEVEL", "")
    return int(level) if level.isdigit() else logging.INFO
