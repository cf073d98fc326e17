"""A job that lasts, and what is left of a server."""

import time
from pathlib import Path

from wildsage.images.registered import RegisteredImages
from wildsage.store.layout import Layout


def start_endless_job(server, name="endless"):
    """Start a training job that never ends by itself, and wait until it runs."""
    account = server.account
    RegisteredImages(Layout(server.data_dir).images).add_command("endless", ["sh", "-c", "exec sleep 3600"])
    sagemaker = account.session().client("sagemaker")
    sagemaker.create_training_job(
        TrainingJobName=name,
        AlgorithmSpecification={"TrainingImage": "endless", "TrainingInputMode": "File"},
        RoleArn=account.role,
        OutputDataConfig={"S3OutputPath": f"s3://{account.bucket()}/out"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
    )
    until(lambda: sagemaker.describe_training_job(TrainingJobName=name)["SecondaryStatus"] == "Training")


def left_of(data_dir: Path) -> list[str]:
    """Return the folder and the command lines that are left of a server."""
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
            except OSError:
                continue
    return [line for line in lines if str(data_dir) in line] + [str(data_dir)] * data_dir.exists()


def until(question, seconds=20):
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "that did not come in time"
        time.sleep(0.02)
