"""Every answer about a resource goes through SDK v3's own classes, which refuse what AWS would not send.

Each resource is made twice: with nothing optional, and with much of it.
"""

import json
import sys
import time
from pathlib import Path

import boto3
from sagemaker.core.helper.iam_role_resolver import IamRoleResolver, resolve_and_validate_role
from sagemaker.core.helper.session_helper import Session, get_execution_role
from sagemaker.core.resources import Endpoint, EndpointConfig, Model, Tag, TrainingJob
from sagemaker.core.shapes import (
    AlgorithmSpecification,
    Channel,
    ContainerDefinition,
    DataSource,
    MetricDefinition,
    OutputDataConfig,
    ProductionVariant,
    ResourceConfig,
    S3DataSource,
    StoppingCondition,
)
from sagemaker.core.shapes import (
    Tag as ModelTag,
)  # the classes that come before `Tag` in its module take this one

region = "us-west-2"
session = Session(boto3.Session(region_name=region))
bucket = session.default_bucket()

# Who am I, and may that role train.
role = get_execution_role(session)
assert role.startswith("arn:aws:iam::123456789012:role/"), role
for role_type in ("training", "serving"):
    assert resolve_and_validate_role(None, role_type, session) == role
    assert resolve_and_validate_role(role.rsplit("/", 1)[1], role_type, session) == role

session.upload_string_as_file_body("1,2\n", bucket, "v3/train/data.csv", kms_key=None)
least = {
    "role_arn": role,
    "output_data_config": OutputDataConfig(s3_output_path=f"s3://{bucket}/v3"),
    "resource_config": ResourceConfig(instance_type="ml.m5.large", instance_count=1, volume_size_in_gb=1),
    "stopping_condition": StoppingCondition(max_runtime_in_seconds=100),
    "region": region,
}
steps = AlgorithmSpecification(training_image="steps:1", training_input_mode="File")
more = AlgorithmSpecification(
    training_image="steps:1",
    training_input_mode="File",
    metric_definitions=[MetricDefinition(name="loss", regex="loss=(.*?);")],
)
train = Channel(
    channel_name="train",
    content_type="text/csv",
    data_source=DataSource(
        s3_data_source=S3DataSource(
            s3_data_type="S3Prefix",
            s3_uri=f"s3://{bucket}/v3/train/",
            s3_data_distribution_type="FullyReplicated",
        )
    ),
)

# Training jobs: `create` reads the new resource back at once.
bare = TrainingJob.create(training_job_name="v3-resources-bare", algorithm_specification=steps, **least)
full = TrainingJob.create(
    training_job_name="v3-resources-full",
    algorithm_specification=more,
    hyper_parameters={"a": "1"},
    input_data_config=[train],
    environment={"STEPS": "3"},
    tags=[Tag(key="team", value="blue")],
    enable_network_isolation=False,
    **least,
)
endless = TrainingJob.create(
    training_job_name="v3-resources-endless",
    algorithm_specification=steps,
    environment={"HOLD": "1"},
    **least,
)
failing = TrainingJob.create(
    training_job_name="v3-resources-failing",
    algorithm_specification=steps,
    environment={"STEPS": "none"},
    **least,
)
bare.wait(poll=1)
full.wait(poll=1)
assert full.final_metric_data_list[0].metric_name == "loss"
assert full.final_metric_data_list[0].value == 2.25
assert full.model_artifacts.s3_model_artifacts.endswith("/v3-resources-full/output/model.tar.gz")
try:
    failing.wait(poll=1)
except Exception as error:
    failure = str(error)
while endless.refresh().secondary_status != "Training":
    time.sleep(0.1)
endless.stop()
while endless.refresh().training_job_status != "Stopped":
    time.sleep(0.1)
for name in ("v3-resources-bare", "v3-resources-full", "v3-resources-endless", "v3-resources-failing"):
    job = TrainingJob.get(training_job_name=name, region=region)
    assert job.training_job_status in ("Completed", "Stopped", "Failed"), job.training_job_status
listed = [
    job.get_name()
    for job in TrainingJob.get_all(name_contains="v3-resources-", sort_by="Name", region=region)
]
assert listed == ["v3-resources-bare", "v3-resources-endless", "v3-resources-failing", "v3-resources-full"], (
    listed
)
assert [(tag.key, tag.value) for tag in Tag.get_all(resource_arn=full.training_job_arn)] == [("team", "blue")]

# Models.
Model.create(
    model_name="v3-resources-bare",
    primary_container=ContainerDefinition(image="steps:1"),
    execution_role_arn=role,
    region=region,
)
model = Model.create(
    model_name="v3-resources-full",
    primary_container=ContainerDefinition(
        image="steps:1", model_data_url=full.model_artifacts.s3_model_artifacts, environment={"A": "b"}
    ),
    execution_role_arn=role,
    tags=[ModelTag(key="team", value="blue")],
    region=region,
)
Model.create(
    model_name="v3-resources-chain",
    containers=[ContainerDefinition(image="steps:1"), ContainerDefinition(image="steps:1")],
    execution_role_arn=role,
    region=region,
)
assert Model.get(model_name="v3-resources-bare", region=region).primary_container.image == "steps:1"
assert len(Model.get(model_name="v3-resources-chain", region=region).containers) == 2
assert {each.get_name() for each in Model.get_all(name_contains="v3-resources-", region=region)} == {
    "v3-resources-bare", "v3-resources-full", "v3-resources-chain",
}  # fmt: skip

# Endpoints.
for name in ("v3-resources-bare", "v3-resources-full"):
    EndpointConfig.create(
        endpoint_config_name=name,
        production_variants=[
            ProductionVariant(
                variant_name="AllTraffic",
                model_name=name,
                instance_type="ml.m5.large",
                initial_instance_count=1,
            )
        ],
        region=region,
    )
config = EndpointConfig.get(endpoint_config_name="v3-resources-full", region=region)
assert config.production_variants[0].initial_instance_count == 1
endpoint = Endpoint.create(endpoint_name="v3", endpoint_config_name="v3-resources-bare", region=region)
assert endpoint.endpoint_status == "Creating", endpoint.endpoint_status
endpoint.wait_for_status("InService", poll=1)
assert len(endpoint.invoke(body=b"who", content_type="text/csv").body.read()) == 16
endpoint.endpoint_config_name = "v3-resources-full"
endpoint.update()
endpoint.wait_for_status("InService", poll=1)
assert endpoint.refresh().endpoint_config_name == "v3-resources-full"
assert [each.get_name() for each in Endpoint.get_all(region=region)] == ["v3"]
assert "v3-resources-full" in [
    each.get_name() for each in EndpointConfig.get_all(name_contains="v3-resources-", region=region)
]
endpoint.delete()
endpoint.wait_for_delete(poll=1)
config.delete()
model.delete()

# What does not exist says so in the words that the waiters look for.
try:
    Endpoint.get(endpoint_name="v3", region=region)
except Exception as error:
    gone = str(error)

# The roles that the resolver makes: narrow ones, and simulated for real.
made = IamRoleResolver(session).create_execution_role("training")
assert resolve_and_validate_role(made, "training", session) == made
IamRoleResolver(session).delete_execution_role("training")
Path(sys.argv[1]).write_text(json.dumps({"failure": failure, "gone": gone, "role": role, "made": made}))
