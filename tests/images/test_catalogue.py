import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from wildsage.images.catalogue import ImageCatalogue, ResolvedImage, UnknownImageError, brings_script
from wildsage.images.environments import Environments
from wildsage.images.frameworks import EnvironmentSpec, NoEnvironmentError
from wildsage.images.java import Java
from wildsage.images.program import Purpose
from wildsage.images.registered import RegisteredImages

BUILTIN = {
    "kmeans": "wildsage.algorithms.kmeans",
    "sagemaker-xgboost": "wildsage.algorithms.xgboost",
    "xgboost": "wildsage.algorithms.xgboost",
}
ECR = "246618743249.dkr.ecr.us-west-2.amazonaws.com"


@pytest.fixture
def registered(tmp_path: Path) -> RegisteredImages:
    return RegisteredImages(tmp_path / "images")


@pytest.fixture
def catalogue(tmp_path: Path, registered: RegisteredImages) -> ImageCatalogue:
    return ImageCatalogue(BUILTIN, registered, Environments(tmp_path / "cache"), account="123456789012")


def make_image(folder: Path, *executables: str) -> Path:
    folder.mkdir()
    for name in executables:
        (folder / name).write_text(f"#!/bin/sh\necho {name}\n")
        (folder / name).chmod(0o755)
    return folder


def run(image: ResolvedImage, purpose: Purpose, arguments: Sequence[str] = ()) -> str:
    program = image.program(purpose, arguments=arguments)
    return subprocess.check_output(program.argv, env=dict(program.environment), text=True).strip()


@pytest.mark.parametrize(
    "uri",
    [
        "174872318107.dkr.ecr.us-west-2.amazonaws.com/kmeans:1",
        "382416733822.dkr.ecr.us-east-1.amazonaws.com/kmeans:latest",
        "387111111111.dkr.ecr.cn-north-1.amazonaws.com.cn/kmeans:1",
        "kmeans",
    ],
)
def test_algorithms_are_known_in_every_registry(catalogue: ImageCatalogue, uri: str) -> None:
    image = catalogue.resolve(uri)
    assert (image.kind, image.algorithm, image.environment) == ("algorithm", BUILTIN["kmeans"], None)
    program = image.program("train")
    assert program.argv == (sys.executable, "-m", "wildsage.toolkit", "train", "wildsage.algorithms.kmeans")
    assert not program.needs_literal_opt_ml


def test_algorithm_mounts_hold_the_interpreter_and_wildsage(catalogue: ImageCatalogue) -> None:
    mounts = catalogue.resolve("kmeans").program("serve").mounts
    import wildsage

    for needed in (sys.prefix, sys.base_prefix, str(Path(wildsage.__file__).parent)):
        path = Path(needed)
        assert path.is_relative_to("/usr") or any(path.is_relative_to(target) for _, target in mounts)
    assert all(source == target for source, target in mounts)
    targets = [Path(target) for _, target in mounts]
    assert not [a for a in targets for b in targets if a != b and a.is_relative_to(b)]


@pytest.mark.parametrize(
    ("tag", "environment", "said"),
    [
        ("1.2-1-cpu-py3", "sklearn-1.2", "promises Python 3.9, scikit-learn 1.2.1; running"),
        ("1.2-1", "sklearn-1.2", "scikit-learn 1.2.1, numpy"),
        ("1.4-2-cpu-py3", "sklearn-1.4", "scikit-learn 1.4.2, numpy"),
        ("1.0-1-cpu-py3", "sklearn-1.1", "scikit-learn 1.1.3 (the nearest that runs here)"),
        ("0.23-1-cpu-py3", "sklearn-1.1", "promises Python 3.7, scikit-learn 0.23.2"),
    ],
)
def test_framework_tags_say_what_was_promised_and_what_runs(
    catalogue: ImageCatalogue, tag: str, environment: str, said: str
) -> None:
    image = catalogue.resolve(f"{ECR}/sagemaker-scikit-learn:{tag}")
    assert image.kind == "framework"
    assert image.environment is not None
    assert image.environment.name == environment
    assert said in image.notice
    program = image.program("train")
    assert program.environment["SAGEMAKER_TRAINING_MODULE"] == "sagemaker_sklearn_container.training:main"
    assert program.environment["PATH"].startswith(str(Path(program.argv[0]).parent))
    assert not program.needs_literal_opt_ml


