"""The user's code: bring it to the code folder and install what it asks for."""

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from wildsage.formats.archives import ArchiveError, Quota, extract
from wildsage.toolkit.script_mode.commands import run
from wildsage.toolkit.script_mode.errors import (
    ClientError,
    CommandError,
    InstallModuleError,
    InstallRequirementsError,
)
from wildsage.toolkit.script_mode.overlay import Overlay
from wildsage.toolkit.script_mode.paths import code_folder, layer_folder, located
from wildsage.toolkit.script_mode.requirements import NotPlainError, plain_requirements
from wildsage.toolkit.script_mode.storage import download

logger = logging.getLogger("sagemaker-training-toolkit")

CODE_QUOTA = Quota(members=50_000, total_bytes=10 * 1024**3)
_LAYER_FACTS = "wildsage.json"


def bring_code(submit_directory: str) -> Path:
    """Put the code into the code folder and return that folder.

    Parameters
    ----------
    submit_directory
        ``s3://…`` or ``file://…`` or a path, of an archive or of a folder; empty: it is there already.

    Raises
    ------
    ClientError
        If there is no code at that place, or the archive is damaged, hostile or a bomb.
    """
    folder = code_folder()
    if submit_directory.startswith("s3://"):
        with tempfile.TemporaryDirectory() as temporary:
            archive = Path(temporary) / "sourcedir.tar.gz"
            download(submit_directory, archive)
            _extract(archive, folder, submit_directory)
        return folder
    if submit_directory.startswith("file://"):
        submit_directory = unquote(urlsplit(submit_directory).path)
    place = located(submit_directory) if submit_directory else folder
    if place.is_file():
        _extract(place, folder, submit_directory)
    elif place.is_dir():
        if place.resolve() != folder.resolve():
            shutil.copytree(place, folder, dirs_exist_ok=True)
    else:
        raise ClientError(f"there is no code at {submit_directory or folder}: expected a folder or a .tar.gz")
    return folder


def _extract(archive: Path, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    try:
        extract(archive, folder, CODE_QUOTA)
    except (ArchiveError, OSError) as error:
        raise ClientError(f"the code archive {name} cannot be extracted: {error}") from error


def install_code(folder: Path, overlay: Overlay) -> None:
    """Install ``requirements.txt``, and the code itself where it is a package.

    Raises
    ------
    InstallModuleError, InstallRequirementsError
        If pip fails.
    """
    requirements = folder / "requirements.txt"
    targets = ["-r", requirements.name] if requirements.is_file() else []
    if is_package(folder):
        _pip(folder, overlay, [".", *targets], InstallModuleError)
    elif targets:
        install_requirements(requirements, overlay)


def install_requirements(file: Path, overlay: Overlay) -> None:
    """Install a requirements file, unless the job's layer was made for it.

    Raises
    ------
    InstallRequirementsError
        If pip fails.
    """
    if is_in_layer(file):
        logger.info("What %s asks for is installed already", file.name)
        return
    _pip(file.parent, overlay, ["-r", file.name], InstallRequirementsError)


def is_in_layer(file: Path) -> bool:
    """Tell whether the job's layer holds exactly what a requirements file asks for."""
    layer = layer_folder()
    if layer is None:
        return False
    with suppress(NotPlainError, OSError, ValueError):
        facts = json.loads((layer / _LAYER_FACTS).read_text())
        wanted = list(plain_requirements(file.read_text()))
        return bool(wanted == facts.get("requirements"))
    return False


def _pip(folder: Path, overlay: Overlay, targets: Sequence[str], error: type[CommandError]) -> None:
    logger.info("Installing dependencies: %s", " ".join(targets))
    options = ["--disable-pip-version-check", "--no-input"]
    command = [str(overlay.python), "-m", "pip", "install", *options, *targets]
    run(command, folder, overlay.environment(os.environ), error)


def is_package(folder: Path) -> bool:
    """Tell whether the code is a package to install and run with ``-m``."""
    return (folder / "setup.py").is_file()
