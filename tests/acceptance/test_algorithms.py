"""Every built-in algorithm through the clients: trained, deployed, and asked in every format it reads."""

import json
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.acceptance.live import REGION, ROLE, Live, until
from tests.acceptance.test_scripts import ReportWall, run_script

from wildsage.algorithms.registry import MODULES, REPOSITORIES, load_spec
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.formats.recordio_protobuf import write_dense
from wildsage.toolkit.conformance import read_numbers, sample_rows, to_csv
from wildsage.toolkit.spec import AlgorithmSpec

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[2]
BUCKET = "every-algorithm"
ROWS = sample_rows()
ASKED = ROWS[::9, 1:]


def numbers_of(answer: Any) -> list[float]:
    """All numbers of an answer, however deep; by name where they have names, whose order is anybody's."""
    if isinstance(answer, dict):
        return [number for name in sorted(answer) for number in numbers_of(answer[name])]
    if isinstance(answer, list):
        return [number for value in answer for number in numbers_of(value)]
    return [float(answer)]


def bodies() -> dict[str, bytes]:
    instances = [{"features": row} for row in ASKED.tolist()]
    return {
        CSV: to_csv(ASKED),
        JSON: json.dumps({"instances": instances}).encode(),
        JSON_LINES: "\n".join(map(json.dumps, instances)).encode(),
        RECORDIO_PROTOBUF: write_dense(ASKED),
    }


def trained(server: Live, spec: AlgorithmSpec, image: str, name: str) -> str:
    """Train on the algorithm's own sample; return where the model is."""
    s3, sagemaker = server.client("s3"), server.client("sagemaker")
    channels = []
    for channel in spec.channels:
        if RECORDIO_PROTOBUF not in channel.content_types:
            continue
        labelled = spec.sample.label_column or channel.label_sizes == (1,)
        body = write_dense(ROWS[:, 1:], ROWS[:, :1] if labelled else None)
        s3.put_object(Bucket=BUCKET, Key=f"{name}/{channel.name}/part-0", Body=body)
        source = {
            "S3DataType": "S3Prefix",
            "S3Uri": f"s3://{BUCKET}/{name}/{channel.name}/",
            "S3DataDistributionType": channel.distribution or "FullyReplicated",
        }
        channels.append(
            {
                "ChannelName": channel.name,
                "ContentType": RECORDIO_PROTOBUF,
                "DataSource": {"S3DataSource": source},
            }
        )
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": image, "TrainingInputMode": "File"},
        RoleArn=ROLE,
        HyperParameters=dict(spec.sample.hyperparameters),
        InputDataConfig=channels,
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/output"},
        ResourceConfig={"InstanceCount": 1, "InstanceType": "ml.m5.xlarge", "VolumeSizeInGB": 5},
        StoppingCondition={"MaxRuntimeInSeconds": 600},
    )
    waiter = sagemaker.get_waiter("training_job_completed_or_stopped")
    waiter.wait(TrainingJobName=name, WaiterConfig={"Delay": 1})
    job = sagemaker.describe_training_job(TrainingJobName=name)
    assert job["FinalMetricDataList"], "no metric was found in the log"
    return job["ModelArtifacts"]["S3ModelArtifacts"]


def deployed(server: Live, image: str, model: str, name: str) -> None:
    sagemaker = server.client("sagemaker")
    sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer={"Image": image, "ModelDataUrl": model}
    )
    variant = {
        "VariantName": "AllTraffic",
        "ModelName": name,
        "InitialInstanceCount": 1,
        "InstanceType": "ml.m5.xlarge",
    }
    sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def is_up() -> bool:
        return sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "Creating"

    until(is_up, "the endpoint")
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"


