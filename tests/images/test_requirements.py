"""What a job's code asks for, found in the object store."""

import asyncio
import io
import tarfile
import zipfile
from types import SimpleNamespace

import pytest

from wildsage.core.errors import AccessDeniedError, NotFoundError
from wildsage.images.requirements import NONE, RequirementsFinder

DRIVER = """#!/bin/bash
set -e
cd /opt/ml/input/data/code
{unpack}
echo "Installing requirements"
$SM_PYTHON_CMD /opt/ml/input/data/sm_drivers/scripts/install_requirements.py {file}
echo "Running Basic Script driver"
"""
DRIVERS = "/opt/ml/input/data/sm_drivers/sm_train.sh"


class Bucket:
    """A bucket of files; whatever begins with ``secret`` may not be read."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def put(self, key, content):
        path = self.folder / key.replace("/", "+")
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def _path(self, bucket, key):
        if key.startswith("secret"):
            raise AccessDeniedError("no")
        path = self.folder / key.replace("/", "+")
        return path if bucket == "bucket" and path.exists() else None

    def head(self, bucket, key):
        path = self._path(bucket, key)
        return path and SimpleNamespace(content=str(path))

    def content_files(self, records):
        return {record.content: (self.folder / record.content,) for record in records}

    async def read_bytes(self, bucket, key, limit):
        path = self._path(bucket, key)
        if path is None:
            raise NotFoundError("no such key")
        if path.stat().st_size > limit:
            raise ValueError("too large")
        return path.read_bytes()


@pytest.fixture
def bucket(tmp_path):
    return Bucket(tmp_path / "bucket")


def archive(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


def find(bucket, body, environment=None, *, isolated=False):
    finder = RequirementsFinder(bucket, environment or {}, isolated)
    return asyncio.run(finder.of_training_job({"AlgorithmSpecification": {}, **body}))


def script(program='"train.py"', uri='"s3://bucket/job/sourcedir.tar.gz"'):
    return {"HyperParameters": {"sagemaker_program": program, "sagemaker_submit_directory": uri}}


@pytest.mark.parametrize(
    "body", [script(), script("train.py", "s3://bucket/job/sourcedir.tar.gz")], ids=["v2", "tuner-of-v3"]
)
def test_submitted_code(bucket, body):
    bucket.put("job/sourcedir.tar.gz", archive({"train.py": "", "requirements.txt": "one==1.0\n"}))
    found = find(bucket, body)
    assert (found.lines, found.reason, found.entrypoint_file) == (("one==1.0",), "", "")


def test_submitted_code_named_by_a_variable(bucket):
    bucket.put("sourcedir.tar.gz", archive({"requirements.txt": "one"}))
    environment = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/sourcedir.tar.gz"}
    assert find(bucket, {}, environment).lines == ("one",)


@pytest.mark.parametrize(
    "body",
    [
        {},
        script(uri="/opt/ml/input/data/code/sourcedir.tar.gz"),
        script("run.sh"),
        script(uri="s3://bucket/absent.tar.gz"),
        script(uri="s3://other/job/sourcedir.tar.gz"),
        script(uri="s3://bucket/secret.tar.gz"),
        script(uri="s3://bucket/damaged.tar.gz"),
        script(uri="s3://"),
    ],
)
def test_what_cannot_be_found_is_left_to_the_job(bucket, body):
    bucket.put("job/sourcedir.tar.gz", archive({"requirements.txt": "one"}))
    bucket.put("secret.tar.gz", archive({"requirements.txt": "one"}))
    bucket.put("damaged.tar.gz", b"\x1f\x8bno archive")
    assert find(bucket, body) == NONE


def drivers(bucket, *, file="requirements.txt", unpack="", code="s3://bucket/job/code"):
    bucket.put("job/sm_drivers/sm_train.sh", DRIVER.format(file=file, unpack=unpack))
    channels = {"sm_drivers": "s3://bucket/job/sm_drivers/", "code": code, "train": "s3://bucket/data"}
    return {
        "AlgorithmSpecification": {"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", DRIVERS]},
        "InputDataConfig": [
            {"ChannelName": name, "DataSource": {"S3DataSource": {"S3Uri": uri}}} for name, uri in channels.items()
        ],
    }  # fmt: skip


@pytest.mark.parametrize("file", ["requirements.txt", "./requirements.txt", "deps/gpu.txt"])
def test_drivers_of_sdk_v3(bucket, file):
    bucket.put(f"job/code/{file.removeprefix('./')}", "one==1.0")
    found = find(bucket, drivers(bucket, file=file))
    assert found.lines == ("one==1.0",)
    assert found.entrypoint_file == f"/opt/ml/input/data/code/{file.removeprefix('./')}"


@pytest.mark.parametrize("code", ["s3://bucket/job/code/", "s3://bucket/job/code/source.tar.gz"])
def test_drivers_with_an_archive(bucket, code):
    bucket.put("job/code/source.tar.gz", archive({"requirements.txt": "one==1.0"}))
    assert find(bucket, drivers(bucket, unpack="tar -xzf source.tar.gz", code=code)).lines == ("one==1.0",)


def remote_function(bucket, content, settings='{"dependency_file": "requirements.txt"}', uri="s3://bucket/f"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("sagemaker_remote_function_workspace/tool.py", "x = 1\n")
        archive.writestr("sagemaker_remote_function_workspace/requirements.txt", content)
    bucket.put("f/workspace.zip", buffer.getvalue())
    return {
        "AlgorithmSpecification": {
            "ContainerEntrypoint": [
                "/bin/bash",
                "/opt/ml/input/data/sagemaker_remote_function_bootstrap/job_driver.sh",
            ],
            "ContainerArguments": ["--client_sagemaker_pysdk_version", "2.257.7", "--dependency_settings", settings],
        },
        "InputDataConfig": [
            {"ChannelName": "sm_rf_user_ws", "DataSource": {"S3DataSource": {"S3Uri": uri}}},
        ],
    }  # fmt: skip


@pytest.mark.parametrize("uri", ["s3://bucket/f", "s3://bucket/f/", "s3://bucket/f/workspace.zip"])
def test_dependencies_of_a_remote_function(bucket, uri):
    found = find(bucket, remote_function(bucket, "one==1.0\nsagemaker>=2.256.0,<3\n", uri=uri))
    assert found.lines == ("one==1.0", "sagemaker>=2.256.0,<3")
    assert found.entrypoint_file == ""


def test_dependencies_that_lie_in_the_workspace_are_left_to_pip(bucket):
    found = find(bucket, remote_function(bucket, "./sagemaker_remote_function_workspace/own.whl\n"))
    assert (found.lines, "own.whl" in found.reason) == ((), True)


@pytest.mark.parametrize(
    "settings", ["{}", "", "no json", "[]", '{"dependency_file": null}', '{"dependency_file": "env.yml"}']
)
def test_a_remote_function_without_dependencies_for_pip_has_no_layer(bucket, settings):
    assert find(bucket, remote_function(bucket, "one==1.0", settings)) == NONE


def test_an_entrypoint_without_drivers_installs_nothing(bucket):
    assert find(bucket, {"AlgorithmSpecification": {"ContainerEntrypoint": ["sh"]}}) == NONE
    body = drivers(bucket)
    bucket.put("job/sm_drivers/sm_train.sh", "echo no packages")
    assert find(bucket, body) == NONE


@pytest.mark.parametrize(
    ("text", "environment", "isolated", "reason"),
    [
        ("one", {}, True, "the job has no network"),
        ("one", {"PIP_INDEX_URL": "https://example.com"}, False, "the job's variables configure pip"),
        ("one", {"CA_REPOSITORY_ARN": "arn:aws:codeartifact"}, False, "the job's variables configure pip"),
        ("-r other.txt", {}, False, "the line '-r other.txt' is more than a name and its versions"),
    ],
)
def test_what_only_the_job_can_install(bucket, text, environment, isolated, reason):
    bucket.put("job/code/requirements.txt", text)
    found = find(bucket, drivers(bucket), environment, isolated=isolated)
    assert (found.lines, found.reason) == ((), reason)
    assert found.entrypoint_file == "/opt/ml/input/data/code/requirements.txt"


def model(key, path="", *, is_archive=False):
    return SimpleNamespace(bucket="bucket", key=key, path=path, is_archive=is_archive)


@pytest.mark.parametrize(
    ("files", "environment"),
    [
        ([model("m/model.tar.gz", is_archive=True)], {}),
        ([model("p/w", "w"), model("p/requirements.txt", "requirements.txt"),
          model("p/code/requirements.txt", "code/requirements.txt")], {}),
        ([], {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/sourcedir.tar.gz"}),
    ],
    ids=["archive", "folder", "submitted"],
)  # fmt: skip
def test_models(bucket, files, environment):
    bucket.put(
        "m/model.tar.gz", archive({"model.bin": "", "requirements.txt": "no", "code/requirements.txt": "one"})
    )
    bucket.put("p/requirements.txt", "no")
    bucket.put("p/code/requirements.txt", "one")
    bucket.put("sourcedir.tar.gz", archive({"requirements.txt": "one"}))
    assert asyncio.run(RequirementsFinder(bucket, environment).of_model(files)).lines == ("one",)
    assert asyncio.run(RequirementsFinder(bucket, {}).of_model([model("none", "none")])) == NONE
