"""The commands of the runtime."""

import importlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import base_folder

_SERVING_READY = "WILDSAGE_SERVING_READY"


def main(arguments: Sequence[str]) -> int:
    """Run one command; returns its exit code.

    Every command works in an overlay of the image's environment: read-only below, the job's own on top.
    """
    command, *rest = arguments or ["help"]
    if command == "train" and not rest:
        return int(_command("training").train(Overlay.make(base_folder())))
    if command == "serve" and len(rest) == 1:
        return _serve(rest[0])
    if command == "exec" and rest:
        return _become(rest, Overlay.make(base_folder()).environment(os.environ))
    sys.stderr.write("usage: script_mode train | serve FRAMEWORK | exec COMMAND [ARGUMENT…]\n")
    return 2


def _command(module: str) -> Any:
    """Load the module of a command: a job that trains does not wait for what serving imports."""
    return importlib.import_module(f"wildsage.toolkit.script_mode.{module}")


def _serve(framework: str) -> int:
    """Install what the model asks for, then start anew in an interpreter that sees it."""
    logging.basicConfig(format="%(asctime)s %(levelname)s - %(name)s - %(message)s", level=_log_level())
    serving = _command("serving")
    if os.environ.get(_SERVING_READY):
        return int(serving.serve(framework))
    overlay = Overlay.make(base_folder())
    if not serving.prepare_serving(overlay):
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
