"""Packages that pip installs in a job: of requirements.txt, of a layer, of the script's own code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.wheels import make_wheel

from wildsage.images.program import RUNTIME

pytestmark = pytest.mark.builds


def test_requirements_are_installed_for_this_job_only(container, tmp_path) -> None:
    make_wheel(tmp_path, "wildwords", "1.5")
    container.code(
        {
            "train.py": "import numpy, wildwords\nprint(wildwords.VERSION)",
            "requirements.txt": "wildwords==1.5\nnumpy",
        }
    )
    container.configure({"sagemaker_program": "train.py"})
    done = container.run("train", PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("1.5")
    assert (
        subprocess.run(
            [sys.executable, "-c", "import wildwords"], capture_output=True, check=False
        ).returncode
        == 1
    )


def test_requirements_that_do_not_exist_fail_the_job(container) -> None:
    container.code({"train.py": "", "requirements.txt": "no-such-package-here==1\n"})
    container.configure({"sagemaker_program": "train.py"})
    assert container.run("train").returncode == 1
    assert container.failure.startswith("InstallRequirementsError:\nExitCode 1\nErrorMessage")
    assert "no-such-package-here" in container.failure


def test_entrypoint_runs_in_an_environment_where_pip_works(container, tmp_path) -> None:
    make_wheel(tmp_path, "wildwords", "2.0")
    command = "pip install -q wildwords && python3 -c 'import numpy, wildwords; print(wildwords.VERSION)'"
    done = container.run("exec", "/bin/sh", "-c", command, PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "2.0"
    assert container.run("exec", "/bin/sh", "-c", "exit 7").returncode == 7
    assert container.run("exec", "no-such-program").returncode == 127


@pytest.fixture(scope="module")
def layer(tmp_path_factory) -> Path:
    """A layer of two packages, built as the server builds it."""
    wheels = tmp_path_factory.mktemp("wheels")
    make_wheel(wheels, "wildwords", "1.5", requires="wilddeep")
    make_wheel(wheels, "wilddeep", "0.1", script=True)
    folder = tmp_path_factory.mktemp("layer")
    subprocess.run([sys.executable, "-P", str(RUNTIME), "overlay", str(folder)], check=True)
    pip = [str(folder / ".wildsage-python/bin/python"), "-P", "-m", "pip", "install", "--no-index"]
    subprocess.run([*pip, "--find-links", str(wheels), "wildwords==1.5"], check=True, capture_output=True)
    (folder / "wildsage.json").write_text(json.dumps({"requirements": ["wildwords==1.5"]}))
    return folder


def test_what_the_layer_has_is_not_installed_again(container, layer) -> None:
    script = "import numpy, subprocess, wildwords\nprint(wildwords.__file__, flush=True)\nsubprocess.run(['wilddeep'])\n"
    container.code({"train.py": script, "requirements.txt": "# words\nwildwords==1.5\n"})
    container.configure({"sagemaker_program": "train.py"})
    done = container.run("train", WILDSAGE_LAYER=str(layer))
    assert done.returncode == 0, done.stderr
    where, version = done.stdout.split()
    assert Path(where).is_relative_to(layer)
    assert version == "0.1"
    assert "What requirements.txt asks for is installed already" in done.stderr
    assert "Installing dependencies" not in done.stderr


def test_other_requirements_than_the_layers_go_on_top_of_it(container, layer, tmp_path) -> None:
    make_wheel(tmp_path, "wildwords", "2.0")
    container.code(
        {
            "train.py": "import wilddeep, wildwords\nprint(wildwords.VERSION, wilddeep.VERSION)",
            "requirements.txt": "wildwords==2.0\n",
        }
    )
    container.configure({"sagemaker_program": "train.py"})
    done = container.run("train", WILDSAGE_LAYER=str(layer), PIP_FIND_LINKS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("2.0 0.1")
    assert (layer / ".wildsage-python/lib").is_dir()
    unchanged = container.run("exec", "python", "-c", "import wildwords; print(wildwords.VERSION)")
    assert unchanged.stdout.strip() == "2.0"


def test_compiled_programs_of_the_layers_packages_are_found(container, layer) -> None:
    native = layer / ".wildsage-python/bin/native"
    native.write_text("#!/bin/sh\necho native\n")
    native.chmod(0o755)
    assert container.run("exec", "native", WILDSAGE_LAYER=str(layer)).stdout == "native\n"


def test_pip_of_an_entrypoint_finds_the_layer(container, layer) -> None:
    done = container.run("exec", "pip", "install", "wildwords==1.5", WILDSAGE_LAYER=str(layer))
    assert done.returncode == 0, done.stderr
    assert "Requirement already satisfied: wildwords==1.5" in done.stdout


def test_packages_that_an_entrypoint_will_not_get_fail_the_job_by_name(container) -> None:
    code = container.code({"requirements.txt": "no-such-package-here==1\n"}, "input/data/code")
    file = str(code / "requirements.txt")
    assert container.run("exec", "echo", "hello", WILDSAGE_REQUIREMENTS=file).returncode == 1
    assert container.failure.startswith("InstallRequirementsError:\nExitCode 1\nErrorMessage")
    assert "no-such-package-here" in container.failure
    later = container.run("exec", "echo", "hello", WILDSAGE_REQUIREMENTS=str(code / "absent.txt"))
    assert later.stdout == "hello\n"


BACKEND = """
import zipfile
def build_wheel(folder, *_):
    with zipfile.ZipFile(f"{folder}/words-1-py3-none-any.whl", "w") as file:
        file.write("words.py")
        file.writestr("words-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: words\\nVersion: 1\\n")
        file.writestr("words-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr("words-1.dist-info/RECORD", "")
    return "words-1-py3-none-any.whl"
"""
BUILT_HERE = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"


def test_a_package_is_installed_and_run_as_a_module(container) -> None:
    package = {"setup.py": "", "pyproject.toml": BUILT_HERE, "backend.py": BACKEND}
    container.code({**package, "words.py": "import sys\nprint('module', *sys.argv[1:])\n"})
    container.configure({"sagemaker_program": "words.py", "n": "1"})
    done = container.run("train")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("module -n 1")


def test_code_that_is_no_package_after_all_is_named(container) -> None:
    backend = "def build_wheel(*_):\n    raise RuntimeError('no wheel today')\n"
    container.code({"setup.py": "", "pyproject.toml": BUILT_HERE, "backend.py": backend, "words.py": ""})
    container.configure({"sagemaker_program": "words.py"})
    assert container.run("train").returncode == 1
    assert container.failure.startswith("InstallModuleError:\nExitCode 1")
    assert "no wheel today" in container.failure
