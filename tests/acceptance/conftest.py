"""Unmodified clients against a live server, in their own environments, without an outside network.

`make acceptance` makes the clients' environments; where they are is said by the variables of `CLIENTS`.
Every worker of pytest has a server of its own, so that a test may kill it.
"""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance import network
from tests.acceptance.live import ROOT, Live, processes_of, until

from wildsage.cli.server import default_cache_dir
from wildsage.images.environments import Environments
from wildsage.images.frameworks import environment_spec
from wildsage.images.remote_functions import DEFAULT_IMAGE
from wildsage.store.layout import Layout

FOLDER = Path(__file__).parent
CLIENTS = {
    "sdk2": "WILDSAGE_SDK2_PYTHON",
    "sdk3": "WILDSAGE_SDK3_PYTHON",
    "boto3-old": "WILDSAGE_BOTO3_OLD_PYTHON",
    "notebook": "WILDSAGE_NOTEBOOK_PYTHON",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here and says nothing else: `make test` does not look into this folder."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and item.get_closest_marker("frameworks") is None:
            item.add_marker(pytest.mark.acceptance)


def _client_python(name: str) -> Path:
    python = Path(os.environ.get(CLIENTS[name]) or ROOT / f".venv-{name}" / "bin" / "python").absolute()
    assert python.exists(), f"{python} does not exist: run `make acceptance`, or set {CLIENTS[name]}"
    return python


@pytest.fixture(scope="session")
def sdk2() -> str:
    """The interpreter of an environment with SageMaker Python SDK v2."""
    return str(_client_python("sdk2"))


@pytest.fixture(scope="session")
def sdk3() -> str:
    """The interpreter of an environment with SageMaker Python SDK v3."""
    return str(_client_python("sdk3"))


@pytest.fixture(scope="session")
def boto3_old() -> str:
    """The interpreter of an environment with a boto3 that does not know AWS_ENDPOINT_URL."""
    return str(_client_python("boto3-old"))


@pytest.fixture(scope="session")
def notebook() -> str:
    """The interpreter of an environment with Jupyter's client, SDK v2, pandas, pyarrow and polars."""
    return str(_client_python("notebook"))


@pytest.fixture(scope="session")
def loopback_only() -> Iterator[int | str]:
    """The namespace without an outside network; where the system gives none, the reason."""
    try:
        namespace = network.loopback_only()
    except OSError as error:
        yield f"no network namespace can be made here ({error}): the outside network stays on"
        return
    yield namespace
    os.close(namespace)


def _prepared(tmp_path_factory: pytest.TempPathFactory, image: str, environment: str) -> Path:
    """Make the environment of a framework image, and return its interpreter. Needs the outside network."""
    prepare_image(tmp_path_factory.mktemp("images"), image)
    return Environments(default_cache_dir()).python_path(environment_spec(environment))


@pytest.fixture(scope="session")
def frameworks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the environment that most scripts use, and return its interpreter.

    Making environments is the only step that needs the outside network.
    """
    return _prepared(tmp_path_factory, "sagemaker-scikit-learn:1.2-1-cpu-py3", "sklearn-1.2")


@pytest.fixture(scope="session")
def xgboost_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the image that `XGBoost(framework_version="1.7-1")` names."""
    return _prepared(tmp_path_factory, "sagemaker-xgboost:1.7-1", "xgboost-1.7")


@pytest.fixture(scope="session")
def old_xgboost_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an image whose library is from before `xgboost.collective`."""
    return _prepared(tmp_path_factory, "sagemaker-xgboost:1.2-1", "xgboost-1.2")


@pytest.fixture(scope="session")
def pytorch_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the images that `PyTorch(framework_version="2.5")` names."""
    return _prepared(tmp_path_factory, "pytorch-training:2.5-cpu-py311", "pytorch-2")


@pytest.fixture(scope="session")
def huggingface_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the images that `HuggingFace(transformers_version="4.49.0")` names."""
    tag = "2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04"
    return _prepared(tmp_path_factory, f"huggingface-pytorch-training:{tag}", "huggingface-4.49")


@pytest.fixture(scope="session")
def tensorflow_image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of the images that `TensorFlow(framework_version="2.19")` names."""
    return _prepared(tmp_path_factory, "tensorflow-training:2.19-cpu-py312", "tensorflow-2.19")


@pytest.fixture(scope="session")
def sdk_environments(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Make the environments that remote functions of the SDKs run in."""
    for version in ("2.257.7", "3.27.0"):
        prepare_image(tmp_path_factory.mktemp("images"), DEFAULT_IMAGE, "--sdk", version)


def prepare_image(folder: Path, *arguments: str) -> None:
    """Run ``wildsage images prepare``."""
    command = [
        str(Path(sys.executable).with_name("wildsage")),
        "images",
        "--data-dir",
        str(folder),
        "prepare",
    ]
    done = subprocess.run(
        [*command, *arguments], check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="session")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What users run in: a home with AWS profiles of their own, and no variable of these tests' environment."""
    home = tmp_path_factory.mktemp("home")
    aws = home / ".aws"
    aws.mkdir()
    (aws / "credentials").write_text(
        "[default]\naws_access_key_id = AKIAIOSFODNN7EXAMPLE\n"
        "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY\n\n"
        "[production]\naws_access_key_id = AKIAI44QH8DHBEXAMPLE\n"
        "aws_secret_access_key = je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY\n"
        "aws_session_token = IQoJb3JpZ2luX2VjEXAMPLE\n"
    )
    (aws / "config").write_text(
        "[default]\nregion = us-west-2\noutput = json\n\n"
        "[profile production]\nregion = eu-west-1\n\n"
        "[profile deploy]\nrole_arn = arn:aws:iam::210987654321:role/Deploy\nsource_profile = production\n"
    )
    return {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        # What jobs install comes from here: the outside network is off.
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path_factory.mktemp("wheels")),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(default_cache_dir().parent),
    }


@pytest.fixture(scope="session")
def live(
    tmp_path_factory: pytest.TempPathFactory,
    environ: dict[str, str],
    loopback_only: int | str,
    frameworks: Path,
) -> Iterator[Live]:
    """A server, started by the command line."""
    live = Live(Layout(tmp_path_factory.mktemp("server") / "data"), environ)
    with _off(loopback_only):
        live.wildsage("up", "-d", "--port", "0", "--create-roles")
    yield live
    with _off(loopback_only):
        live.wildsage("down", "--all")
    root = live.layout.root
    until(lambda: not processes_of(root), f"the end of {processes_of(root)}", seconds=30)


@pytest.fixture
def offline(loopback_only: int | str) -> Iterator[None]:
    """Cut off the test, and all that it starts, from the outside network, where that can be done."""
    with _off(loopback_only):
        yield


@pytest.fixture
def server(live: Live, offline: None) -> Live:
    """The server, in the network of `offline`."""
    return live


def _off(namespace: int | str) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext() if isinstance(namespace, str) else network.inside(namespace)


_WALL = "wall time"


@pytest.fixture
def report_wall(record_property: Callable[[str, object], None]):
    """Return a function that has a wall time printed at the end of the run."""

    def report(what: str, seconds: float) -> None:
        record_property(_WALL, f"{what}: {seconds:.1f} s")

    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how long what users type took."""
    passed = terminalreporter.stats.get("passed", [])
    lines = [value for report in passed for name, value in report.user_properties if name == _WALL]
    if lines:
        terminalreporter.section("wall times, on a machine that does other things at the same time")
        terminalreporter.write("".join(f"{line}\n" for line in sorted(set(lines))))