def test_framework_never_sees_the_servers_packages(catalogue: ImageCatalogue) -> None:
    if sys.prefix == sys.base_prefix:
        pytest.skip("the server's packages lie in the base interpreter")
    mounts = catalogue.resolve("sagemaker-scikit-learn:1.2-1").program("train").mounts
    assert sys.prefix not in [target for _, target in mounts]


def test_xgboost_is_an_algorithm_until_a_script_comes(catalogue: ImageCatalogue) -> None:
    uri = f"{ECR}/sagemaker-xgboost:1.7-1"
    assert catalogue.resolve(uri).kind == "algorithm"
    assert catalogue.resolve(uri).promised == "1.7.4"
    assert catalogue.resolve(uri).notice == ""
    script = catalogue.resolve(uri, script=True)
    assert script.kind == "framework"
    assert script.environment is not None
    assert script.environment.name == "xgboost-1.7"
    assert script.program("serve").argv[-2:] == ("serve", "xgboost")
    assert catalogue.resolve("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1").kind == "algorithm"


def test_an_algorithm_runs_with_the_version_of_the_library_that_its_tag_promises(
    catalogue: ImageCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = catalogue.resolve("sagemaker-xgboost:1.5-1")
    assert image.environment is not None
    assert image.environment.name == "xgboost-1.5"
    program = image.program("train")
    assert Path(program.argv[0]).parent.parent.name == image.environment.key
    assert program.argv[-3:] == ("builtin", "train", "wildsage.algorithms.xgboost")
    assert program.environment["WILDSAGE_IMAGE_TAG"] == "1.5-1"
    assert sys.prefix not in [target for _, target in program.mounts]

    for installed, environment in (("1.5.2", None), ("3.2.0", "xgboost-1.5")):
        monkeypatch.setattr("wildsage.images.catalogue.installed_versions", lambda _, one=installed: [one])
        found = catalogue.resolve("sagemaker-xgboost:1.5-1")
        assert (found.environment and found.environment.name) == environment
        assert (found.program("serve").argv[0] == sys.executable) == (environment is None)


def test_an_algorithm_without_a_lock_for_this_python_runs_with_what_there_is(
    catalogue: ImageCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> EnvironmentSpec:
        raise NoEnvironmentError(name)

    monkeypatch.setattr("wildsage.images.catalogue.environment_spec", missing)
    image = catalogue.resolve("sagemaker-xgboost:1.5-1")
    assert image.environment is None
    assert image.program("train").argv[:3] == (sys.executable, "-m", "wildsage.toolkit")


def test_an_algorithm_with_an_entrypoint_runs_that_in_wildsages_interpreter(
    catalogue: ImageCatalogue,
) -> None:
    for uri in ("kmeans:1", "xgboost:1"):
        image = catalogue.resolve(uri, script=True)
        assert image.kind == "algorithm"
        program = image.program("train", ["/bin/bash"], ["-c", "exit 3"])
        assert (program.argv[0], program.argv[3:]) == (sys.executable, ("exec", "/bin/bash", "-c", "exit 3"))


@pytest.mark.parametrize(
    "tag", ["2.0.0-cpu-py310", "2.8.0-gpu-py312-cu129-ubuntu22.04-sagemaker", "1.10.0-gpu-py38"]
)
def test_pytorch_images_resolve(catalogue: ImageCatalogue, tag: str) -> None:
    image = catalogue.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:{tag}")
    assert image.promised == tag.partition("-")[0]
    assert image.environment is not None
    assert image.environment.name == "pytorch-2"


@pytest.mark.parametrize(
    ("name", "promised", "environment"),
    [
        (
            "huggingface-pytorch-training:2.5.1-transformers4.49.0-gpu-py311-cu124-ubuntu22.04",
            "4.49.0",
            "huggingface-4.49",
        ),
        (
            "huggingface-pytorch-inference:1.13.1-transformers4.26.0-cpu-py39-ubuntu20.04",
            "4.26.0",
            "huggingface-4.36",
        ),
        ("tensorflow-training:2.19-cpu-py312", "2.19", "tensorflow-2.19"),
        ("tensorflow-inference:2.13-gpu", "2.13", "tensorflow-2.15"),
    ],
)
def test_images_of_other_frameworks_resolve(catalogue: ImageCatalogue, name, promised, environment) -> None:
    image = catalogue.resolve(f"763104351884.dkr.ecr.us-east-1.amazonaws.com/{name}")
    assert (image.promised, image.environment.name) == (promised, environment)
    assert f" {promised}" in image.notice


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (f"{ECR}/no-such-image:1", "images that run here"),
        (f"{ECR}/kmeans:7", "the nearest tags of kmeans that run here: 1, latest"),
        (
            f"{ECR}/sagemaker-scikit-learn:9.9-1",
            "the nearest tags of sagemaker-scikit-learn that run here: 1.4-2, 1.4-2-py312.",
        ),
        (f"{ECR}/tensorflow-training:1.15.2-gpu-py3", "that run here: 2.13-cpu-py310, 2.16-cpu-py310"),
        ("123456789012.dkr.ecr.us-west-2.amazonaws.com/kmeans:1", "images that run here"),
        ("kmeans@sha256:" + "0" * 64, "wildsage images add kmeans DIR"),
        ("not an image", "is not an image URI"),
    ],
)
def test_unknown_images_are_refused_by_name(catalogue: ImageCatalogue, uri: str, said: str) -> None:
    with pytest.raises(UnknownImageError) as raised:
        catalogue.resolve(uri)
    assert uri in str(raised.value)
    assert said in str(raised.value)


