"""`wildsage jupyter`: install, list, run and remove."""

import json
import os
import subprocess
import sys

import pytest

from wildsage.cli.main import main
from wildsage.clients.service import stop_proxy


@pytest.fixture
def python(tmp_path):
    """An interpreter that says it has ipykernel."""
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho {tmp_path}/env\n")
    program.chmod(0o755)
    return str(program)


def test_install_list_and_uninstall(layout, python, tmp_path, capsys):
    data_dir = ["--data-dir", str(layout.root)]
    assert main(["jupyter", *data_dir, "install", "--sys-prefix", "--python", python, "--fast-waits"]) == 0
    place = tmp_path / "env" / "share" / "jupyter" / "kernels" / "wildsage"
    assert f"Installed {place}" in capsys.readouterr().out
    assert "--fast-waits" in json.loads((place / "kernel.json").read_text())["argv"]
    assert main(["jupyter", *data_dir, "ls"]) == 0
    assert str(place) in capsys.readouterr().out
    assert main(["jupyter", *data_dir, "uninstall"]) == 0
    assert not place.exists()
    assert main(["jupyter", *data_dir, "uninstall"]) == 1
    assert "no kernel" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("program", "text"), [("/absent/python", "does not run"), ("/bin/false", "has no package ipykernel")]
)
def test_an_interpreter_that_runs_no_notebooks_is_told(layout, capsys, program, text):
    assert main(["jupyter", "--data-dir", str(layout.root), "install", "--python", program]) == 1
    assert text in capsys.readouterr().err


def test_the_kernel_is_the_process_that_jupyter_started(layout, server):
    """No wrapper stays between: signals, and the kernel's watch over its parent, are Jupyter's own."""
    program = "import os; print(os.getpid(), os.environ['AWS_ENDPOINT_URL'], os.environ['AWS_CA_BUNDLE'])"
    command = [sys.executable, "-m", "wildsage", "jupyter", "kernel", "--data-dir", str(layout.root)]
    with subprocess.Popen(
        [*command, "--", sys.executable, "-c", program],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "AWS_ENDPOINT_URL": "https://elsewhere"},
    ) as process:  # fmt: skip
        try:
            said = process.stdout.read().split()
        finally:
            stop_proxy(layout)
    assert process.returncode == 0
    assert int(said[0]) == process.pid
    assert said[1].startswith("http://127.0.0.1:")
    assert said[2].startswith(str(layout.clients))
