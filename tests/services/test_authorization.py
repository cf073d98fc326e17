"""Who may do what, and which roles may be handed to SageMaker."""

import asyncio
import dataclasses
import json
import logging

import pytest

from wildsage.core.errors import AccessDeniedError, ServiceError, ValidationError
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


INVOKE = ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e", "Body": b""})
DENY_INVOKE = {"Effect": "Deny", "Action": "sagemaker:Invoke*", "Resource": "*:endpoint/e"}


@pytest.mark.parametrize(
    ("statement", "call", "code", "said"),
    [
        (DENY, ("s3", "GetObject", {"Bucket": "data", "Key": "secret/x"}), "AccessDenied", "s3:GetObject on resource: arn:aws:s3:::data/secret/x"),
        (DENY_INVOKE, INVOKE, "AccessDeniedException", f"sagemaker:InvokeEndpoint on resource: arn:aws:sagemaker:us-west-2:{ACCOUNT}:endpoint/e"),
        ({**DENY, "Action": "iam:*", "Resource": "*"}, ("iam", "ListRoles", {}), "AccessDenied", "iam:ListRoles on resource: *"),
    ],
)  # fmt: skip
def test_an_operation_is_denied_in_the_words_of_its_service(
    resources, iam, context, statement, call, code, said
):
    make_role(iam, "Limited", statement)
    with pytest.raises(AccessDeniedError) as caught:
        Authorizer(resources).authorize_operation(as_session(context, "Limited"), *call)
    assert (caught.value.code, caught.value.status) == (code, 403)
    assert said in caught.value.message


def test_policies_are_read_once_and_again_after_each_change(resources, iam, context, monkeypatch):
    make_role(iam, "Worker", ALLOW)
    authorizer, job, reads = Authorizer(resources), as_session(context, "Worker"), []
    read_one = resources.database.read_one
    monkeypatch.setattr(
        resources.database, "read_one", lambda *query: reads.append(query) or read_one(*query)
    )
    for _ in range(100):
        authorizer.authorize_operation(job, *INVOKE)
    assert len(reads) == 1

    def denied():
        reads.clear()
        try:
            authorizer.authorize_operation(job, *INVOKE)
        except AccessDeniedError:
            return True
        return False

    document = json.dumps({"Statement": [DENY_INVOKE]})
    arn = iam("CreatePolicy", PolicyName="P", PolicyDocument=json.dumps({"Statement": [ALLOW]}))["Policy"][
        "Arn"
    ]
    changes = [
        ("PutRolePolicy", {"RoleName": "Worker", "PolicyName": "d", "PolicyDocument": document}, True),
        ("DeleteRolePolicy", {"RoleName": "Worker", "PolicyName": "d"}, False),
        ("AttachRolePolicy", {"RoleName": "Worker", "PolicyArn": arn}, False),
        ("CreatePolicyVersion", {"PolicyArn": arn, "PolicyDocument": document, "SetAsDefault": True}, True),
        ("SetDefaultPolicyVersion", {"PolicyArn": arn, "VersionId": "v1"}, False),
        ("SetDefaultPolicyVersion", {"PolicyArn": arn, "VersionId": "v2"}, True),
        ("DetachRolePolicy", {"RoleName": "Worker", "PolicyArn": arn}, False),
        ("PutRolePermissionsBoundary", {"RoleName": "Worker", "PermissionsBoundary": arn}, True),
        ("DeleteRolePermissionsBoundary", {"RoleName": "Worker"}, False),
    ]
    for operation, request, expected in changes:
        iam(operation, **request)
        assert denied() is expected, operation
        assert reads, operation


def test_a_principal_of_another_account_may_do_nothing(resources, context):
    stranger = dataclasses.replace(context, principal_arn="arn:aws:iam::999999999999:root")
    with pytest.raises(AccessDeniedError, match="belongs to account 999999999999"):
        Authorizer(resources).authorize_operation(stranger, *INVOKE)


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


def test_a_role_that_is_validated_first_is_made_on_sight(resources, state, clock, context, caplog):
    arn = f"arn:aws:iam::{ACCOUNT}:role/service-role/Validated"
    asked = {"PolicySourceArn": arn, "ActionNames": ["sagemaker:CreateTrainingJob"]}

    def simulate(*, create_roles: bool) -> str:
        find_role = Roles(resources, clock, create_roles=create_roles).find
        simulator = iam_handlers(resources, Tags(state), find_role)["SimulatePrincipalPolicy"]
        return asyncio.run(simulator(context, asked))["EvaluationResults"][0]["EvalDecision"]

    with pytest.raises(ServiceError, match="cannot be found"):
        simulate(create_roles=False)
    assert "aws iam create-role --role-name Validated --path /service-role/" in caplog.text
    assert simulate(create_roles=True) == "allowed"


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