def test_registered_directory_runs_under_all_its_names(
    catalogue: ImageCatalogue, registered: RegisteredImages, tmp_path: Path
) -> None:
    registered.add_directory("echo:v1", make_image(tmp_path / "echo", "train", "serve"))
    for uri in ("echo:v1", "123456789012.dkr.ecr.eu-west-1.amazonaws.com/echo:v1"):
        image = catalogue.resolve(uri)
        assert image.kind == "registered"
        assert run(image, "train") == "train"
        assert run(image, "serve") == "serve"
        assert image.program("train").needs_literal_opt_ml
    with pytest.raises(UnknownImageError, match="echo"):
        catalogue.resolve("echo")


def test_registered_image_without_the_purpose_is_refused(
    catalogue: ImageCatalogue, registered: RegisteredImages, tmp_path: Path
) -> None:
    registered.add_directory("fit", make_image(tmp_path / "fit", "train"), relocatable=True)
    image = catalogue.resolve("fit")
    assert not image.program("train").needs_literal_opt_ml
    with pytest.raises(UnknownImageError, match="no executable `serve`"):
        image.program("serve")


def test_registered_command_gets_the_purpose(
    catalogue: ImageCatalogue, registered: RegisteredImages, tmp_path: Path
) -> None:
    registered.add_command("tool", ["/bin/echo", "purpose:"])
    assert run(catalogue.resolve("tool"), "serve") == "purpose: serve"


def test_registered_images_come_first(
    catalogue: ImageCatalogue, registered: RegisteredImages, tmp_path: Path
) -> None:
    registered.add_directory("kmeans:1", make_image(tmp_path / "mine", "train"))
    assert catalogue.resolve(f"{ECR}/kmeans:1").kind == "registered"


