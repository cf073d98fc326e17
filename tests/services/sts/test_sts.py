"""STS as boto3 sees it."""

import asyncio
import json
import time

import pytest
from botocore.exceptions import ClientError
from tests.refusals import refusal
from tests.services.identity import ACCOUNT, DEFAULT_ROLE_ARN, identity

from wildsage.core.credentials import AccessKey

ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with identity(tmp_path_factory.mktemp("sts")) as server:
        yield server


def make_role(server, name, principal, **condition) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": principal,
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]


def session_key(credentials) -> AccessKey:
    return AccessKey(
        credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"], ACCOUNT, ""
    )


@pytest.mark.parametrize("region", ["us-west-2", "eu-central-1"])
def test_the_caller_is_a_session_of_the_default_role(server, region):
    found = server.client("sts", region=region).get_caller_identity()
    assert found["Account"] == ACCOUNT
    assert found["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/AmazonSageMaker-ExecutionRole/wildsage"
    role = server.client("iam").get_role(RoleName="AmazonSageMaker-ExecutionRole")["Role"]
    assert role["Arn"] == DEFAULT_ROLE_ARN
    assert found["UserId"] == f"{role['RoleId']}:wildsage"


def test_assumed_credentials_work_and_name_the_session(server):
    arn = make_role(server, "Assumable", ROOT)
    answer = server.client("sts").assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=900)
    left = answer["Credentials"]["Expiration"].timestamp() - time.time()
    assert 880 < left <= 900
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Assumable/me"
    assert answer["AssumedRoleUser"]["Arn"] == session
    key = session_key(answer["Credentials"])
    assert server.client("sts", key).get_caller_identity()["Arn"] == session
    assert server.client("sts").get_access_key_info(AccessKeyId=key.access_key_id)["Account"] == ACCOUNT


def test_a_role_must_trust_its_caller(server):
    assume = server.client("sts").assume_role
    service_only = make_role(server, "ServiceOnly", {"Service": "sagemaker.amazonaws.com"})
    by_role = make_role(server, "ByRole", {"AWS": DEFAULT_ROLE_ARN})
    external = make_role(server, "External", ROOT, StringEquals={"sts:ExternalId": "42"})
    denied = ("AccessDenied", 403)
    assert refusal(assume, RoleArn=service_only, RoleSessionName="me") == denied
    assert refusal(assume, RoleArn=external, RoleSessionName="me") == denied
    assert refusal(assume, RoleArn=external, RoleSessionName="me", ExternalId="43") == denied
    assert refusal(assume, RoleArn=f"arn:aws:iam::{ACCOUNT}:role/Absent", RoleSessionName="me") == denied
    assert refusal(assume, RoleArn="arn:aws:iam::999999999999:role/ByRole", RoleSessionName="me") == denied
    assume(RoleArn=by_role, RoleSessionName="me")
    assume(RoleArn=external, RoleSessionName="me", ExternalId="42")


def test_an_explicit_deny_of_the_caller_wins_over_the_trust(server):
    first, second = make_role(server, "First", ROOT), make_role(server, "Second", ROOT)
    deny = {"Statement": {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": second}}
    server.client("iam").put_role_policy(RoleName="First", PolicyName="no", PolicyDocument=json.dumps(deny))
    key = session_key(server.client("sts").assume_role(RoleArn=first, RoleSessionName="me")["Credentials"])
    chained = server.client("sts", key)
    assert refusal(chained.assume_role, RoleArn=second, RoleSessionName="me") == (
        "AccessDenied",
        403,
    )
    server.client("sts").assume_role(RoleArn=second, RoleSessionName="me")


def test_rules_of_assume_role(server):
    arn = make_role(server, "Short", ROOT)
    assume = server.client("sts").assume_role
    assert refusal(assume, RoleArn=arn, RoleSessionName="me", DurationSeconds=7200) == (
        "ValidationError",
        400,
    )
    assert refusal(assume, RoleArn="arn:aws:s3:::bucket/key", RoleSessionName="me") == (
        "ValidationError",
        400,
    )
    policy = json.dumps({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
    with pytest.raises(ClientError, match="session policies would not be enforced"):
        assume(RoleArn=arn, RoleSessionName="me", Policy=policy)


def test_session_token_is_for_the_owner(server):
    key = session_key(server.client("sts").get_session_token(DurationSeconds=900)["Credentials"])
    assert server.client("sts", key).get_caller_identity()["Arn"].endswith("/wildsage")
    job = asyncio.run(
        server.keys.issue(
            ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/R/SageMaker", now=time.time(), lifetime=900
        )
    )
    assert refusal(server.client("sts", job).get_session_token) == ("AccessDenied", 403)


def test_revoked_expired_and_stolen_keys(server):
    sts = server.client("sts")
    key = session_key(sts.get_session_token()["Credentials"])
    without_token = AccessKey(key.access_key_id, key.secret_access_key, None, ACCOUNT, "")
    assert refusal(server.client("sts", without_token).get_caller_identity) == ("InvalidClientTokenId", 403)
    asyncio.run(server.keys.revoke(key.access_key_id))
    assert refusal(server.client("sts", key).get_caller_identity) == ("InvalidClientTokenId", 403)
    expired = asyncio.run(
        server.keys.issue(ACCOUNT, server.keys.owner.principal_arn, now=time.time() - 1000, lifetime=900)
    )
    assert refusal(server.client("sts", expired).get_caller_identity) == ("ExpiredToken", 403)
    guessed = AccessKey(server.keys.owner.access_key_id, "guess", None, ACCOUNT, "")
    assert refusal(server.client("sts", guessed).get_caller_identity) == ("SignatureDoesNotMatch", 403)
