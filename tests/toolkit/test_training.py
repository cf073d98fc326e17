"""The entry point as a process: exit codes, failure file, signals."""

import os
import signal
import subprocess
import sys
import time

import pytest

from wildsage.toolkit.local import Files, LocalContainer

ALGORITHM = """
import time
import numpy as np
from wildsage.toolkit.errors import AlgorithmError, PlatformError, UserError
from wildsage.toolkit.hyperparameters import Categorical
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Sample

SPEC = AlgorithmSpec(
    name="toy", module="toy", title="Toy", images=(), log_name="AWS/Toy", metrics=(), request_types=("text/csv",),
    response_types=("text/csv",), sample=Sample({}), train="toy:train", serve="toy:load",
    requires=__REQUIRES__,
    channels=(Channel(name="train", content_types=("text/csv",)),),
    hyperparameters=(Categorical(name="end", default="ok", choices=("ok", "user", "algorithm", "platform", "crash", "memory", "address", "dimension", "wait")),),
)

def train(run):
    end = run.hyperparameters["end"]
    print("training", flush=True)
    if end == "user":
        raise UserError("the data is wrong") from ValueError("3 is not 4")
    if end == "algorithm":
        raise AlgorithmError("diverged")
    if end == "platform":
        raise PlatformError("no disk")
    if end == "crash":
        raise ZeroDivisionError("division " + "x" * 2000)
    if end in ("address", "dimension"):
        np.empty((1 << 31, 1 << 31) if end == "address" else 1 << 63)
    if end == "memory":
        raise MemoryError("Unable to allocate 1 PiB")
    if end == "wait":
        for _ in range(600):  # a signal between a look of Python's and the call to sleep waits for its end
            time.sleep(0.1)

def load(folder):
    raise UserError(f"no model in {folder.name}")
"""


@pytest.fixture
def container(tmp_path):
    def make(requires="{}"):
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "toy.py").write_text(ALGORITHM.replace("__REQUIRES__", requires))
        return LocalContainer("toy", tmp_path / "ml")

    return make


def train(container, tmp_path, channels=None, **hyperparameters):
    container.prepare(hyperparameters, channels or {})
    return container.train(PYTHONPATH=str(tmp_path / "code"))


@pytest.mark.parametrize(
    ("end", "code", "failure"),
    [
        ("ok", 0, ""),
        ("user", 2, "the data is wrong (caused by ValueError)\n\nCaused by: 3 is not 4"),
        ("algorithm", 1, "diverged"),
        ("platform", 3, "no disk"),
        ("crash", 1, "Internal error: division xxx"),
        ("memory", 2, "Out of Memory. Please use a larger instance type"),
        ("address", 2, "Out of Memory. Please use a larger instance type"),
        ("dimension", 2, "Out of Memory. Please use a larger instance type"),
        ("nowhere", 2, "Failed to validate hyperparameters. The value 'nowhere' is not valid for the 'end'"),
    ],
)
def test_each_kind_of_end_has_its_exit_code_and_reason(container, tmp_path, end, code, failure):
    toy = container()
    done = train(toy, tmp_path, end=end)
    assert done.returncode == code, done.stdout
    assert toy.failure.startswith(failure)
    assert bool(toy.failure) == bool(code)
    assert len(toy.failure) <= 1024
    assert (toy.failure[:20] in done.stdout) or not code


def test_an_unknown_channel_is_a_user_error(container, tmp_path):
    toy = container()
    done = train(toy, tmp_path, {"training": Files(None, {"a": b"1"})})
    assert done.returncode == 2
    assert "Additional channels are not allowed ('training' unexpected)" in toy.failure


def test_a_missing_library_is_named_with_the_command_that_installs_it(container, tmp_path):
    toy = container('{"no_such_library": "pip install it"}')
    done = train(toy, tmp_path)
    assert done.returncode == 1
    assert "Toy needs the Python package 'no_such_library'. Install it: pip install it" in toy.failure


def test_sigterm_ends_the_training(container, tmp_path):
    toy = container()
    toy.prepare({"end": "wait"}, {})
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "wildsage.toolkit", "train", "toy"],
        env={
            "PATH": os.environ["PATH"],
            "SAGEMAKER_BASE_DIR": str(tmp_path / "ml"),
            "PYTHONPATH": str(tmp_path / "code"),
        },
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if line == "training\n":
            break
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    rest = process.stdout.read()
    assert process.wait(30) == 143
    assert time.monotonic() - began < 10
    assert "Stopped by the platform" in rest
    assert toy.failure == ""
    process.stdout.close()


def test_a_model_that_cannot_be_loaded_ends_the_server_with_its_reason(container, tmp_path):
    toy = container()
    with (
        pytest.raises(RuntimeError, match=r"exit code 2.*no model in model"),
        toy.serve(PYTHONPATH=str(tmp_path / "code")),
    ):
        pass


def test_wrong_arguments_show_the_usage():
    done = subprocess.run(
        [sys.executable, "-m", "wildsage.toolkit", "dance"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "train|serve|kernels MODULE" in done.stderr
