"""Who may do what, and which roles may be handed to SageMaker."""

import asyncio
import dataclasses
import json
import logging

import pytest

from wildsage.core.errors import AccessDeniedError, ValidationError
from wildsage.core.permission import Permission
from wildsage.services.authorization import Authorizer, Roles
from wildsage.services.iam.handlers import iam_handlers
from wildsage.store.resources import Resources
from wildsage.store.tags import Tags

ACCOUNT = "123456789012"


@pytest.fixture
def resources(state):
    return Resources(state)


@pytest.fixture
def iam(resources, state, context):
    handlers = iam_handlers(resources, Tags(state))
    return lambda operation, **request: asyncio.run(handlers[operation](context, request))


def make_role(iam, name, *statements, service="sagemaker.amazonaws.com", path="/") -> str:
    trust = {"Statement": {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}}
    arn = iam("CreateRole", RoleName=name, Path=path, AssumeRolePolicyDocument=json.dumps(trust))["Role"][
        "Arn"
    ]
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam("PutRolePolicy", RoleName=name, PolicyName="p", PolicyDocument=document)
    return arn


def as_session(context, role):
    return dataclasses.replace(context, principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/job")


ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/*"}
DENY = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::data/secret/*"}


def test_explicit_deny_names_principal_action_and_resource(resources, iam, context):
    make_role(iam, "Reader", {**ALLOW, "Action": "*"}, DENY)
    authorizer, job = Authorizer(resources), as_session(context, "Reader")
    authorizer.authorize(job, Permission("s3:GetObject", "arn:aws:s3:::data/open/x"))
    with pytest.raises(AccessDeniedError) as caught:
        authorizer.authorize(job, Permission("s3:GetObject", "arn:aws:s3:::data/secret/x"))
    for part in (job.principal_arn, "s3:GetObject", "arn:aws:s3:::data/secret/x", "explicit deny"):
        assert part in caught.value.message


def test_what_no_policy_mentions_is_allowed_unless_told_otherwise(resources, iam, context, caplog):
    make_role(iam, "Writer", ALLOW)
    job = as_session(context, "Writer")
    with caplog.at_level(logging.DEBUG, "wildsage.services.authorization"):
        Authorizer(resources).authorize(job, Permission("s3:PutObject", "arn:aws:s3:::data/x"))
    assert "s3:PutObject" in caplog.text
    strict = Authorizer(resources, deny_by_default=True)
    strict.authorize(job, Permission("s3:GetObject", "arn:aws:s3:::data/x"))
    with pytest.raises(AccessDeniedError, match="no identity-based policy allows the s3:PutObject action"):
        strict.authorize(job, Permission("s3:PutObject", "arn:aws:s3:::data/x"))


def test_conditions_see_the_request(resources, iam, context):
    abroad = {**DENY, "Resource": "*", "Condition": {"StringNotEquals": {"aws:RequestedRegion": "us-west-2"}}}
    make_role(iam, "Local", abroad)
    job = as_session(context, "Local")
    Authorizer(resources).authorize(job, Permission("s3:GetObject", "*"))
    with pytest.raises(AccessDeniedError):
        Authorizer(resources).authorize(
            dataclasses.replace(job, region="eu-west-1"), Permission("s3:GetObject", "*")
        )


def test_other_accounts_are_denied(resources, context):
    stranger = dataclasses.replace(context, principal_arn="arn:aws:sts::999999999999:assumed-role/R/s")
    with pytest.raises(AccessDeniedError, match="999999999999"):
        Authorizer(resources).authorize(stranger, Permission("s3:GetObject", "*"))


def require(roles, context, arn, **options) -> str:
    try:
        asyncio.run(roles.require_passable(context, arn, **options))
    except ValidationError as error:
        return error.message
    return ""


def test_passable_roles(resources, iam, clock, context):
    roles = Roles(resources, clock)
    good = make_role(iam, "Good", path="/team/")
    other = make_role(iam, "Other", service="lambda.amazonaws.com")
    assert require(roles, context, good) == ""
    assert require(roles, context, good.replace("arn:aws:", "arn:aws-cn:")) == ""
    assert require(roles, context, other, service="lambda.amazonaws.com") == ""
    assert require(roles, context, other) == (
        f"Could not assume role {other}. Please ensure that the role exists and allows principal"
        " 'sagemaker.amazonaws.com' to assume the role."
    )
    assert "Could not assume role" in require(roles, context, good.replace("/team/", "/"))
    foreign = require(roles, context, good.replace(ACCOUNT, "999999999999"))
    assert foreign.startswith("RoleArn: Cross-account pass role is not allowed")
    for malformed in ("", "Good", "arn:aws:iam::1:role/Good", "arn:aws:iam::123456789012:user/Good"):
        assert "is not the ARN of a role" in require(roles, context, malformed, member="ExecutionRoleArn")


def test_unknown_role_logs_the_command_that_makes_it(resources, clock, context, caplog):
    arn = f"arn:aws:iam::{ACCOUNT}:role/service-role/My-Role"
    assert "Could not assume role" in require(Roles(resources, clock), context, arn)
    for part in (
        "aws iam create-role",
        "--role-name My-Role",
        "--path /service-role/",
        "wildsage up --create-roles",
    ):
        assert part in caplog.text


def test_create_roles_makes_it_on_sight(resources, iam, clock, context):
    arn = f"arn:aws:iam::{ACCOUNT}:role/service-role/My-Role"
    assert require(Roles(resources, clock, create_roles=True), context, arn) == ""
    role = iam("GetRole", RoleName="My-Role")["Role"]
    assert (role["Arn"], role["Path"]) == (arn, "/service-role/")
    attached = iam("ListAttachedRolePolicies", RoleName="My-Role")["AttachedPolicies"]
    assert {policy["PolicyName"] for policy in attached} == {
        "AmazonSageMakerFullAccess",
        "AmazonS3FullAccess",
    }
    assert require(Roles(resources, clock), context, arn) == ""
    # Another path is another ARN: the role of that name stays as it is.
    other = f"arn:aws:iam::{ACCOUNT}:role/My-Role"
    assert "Could not assume role" in require(Roles(resources, clock, create_roles=True), context, other)


def test_default_role_is_made_once(resources, clock, iam):
    roles = Roles(resources, clock)
    arn = asyncio.run(roles.ensure_default_role(ACCOUNT))
    first = iam("GetRole", RoleName="AmazonSageMaker-ExecutionRole")["Role"]
    assert asyncio.run(roles.ensure_default_role(ACCOUNT)) == arn == first["Arn"]
    assert iam("GetRole", RoleName="AmazonSageMaker-ExecutionRole")["Role"] == first