def test_entrypoint_replaces_the_command_and_arguments_follow(catalogue: ImageCatalogue) -> None:
    image = catalogue.resolve("sagemaker-scikit-learn:1.2-1", script=True)
    program = image.program("train", ["/bin/bash"], ["-c", "exit 3"])
    assert program.argv[3:] == ("exec", "/bin/bash", "-c", "exit 3")
    assert program.needs_literal_opt_ml
    appended = catalogue.resolve("kmeans").program("train", (), ["--verbose"])
    assert appended.argv[-2:] == ("wildsage.algorithms.kmeans", "--verbose")


@pytest.mark.parametrize(
    ("hyperparameters", "environment", "entrypoint", "expected"),
    [
        ({"sagemaker_program": '"train.py"'}, {}, (), True),
        ({"sagemaker_program": "train.py"}, {}, (), True),
        ({"sagemaker_program": '""'}, {}, (), False),
        ({"k": "10"}, {"SAGEMAKER_PROGRAM": ""}, (), False),
        ({}, {"SAGEMAKER_PROGRAM": "inference.py"}, (), True),
        ({}, {}, ("/bin/bash",), True),
    ],
)
def test_tells_whether_a_script_comes(
    hyperparameters: dict[str, str], environment: dict[str, str], entrypoint: tuple[str, ...], expected: bool
) -> None:
    assert brings_script(hyperparameters, environment, entrypoint) is expected


def test_framework_mounts_its_environment(catalogue: ImageCatalogue, tmp_path: Path) -> None:
    image = catalogue.resolve("sagemaker-scikit-learn:1.2-1")
    environment = Path(image.program("train").argv[0]).parent.parent
    assert environment.is_relative_to(tmp_path / "cache")
    assert (str(environment), str(environment)) in image.program("train").mounts


def test_processing_has_programs_of_its_own(
    catalogue: ImageCatalogue, registered: RegisteredImages, tmp_path: Path
) -> None:
    registered.add_directory("both", make_image(tmp_path / "both", "train", "process"))
    registered.add_command("tool", ["/bin/echo", "said:"])
    assert run(catalogue.resolve("both"), "process") == "process"
    assert run(catalogue.resolve("tool"), "process") == "said:"
    assert run(catalogue.resolve("tool"), "process", arguments=["more"]) == "said: more"
    with pytest.raises(UnknownImageError, match="say with ContainerEntrypoint what runs in it"):
        catalogue.resolve("sagemaker-scikit-learn:1.2-1").program("process")


@pytest.mark.parametrize("tag", ["3.5-cpu-py312-v1.0", "3.5-cpu", "2.4-cpu-py37-v0.1"])
def test_spark_images_process_with_the_java_of_this_machine(
    catalogue: ImageCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str
) -> None:
    monkeypatch.setattr("wildsage.images.catalogue.find_java", lambda: Java(tmp_path, (tmp_path,)))
    image = catalogue.resolve(f"{ECR}/sagemaker-spark-processing:{tag}")
    assert image.environment is not None
    assert image.environment.name == "pyspark-3.5"
    assert image.environment.sources == ("pyspark",)
    program = image.program("process")
    assert program.argv[-2:] == ("exec", "smspark-submit")
    assert program.environment["JAVA_HOME"] == str(tmp_path)
    assert (str(tmp_path), str(tmp_path)) in program.mounts
    with pytest.raises(UnknownImageError, match="no executable `train`"):
        image.program("train")


def test_spark_without_java_says_what_to_install(
    catalogue: ImageCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wildsage.images.catalogue.find_java", lambda: None)
    with pytest.raises(UnknownImageError, match=r"Spark needs Java.*apt install openjdk-17-jre-headless"):
        catalogue.resolve(f"{ECR}/sagemaker-spark-processing:3.5-cpu")
