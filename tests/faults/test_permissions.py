"""A role without a permission: what is done as it fails, and says which action on which resource."""

import json

import pytest
from botocore.exceptions import ClientError
from tests.faults.platform import ACCOUNT

SERVICE = {"Service": "sagemaker.amazonaws.com"}
TRUST = json.dumps({"Statement": {"Effect": "Allow", "Principal": SERVICE, "Action": "sts:AssumeRole"}})
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def deny(action, resource):
    return {"Effect": "Deny", "Action": action, "Resource": resource}


def write_policy(platform, role, *statements):
    document = json.dumps({"Version": "2012-10-17", "Statement": [ALL, *statements]})
    platform.client("iam").put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document)


@pytest.fixture(scope="module")
def stocked(lasting_platform):
    lasting_platform.client("s3").put_object(Bucket="out", Key="data/a", Body=b"content")
    return lasting_platform


@pytest.fixture
def role(stocked, request):
    """A role of the test's own, which may do everything."""
    name = f"R{request.node.name.removeprefix('test_')}"[:64]
    stocked.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    write_policy(stocked, name)
    return name


def create(platform, name, role, **members):
    request = platform.job_request(name)
    request["RoleArn"] = f"arn:aws:iam::{ACCOUNT}:role/{role}"
    source = {"S3DataType": "S3Prefix", "S3Uri": "s3://out/data/"}
    request["InputDataConfig"] = [{"ChannelName": "train", "DataSource": {"S3DataSource": source}}]
    platform.client("sagemaker").create_training_job(**{**request, **members})


def not_authorized(role, action, resource):
    principal = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/SageMaker"
    return (
        f"AccessDenied: User: {principal} is not authorized to perform: {action} on resource: {resource}"
        " with an explicit deny in an identity-based policy"
    )


def test_an_input_that_the_role_may_not_read(stocked, role):
    write_policy(stocked, role, deny("s3:GetObject", "arn:aws:s3:::out/data/*"))
    create(stocked, "unreadable", role)
    job = stocked.ended("unreadable")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:")
    assert not_authorized(role, "s3:GetObject", "arn:aws:s3:::out/data/a") in job["FailureReason"]


def test_an_output_that_the_role_may_not_write(stocked, role):
    write_policy(stocked, role, deny("s3:Put*", "arn:aws:s3:::out/*"))
    create(stocked, "unwritable", role)
    job = stocked.ended("unwritable")
    key = "unwritable/output/model.tar.gz"
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == (
        f"ClientError: Artifact upload failed:{not_authorized(role, 's3:PutObject', f'arn:aws:s3:::out/{key}')}."
        f" Next step: remove the Deny of s3:PutObject on arn:aws:s3:::out/{key} from the policies of role {role}."
    )
    assert "Contents" not in stocked.client("s3").list_objects_v2(Bucket="out", Prefix="unwritable")


def test_an_input_that_the_role_may_not_list_is_refused_at_create(stocked, role):
    prefixed = {"Condition": {"StringLike": {"s3:prefix": "data/*"}}}
    write_policy(stocked, role, {**deny("s3:ListBucket", "arn:aws:s3:::out"), **prefixed})
    with pytest.raises(ClientError, match=f'No S3 objects found under S3 URL.*{role}" has "s3:ListBucket"'):
        create(stocked, "unlisted", role)
    write_policy(stocked, role)
    create(stocked, "unlisted", role)
    assert stocked.ended("unlisted")["TrainingJobStatus"] == "Completed"


def test_a_role_that_may_not_be_passed_on(stocked, role):
    passing = deny("iam:PassRole", "*")
    owner = "AmazonSageMaker-ExecutionRole"
    write_policy(stocked, owner, passing)
    try:
        with pytest.raises(
            ClientError, match=f"perform: iam:PassRole on resource: .*:role/{role} "
        ) as caught:
            create(stocked, "unpassed", role)
    finally:
        stocked.client("iam").delete_role_policy(RoleName=owner, PolicyName="p")
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    create(stocked, "unpassed", role)


def test_a_change_of_a_policy_holds_from_its_answer_on(stocked):
    s3 = stocked.client("s3")
    for _ in range(20):
        write_policy(
            stocked, "AmazonSageMaker-ExecutionRole", deny("s3:GetObject", "arn:aws:s3:::out/data/*")
        )
        with pytest.raises(ClientError, match="AccessDenied"):
            s3.get_object(Bucket="out", Key="data/a")
        stocked.client("iam").delete_role_policy(RoleName="AmazonSageMaker-ExecutionRole", PolicyName="p")
        assert s3.get_object(Bucket="out", Key="data/a")["Body"].read() == b"content"
