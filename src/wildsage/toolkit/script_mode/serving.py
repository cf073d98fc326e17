"""Serve: find the user's code, load the model, answer requests."""

import logging
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType, ModuleType

from wildsage.toolkit.script_mode.errors import ClientError
from wildsage.toolkit.script_mode.handlers import Handlers, import_user_module
from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import base_folder, code_folder, located
from wildsage.toolkit.script_mode.server import ModelServer, listening_socket
from wildsage.toolkit.script_mode.source import bring_code, install_code
from wildsage.toolkit.script_mode.tensorflow import TensorFlowHandlers

logger = logging.getLogger("wildsage.script_mode.serving")

_SERVE_WITHOUT_SCRIPT = frozenset({"huggingface", "tensorflow"})


def prepare_serving(framework: str, overlay: Overlay) -> bool:
    """Bring the code and install what it asks for; says why where that fails."""
    try:
        folder = _code(framework)
        install_code(folder, overlay)
    except ClientError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
        return False
    return True


def serve(framework: str) -> int:
    """Load the model and answer requests until the process is stopped; returns the exit code."""
    listener = listening_socket()
    # Before anything is imported that starts threads: no fork after that.
    workers = _start_workers(int(os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS") or 1))
    if workers:
        return _wait_for(workers)
    try:
        handlers = _handlers(framework)
        handlers.load(base_folder() / "model")
    except Exception:
        logger.exception("The model could not be loaded")
        return 1
    _answer(listener, handlers)
    return 0


def _handlers(framework: str) -> Handlers | TensorFlowHandlers:
    program = _program(framework)
    module = import_user_module(program, code_folder()) if program else ModuleType("inference")
    return TensorFlowHandlers(module) if framework == "tensorflow" else Handlers(module, framework)


def _answer(listener: socket.socket, handlers: Handlers | TensorFlowHandlers) -> None:
    server = ModelServer(listener, handlers)

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    logger.info("The model is loaded; listening at %s", listener.getsockname())
    server.serve_forever()


def _code(framework: str) -> Path:
    """Return the code folder, filled: from the submit directory, else from the model's own ``code/``."""
    submit = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    packed = base_folder() / "model" / "code"
    if not submit or (not submit.startswith("s3://") and not located(submit).exists()):
        if not packed.is_dir() and framework in _SERVE_WITHOUT_SCRIPT:
            return code_folder()
        submit = str(packed) if packed.is_dir() else submit
    return bring_code(submit)


def _program(framework: str) -> str:
    """Return the script; none where the framework serves a model without one."""
    program = os.environ.get("SAGEMAKER_PROGRAM")
    if program:
        return program
    if (code_folder() / "inference.py").is_file():
        return "inference.py"
    if framework in _SERVE_WITHOUT_SCRIPT:
        return ""
    raise ClientError(
        "no script is named: set SAGEMAKER_PROGRAM in the model's environment (entry_point in the SDK), or put "
        "code/inference.py into model.tar.gz"
    )


def _start_workers(count: int) -> list[int]:
    """Start worker processes where more than one is asked for; returns them to their parent, none to a worker."""
    workers: list[int] = []
    for _ in range(count if count > 1 else 0):
        worker = os.fork()
        if worker == 0:
            return []
        workers.append(worker)
    return workers


def _wait_for(workers: list[int]) -> int:
    """Live as long as all workers do: a model server that lost one is not the one that was asked for."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    try:
        ended, status = os.wait()
        workers.remove(ended)
        code = os.waitstatus_to_exitcode(status)
        return 128 - code if code < 0 else code or 1
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
