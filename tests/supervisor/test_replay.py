"""A run on the user's terminal: its container once more, or a shell in its place, on every backend."""

import os
import subprocess
import sys

import pytest

from wildsage.compute.select import BACKENDS
from wildsage.supervisor.contract import Channel

SHELL = """
import sys
from pathlib import Path
from wildsage.supervisor.folder import RunFolder
from wildsage.supervisor.replay import rerun, shell
from wildsage.supervisor.terminal import Terminal
folder = RunFolder(Path(sys.argv[2]))
sys.exit(rerun(folder, None) if sys.argv[1] == "rerun" else shell(folder, None, Terminal()))
"""


@pytest.fixture(params=[backend.name for backend in BACKENDS])
def sandbox(request):
    backend = next(one for one in BACKENDS if one.name == request.param)
    probe = backend.probe()
    if not probe.available:
        pytest.skip(probe.reason)
    return backend


def carry(run, what, keys="", **changes):
    """In a process of its own, as the command line does: the container dies with the main thread."""
    run.folder.write_job(run.job("noop", needs_opt_ml=False, **changes), "the-token")
    return subprocess.run(
        [sys.executable, "-c", SHELL, what, str(run.folder.path)],
        input=keys, capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "TERM": "dumb"},
    )  # fmt: skip


def test_a_shell_sees_what_the_job_saw_on_a_terminal_of_its_own(run, sandbox):
    keys = (
        'test -t 0 && echo "a-terminal"; ls "$SAGEMAKER_BASE_DIR/input"; echo "mine=$MINE"\n'
        'echo left > "$SAGEMAKER_BASE_DIR/model/w"; sleep 0.01 & jobs; exit 5\n'
    )
    done = carry(run, "shell", keys, sandbox=sandbox.name, environment={"MINE": "yes"})
    assert done.returncode == 5, done.stderr
    shown = done.stdout.replace("\r", "").splitlines()
    assert "a-terminal" in shown
    assert any("config" in line and "data" in line for line in shown)
    assert "mine=yes" in shown
    assert "job control" not in done.stdout  # a shell without a controlling terminal says that it has none
    assert (run.folder.ml / "model/w").read_text() == "left\n"


def test_the_end_of_the_keys_ends_the_shell(run, sandbox):
    done = carry(run, "shell", "echo once\n", sandbox=sandbox.name)
    assert "once" in done.stdout
    assert done.returncode == 0


def test_a_rerun_has_its_log_on_the_terminal_and_the_containers_exit_code(run, sandbox):
    script = run.folder.path.parent / "image"
    script.mkdir()
    (script / "train").write_text('#!/bin/sh\necho out; echo error >&2; ls "$SAGEMAKER_BASE_DIR"; exit 7\n')
    (script / "train").chmod(0o755)
    program = run.job("noop").program
    mount = type(program.mounts[0])(str(script), "/opt/program")
    changed = type(program)(program.argv, {}, (mount,))
    done = carry(run, "rerun", sandbox=sandbox.name, program=changed)
    assert done.returncode == 7, done.stderr
    assert done.stdout.splitlines()[0] == "out"
    assert "error" in done.stderr
    assert not run.log.exists()
    assert run.folder.exit_record() is None


def test_a_rerun_streams_its_channels_again(run, store, sandbox):
    run.endpoint_url = store.url
    channel = Channel("train", (store.put("b", "k", b"streamed\n"),), "Pipe")
    script = 'cat "$SAGEMAKER_BASE_DIR/input/data/train_0" "$SAGEMAKER_BASE_DIR/input/data/train_1"'
    program = type(run.job("noop").program)(("/bin/sh", "-c", script), {})
    done = carry(run, "rerun", sandbox=sandbox.name, program=program, channels=(channel,))
    assert (done.returncode, done.stdout) == (0, "streamed\n" * 2), done.stderr


def test_the_limit_of_its_runtime_holds_for_a_rerun(run, sandbox):
    program = run.job("noop").program
    changed = type(program)(("/bin/sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"), {})
    done = carry(run, "rerun", sandbox=sandbox.name, program=changed, max_runtime_seconds=0.3)
    assert done.returncode == 137
