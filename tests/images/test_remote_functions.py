"""Which SDK runs a remote function: that of its client, or one that speaks as it does."""

from pathlib import Path

import pytest

from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.registered import RegisteredImages
from wildsage.images.remote_functions import DEFAULT_IMAGE, client_sdk

ENTRYPOINT = ("/bin/bash", "/opt/ml/input/data/sagemaker_remote_function_bootstrap/job_driver.sh")
ARGUMENTS = (
    "--s3_base_uri",
    "s3://b/f",
    "--client_sagemaker_pysdk_version",
    "2.257.7",
    "--region",
    "us-west-2",
)


@pytest.fixture
def catalogue(tmp_path: Path) -> ImageCatalogue:
    return ImageCatalogue({}, RegisteredImages(tmp_path / "images"), Environments(tmp_path / "cache"))


def test_a_remote_function_says_the_version_of_its_sdk() -> None:
    assert client_sdk(ENTRYPOINT, ARGUMENTS) == "2.257.7"
    assert client_sdk(ENTRYPOINT, ("--s3_base_uri", "s3://b/f")) == "2"  # as early versions say


@pytest.mark.parametrize("entrypoint", [(), ("/bin/bash", "/opt/ml/input/data/code/run.sh")])
def test_no_other_job_is_taken_for_one(entrypoint: tuple[str, ...]) -> None:
    assert client_sdk(entrypoint, ARGUMENTS) == ""


@pytest.mark.parametrize(
    ("version", "environment", "packages"),
    [
        ("2", "sdk-2.255", {"sagemaker": "2.255.0"}),
        ("2.199.0", "sdk-2.255", {"sagemaker": "2.255.0"}),
        ("2.255.1", "sdk-2.255", {"sagemaker": "2.255.0"}),
        ("2.256.0", "sdk-2.257", {"sagemaker": "2.257.7"}),
        ("2.257.7", "sdk-2.257", {"sagemaker": "2.257.7"}),
        ("2.300.1", "sdk-2.257", {"sagemaker": "2.257.7"}),
        ("3.0.0.dev0", "sdk-3.27", {"sagemaker-core": "2.27.0"}),
        ("3.27.0", "sdk-3.27", {"sagemaker-core": "2.27.0", "sagemaker": "3.27.0"}),
        ("", "base-python", {}),
    ],
)
def test_the_environment_has_an_sdk_that_speaks_as_the_clients(
    catalogue: ImageCatalogue, version: str, environment: str, packages: dict[str, str]
) -> None:
    image = catalogue.resolve(DEFAULT_IMAGE, script=True, sdk=version)
    assert image.environment is not None
    assert image.environment.name == environment
    assert {name: image.environment.version_of(name) for name in packages} == packages


def test_the_first_line_of_the_log_names_the_sdk(catalogue: ImageCatalogue) -> None:
    image = catalogue.resolve(DEFAULT_IMAGE, script=True, sdk="2.257.1")
    assert "sagemaker 2.257.7" in image.notice
    assert "sagemaker 2" not in catalogue.resolve(DEFAULT_IMAGE, script=True).notice


def test_other_framework_images_keep_their_own_environment(catalogue: ImageCatalogue) -> None:
    image = catalogue.resolve("sagemaker-scikit-learn:1.2-1-cpu-py3", script=True, sdk="2.257.7")
    assert image.environment is not None
    assert image.environment.name == "sklearn-1.2"
