"""The server and a supervisor are killed while containers of podman and docker run."""

import os
import signal

import pytest
from tests.engines import compiled, imported, packed
from tests.faults.platform import ROLE, until
from tests.supervisor.conftest import IMAGES

from wildsage.compute.engine import ENGINES
from wildsage.supervisor.folder import living_runs

pytestmark = pytest.mark.faults


@pytest.fixture(params=[pytest.param(engine, id=engine.name) for engine in ENGINES])
def image(request, tmp_path):
    if not request.param.probe().available:
        pytest.skip(f"{request.param.name}: {request.param.probe().reason}")
    program = compiled(IMAGES / "scratch" / "program.c", tmp_path)
    if program is None:
        pytest.skip("no C compiler here makes static programs")
    with imported(request.param.name, packed({"program": program}), 'ENTRYPOINT ["/program"]') as name:
        yield name


def started(platform, image, name, **environment):
    request = platform.job_request(name, **environment)
    request["AlgorithmSpecification"]["TrainingImage"] = image
    platform.client("sagemaker").create_training_job(**request)
    until(lambda: "word 1 train" in platform.log(name), 60)


def test_a_job_outlives_the_server(platform, image):
    started(platform, image, "job", MODE="hold")
    platform.kill()
    platform.start()
    platform.let_go("job")
    assert platform.ended("job", 60)["TrainingJobStatus"] == "Completed"
    assert platform.log("job") == ["word 0 /program", "word 1 train", "end"]
    platform.assert_nothing_left()


def test_a_job_whose_supervisor_is_killed_runs_again_and_alone(platform, image):
    started(platform, image, "job", MODE="hold")
    first = platform.run_of("job")
    for pid in platform.supervisors():
        os.kill(pid, signal.SIGKILL)
    until(lambda: platform.run_of("job").path != first.path and "launched" in platform.journal("job"), 60)
    platform.let_go("job")
    assert platform.ended("job", 60)["TrainingJobStatus"] == "Completed"
    assert platform.log("job").count("end") == 1
    platform.assert_nothing_left()


def test_an_endpoint_outlives_the_server_in_the_same_container(platform, image):
    sagemaker = platform.client("sagemaker")
    container = {"Image": image, "Environment": {"MODE": "serve"}}
    sagemaker.create_model(ModelName="own", ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {
        "VariantName": "a",
        "ModelName": "own",
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    sagemaker.create_endpoint_config(EndpointConfigName="own", ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName="own", EndpointConfigName="own")
    until(lambda: platform.endpoint_status("own") == "InService", 60)
    life = platform.invoke("own")
    platform.kill()
    platform.start()
    assert until(lambda: answered(platform), 20) == life
    assert len(living_runs(platform.layout.runs)) == 1
    sagemaker = platform.client("sagemaker")
    sagemaker.delete_endpoint(EndpointName="own")
    until(lambda: platform.endpoint_status("own") == "", 60)
    platform.assert_nothing_left()


def answered(platform):
    try:
        return platform.invoke("own")
    except platform.client("sagemaker-runtime").exceptions.ClientError:
        return None
