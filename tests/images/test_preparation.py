"""What a log says while an image is made ready."""

import asyncio

import pytest

from wildsage.images.catalogue import ResolvedImage
from wildsage.images.environments import EnvironmentBuildError, Environments
from wildsage.images.frameworks import EnvironmentSpec
from wildsage.images.preparation import ImagePreparation
from wildsage.images.requirements import NONE, Requirements
from wildsage.store.logs import LogStreams

SPEC = EnvironmentSpec("tiny", ("one==1.0",))
IMAGE = ResolvedImage("framework", "sklearn:1", "1", environment=SPEC, notice="promises and runs")


@pytest.fixture
def prepare(tmp_path, telemetry, clock):
    """Prepare with a shell script as the installer; return what the log says then, and what was called."""
    (tmp_path / "logs").mkdir()
    logs = LogStreams(telemetry, tmp_path / "logs")

    async def run(image, script, called, requirements):
        def install(_spec, path):
            return [["/bin/sh", "-c", script, "sh", str(path)]]

        async def before():
            called.append("before")

        stream = await logs.attach("123456789012", "us-west-2", "/group", "stream", 1.0)
        environments = Environments(
            tmp_path / "cache", install, layer_installer=lambda _layer, _python, path: install(None, path)
        )
        preparation = ImagePreparation(environments, logs, clock)
        try:
            await preparation.prepare(image, stream, before, requirements)
            act.outfitted = preparation.outfitted(image, requirements)
        finally:
            called += [frame.message for frame in logs.read_forward(stream, 0, 10_000)]

    def act(image=IMAGE, script='mkdir "$1"', called=None, requirements=NONE):
        called = [] if called is None else called
        asyncio.run(run(image, script, called, requirements))
        return called

    return act


def test_all_lines_are_there_in_order_when_it_returns(prepare):
    lines = prepare(script='mkdir "$1"; seq 200')
    assert lines[:2] == ["before", "promises and runs"]
    assert [line for line in lines if line.isdecimal()] == [str(number) for number in range(1, 201)]
    assert lines[-1] == "The environment tiny is ready."


def test_what_is_ready_is_said_once_and_not_built(prepare):
    prepare()
    again = prepare(script="exit 1")
    assert "before" not in again
    assert again.count("promises and runs") == 1


def test_a_failed_build_is_in_the_log(prepare):
    called = []
    with pytest.raises(EnvironmentBuildError, match="no such wheel"):
        prepare(script="echo no such wheel; exit 3", called=called)
    assert called[-1] == "no such wheel"


def test_an_image_without_environment_says_what_it_has_to_say(prepare):
    assert prepare(ResolvedImage("registered", "own:latest", "latest")) == []


def test_requirements_become_a_layer_once(prepare):
    wanted = Requirements(("one==1.0",), entrypoint_file="/opt/ml/input/data/code/requirements.txt")
    lines = prepare(requirements=wanted)
    assert lines[-1] == "The layer tiny+requirements is ready."
    variables = prepare.outfitted.program("train", ["sh"]).environment
    folder = variables["WILDSAGE_LAYER"]
    assert (folder, folder) in prepare.outfitted.program("train", ["sh"]).mounts
    assert "WILDSAGE_REQUIREMENTS" not in variables
    assert "before" not in prepare(script="exit 1", requirements=wanted)


def test_requirements_without_wheels_are_no_failure(prepare):
    prepare()
    wanted = Requirements(("one==1.0",), entrypoint_file="/opt/ml/input/data/code/requirements.txt")
    failing = "echo 'ERROR: No matching distribution found for one==1.0'; exit 1"
    lines = prepare(script=failing, requirements=wanted)
    assert lines[-1] == (
        "These requirements cannot be kept for later jobs (no wheel of one==1.0 was found): "
        "pip installs them in this job."
    )
    variables = prepare.outfitted.program("train", ["sh"]).environment
    assert "WILDSAGE_LAYER" not in variables
    assert variables["WILDSAGE_REQUIREMENTS"] == "/opt/ml/input/data/code/requirements.txt"


def test_why_there_is_no_layer_is_said(prepare):
    lines = prepare(requirements=Requirements(reason="the job has no network"))
    assert "pip installs the requirements in this job, anew each time: the job has no network." in lines
    assert prepare.outfitted == IMAGE


def test_an_image_without_environment_has_no_layer(prepare):
    image = ResolvedImage("registered", "own:latest", "latest")
    assert prepare(image, requirements=Requirements(("one==1.0",))) == []
    assert prepare.outfitted == image
