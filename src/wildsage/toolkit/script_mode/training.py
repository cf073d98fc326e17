"""Train: bring the code, set the SM_* variables, run the script, say why it failed."""

import importlib
import json
import logging
import os
import shlex
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from wildsage.toolkit.script_mode import mpi_driver
from wildsage.toolkit.script_mode.commands import run
from wildsage.toolkit.script_mode.distribution import interpreter, is_launched, meeting_point
from wildsage.toolkit.script_mode.environment import TrainingEnvironment
from wildsage.toolkit.script_mode.errors import ClientError, ExecuteUserScriptError
from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import base_folder
from wildsage.toolkit.script_mode.source import (
    bring_code,
    install_code,
    install_requirements,
    is_package,
)

logger = logging.getLogger("sagemaker-training-toolkit")

_LOG_FORMAT = "%(asctime)s %(name)-12s %(levelname)-8s %(message)s"


def train(overlay: Overlay) -> int:
    """Run the training job that ``input/config`` describes; returns its exit code.

    A failure is logged and written to ``output/failure``.
    """
    logging.basicConfig(format=_LOG_FORMAT, level=logging.INFO)
    base = base_folder()
    try:
        environment = TrainingEnvironment.read(base)
        logger.setLevel(environment.log_level())
        _run_script(environment, overlay)
    except ClientError as error:
        _report(base, str(error))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last resort: the user must read of it
        _report(base, f"framework error: \n{traceback.format_exc()}\n{error}")
        return 1
    logger.info("Reporting training SUCCESS")
    return 0


def prepare_entrypoint(command: Sequence[str], requirements: Path | None, overlay: Overlay) -> int:
    """Do what an entrypoint would fail at without saying why, and report a failure; returns the exit code.

    Parameters
    ----------
    requirements
        What it is going to install: the scripts of an SDK end with pip's exit code and say no more. A file that is not
        there yet is left to them.
    """

    def prepare() -> None:
        mpi_driver.refuse_mpirun(command)
        mpi_driver.stand_in(command, overlay)
        if requirements is not None and requirements.is_file():
            install_requirements(requirements, overlay)

    return _reported(prepare)


def run_mpi_driver(overlay: Overlay) -> int:
    """Do the work of SDK v3's MPI driver, and report a failure; returns the exit code."""
    return _reported(lambda: _mpi().run_driver(os.environ, overlay))


def _reported(work: Callable[[], None]) -> int:
    logging.basicConfig(format=_LOG_FORMAT, level=logging.INFO)
    try:
        work()
    except ClientError as error:
        _report(base_folder(), str(error))
        return error.exit_code
    return 0


def _run_script(environment: TrainingEnvironment, overlay: Overlay) -> None:
    folder = bring_code(environment.submit_directory)
    # Of a command that is no Python, AWS's toolkit leaves the packages to the command.
    if is_package(folder) or environment.program.endswith(".py"):
        install_code(folder, overlay)
    command = _command(environment, folder, overlay)
    variables = environment.variables()
    python_path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    _log_invocation(environment, variables, command)
    meeting = meeting_point(environment.facts["hosts"])  # what the job sets itself stays
    process_environment = {
        **meeting,
        **os.environ,
        **variables,
        "PYTHONPATH": os.pathsep.join(python_path),
    }
    for place in ("model_dir", "output_data_dir"):
        Path(environment.facts[place]).mkdir(parents=True, exist_ok=True)
    whole = overlay.environment(process_environment)
    if is_launched(environment.facts, "mpi"):
        mpi = _mpi()
        mpi.run(mpi.Launch.of_facts(environment.facts), command, folder, whole, overlay)
    else:
        run(command, folder, whole, ExecuteUserScriptError)


def _mpi() -> ModuleType:
    """Load what few jobs need, and wait for."""
    return importlib.import_module("wildsage.toolkit.script_mode.mpi")


def _command(environment: TrainingEnvironment, folder: Path, overlay: Overlay) -> list[str]:
    """Return how the entry point is started: a Python script, a module of a package, or a program."""
    program, arguments = environment.program, environment.arguments()
    if is_launched(environment.facts, "mpi"):
        python = _mpi().interpreter(overlay)
    else:
        python = interpreter(str(overlay.python), environment.facts)
        if len(python) > 1 and (is_package(folder) or not program.endswith(".py")):
            raise ClientError(
                f"the distribution needs a Python script as its entry point, and not {program!r}"
            )
    if is_package(folder):
        return [*python, "-m", program.removesuffix(".py").replace("/", "."), *arguments]
    script = folder / program
    if not script.is_file():
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:20])
        raise ClientError(f"the script {program!r} is not in the code that was submitted, which has: {there}")
    if program.endswith(".py"):
        return [*python, program, *arguments]
    script.chmod(script.stat().st_mode | 0o111)
    return ["/bin/sh", "-c", shlex.join([f"./{program}", *arguments])]


def _log_invocation(
    environment: TrainingEnvironment, variables: Mapping[str, str], command: Sequence[str]
) -> None:
    logger.info(
        "Invoking user script\n\nTraining Env:\n\n%s\n\nEnvironment variables:\n\n%s\n\n"
        "Invoking script with the following command:\n\n%s\n\n",
        json.dumps(environment.facts, indent=4),
        "\n".join(f"{name}={value}" for name, value in variables.items()),
        " ".join(command),
    )


def _report(base: Path, message: str) -> None:
    logger.error("Reporting training FAILURE")
    logger.error(message)
    (base / "output").mkdir(parents=True, exist_ok=True)
    (base / "output" / "failure").write_text(message)