@pytest.mark.usefixtures("xgboost_image")
@pytest.mark.parametrize("algorithm", MODULES)
def test_boto3(server: Live, algorithm: str):
    spec = load_spec(algorithm)
    repository = next(name for name, owner in REPOSITORIES.items() if owner == algorithm)
    tag = "1.7-1" if algorithm == "xgboost" else "latest"
    image = f"174872318107.dkr.ecr.{REGION}.amazonaws.com/{repository}:{tag}"
    name = f"every-{algorithm.replace('_', '-')}-{int(time.time())}"
    s3 = server.client("s3")
    if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    deployed(server, image, trained(server, spec, image, name), name)
    runtime, wanted = server.client("sagemaker-runtime"), None
    for (content_type, body), accept in product(bodies().items(), spec.response_types):
        if content_type in spec.request_types:
            answer = runtime.invoke_endpoint(
                EndpointName=name, ContentType=content_type, Accept=accept, Body=body
            )
            assert answer["ContentType"].startswith(accept)
            numbers = read_numbers(answer["Body"].read(), accept)
            wanted = wanted or numbers
            np.testing.assert_allclose(numbers, wanted, rtol=1e-5, atol=1e-6)
    server.client("sagemaker").delete_endpoint(EndpointName=name)


@pytest.mark.usefixtures("xgboost_image")
@pytest.mark.parametrize("algorithm", MODULES)
def test_the_example_runs(server: Live, algorithm: str, tmp_path: Path):
    script = ROOT / "examples" / "algorithms" / f"{MODULES[algorithm].rpartition('.')[2]}.py"
    tag = ["1.7-1"] if algorithm == "xgboost" else []
    server.run(sys.executable, str(script), *tag, cwd=tmp_path, options=["--fast-waits"])


def same_in_all_formats(answers: dict[str, Any]) -> np.ndarray:
    """Return the answer of an algorithm, (rows, numbers); every format gives it."""
    matrices = [np.array(numbers_of(answer)).reshape(30, -1) for answer in answers.values()]
    for matrix in matrices[1:]:
        np.testing.assert_allclose(matrix, matrices[0], rtol=1e-5, atol=1e-6)
    return matrices[0]


def check(answers: dict[str, Any], asked: np.ndarray) -> None:
    """What the algorithms say of three groups of rows, the third of which is the positive class."""
    group = np.rint(asked.mean(axis=1) / 5).clip(0, 2)
    assert len(np.unique(group)) == 3
    found = {name: same_in_all_formats(one) for name, one in answers.items()}
    for first, second in product(range(30), repeat=2):
        alike = found["kmeans"][first, 0] == found["kmeans"][second, 0]
        assert alike == (group[first] == group[second])
    positive = (group == 2).astype(float)
    assert np.array_equal(found["xgboost"][:, 0] > 0.5, positive == 1)
    assert np.array_equal(found["knn"][:, 0], positive)
    for name in ("linear-learner", "factorization-machines"):
        if name in found:
            assert np.array_equal(found[name][:, 0], positive), name
    assert abs(np.corrcoef(found["pca"][:, 1], asked.sum(axis=1))[0, 1]) > 0.99
    assert (found["randomcutforest"] > 0).all()


@pytest.mark.usefixtures("xgboost_image")
def test_sdk_v2(server: Live, sdk2: str, tmp_path: Path, report_wall: ReportWall):
    script, options = "v2_algorithms.py", ["--fast-waits"]
    results = json.loads(run_script(server, sdk2, script, tmp_path, report_wall, options=options).read_text())
    check(results["answers"], np.array(results["asked"]))
    assert len(results["answers"]) == 7
    assert set(results["images"]) == {
        image for image in results["images"] if image.endswith((":1", ":latest"))
    }


@pytest.mark.usefixtures("xgboost_image")
def test_sdk_v3(server: Live, sdk3: str, tmp_path: Path, report_wall: ReportWall):
    script, options = "v3_algorithms.py", ["--fast-waits"]
    results = json.loads(run_script(server, sdk3, script, tmp_path, report_wall, options=options).read_text())
    check(
        {
            name: {kind: parsed(text) for kind, text in one.items()}
            for name, one in results["answers"].items()
        },
        np.array(results["asked"]),
    )
    assert len(results["answers"]) == 7


def parsed(text: str) -> Any:
    """Read an answer of JSON, of lines of JSON, or of lines of numbers."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(f"[{line}]" if line[0] != "{" else line) for line in text.splitlines() if line]
