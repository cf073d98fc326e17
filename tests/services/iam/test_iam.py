"""IAM as boto3 sees it."""

import json

import pytest
from tests.refusals import refusal
from tests.services.identity import ACCOUNT, DEFAULT_ROLE_ARN, identity

FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
BASIC_LAMBDA = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
        }
    ],
}


def document(action="s3:GetObject", resource="*", effect="Allow") -> str:
    return json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": action, "Resource": resource}]}
    )


@pytest.fixture(scope="module")
def iam(tmp_path_factory):
    with identity(tmp_path_factory.mktemp("iam")) as server:
        yield server.client("iam")


@pytest.fixture
def role(iam, request):
    name = request.node.name.replace("[", ".").replace("]", "")[:64]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    return name


def decisions(pages) -> dict[str, str]:
    return {result["EvalActionName"]: result["EvalDecision"] for result in pages["EvaluationResults"]}


# Roles


def test_create_get_and_list_a_role(iam):
    created = iam.create_role(
        RoleName="Made",
        Path="/team/",
        AssumeRolePolicyDocument=json.dumps(TRUST),
        Description="for tests",
        MaxSessionDuration=7200,
        Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": "1"}],
    )["Role"]
    assert created["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/team/Made"
    assert created["RoleId"].startswith("AROA")
    got = iam.get_role(RoleName="Made")["Role"]
    assert got["AssumeRolePolicyDocument"] == TRUST
    assert (got["Description"], got["MaxSessionDuration"]) == ("for tests", 7200)
    assert got["Tags"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}]
    assert got["CreateDate"] == created["CreateDate"]
    listed = iam.list_roles(PathPrefix="/team/")
    assert [found["RoleName"] for found in listed["Roles"]] == ["Made"]
    assert listed["IsTruncated"] is False


def test_role_errors(iam, role):
    trust = json.dumps(TRUST)
    assert refusal(iam.get_role, RoleName="Nobody") == ("NoSuchEntity", 404)
    assert refusal(iam.create_role, RoleName=role.upper(), AssumeRolePolicyDocument=trust) == (
        "EntityAlreadyExists",
        409,
    )
    assert refusal(iam.create_role, RoleName="Bad", AssumeRolePolicyDocument="{") == (
        "MalformedPolicyDocument",
        400,
    )
    assert refusal(iam.create_role, RoleName="Bad", AssumeRolePolicyDocument=document()) == (
        "MalformedPolicyDocument",
        400,
    )
    padding = "x" * 5000
    large = json.dumps({**TRUST, "Id": padding})
    assert refusal(iam.create_role, RoleName="Bad", AssumeRolePolicyDocument=large) == ("LimitExceeded", 409)
    tags = [{"Key": "K", "Value": ""}, {"Key": "k", "Value": ""}]
    assert refusal(iam.create_role, RoleName="Bad", AssumeRolePolicyDocument=trust, Tags=tags) == (
        "InvalidInput",
        400,
    )
    boundary = f"arn:aws:iam::{ACCOUNT}:policy/None"
    assert refusal(
        iam.create_role, RoleName="Bad", AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary
    ) == ("NoSuchEntity", 404)
    assert refusal(iam.get_role, RoleName="Bad") == ("NoSuchEntity", 404)


def test_update_and_delete_a_role(iam, role):
    iam.update_role(RoleName=role, Description="new", MaxSessionDuration=4000)
    other = {
        **TRUST,
        "Statement": {**TRUST["Statement"][0], "Principal": {"Service": "lambda.amazonaws.com"}},
    }
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(other))
    got = iam.get_role(RoleName=role)["Role"]
    assert (got["Description"], got["MaxSessionDuration"]) == ("new", 4000)
    assert got["AssumeRolePolicyDocument"] == other
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=document())
    iam.attach_role_policy(RoleName=role, PolicyArn=FULL_ACCESS)
    assert refusal(iam.delete_role, RoleName=role) == ("DeleteConflict", 409)
    iam.detach_role_policy(RoleName=role, PolicyArn=FULL_ACCESS)
    assert refusal(iam.delete_role, RoleName=role) == ("DeleteConflict", 409)
    iam.delete_role_policy(RoleName=role, PolicyName="p")
    iam.delete_role(RoleName=role)
    assert refusal(iam.delete_role, RoleName=role) == ("NoSuchEntity", 404)


def test_role_tags(iam, role):
    iam.tag_role(RoleName=role, Tags=[{"Key": f"k{number:02}", "Value": "v"} for number in range(40)])
    iam.tag_role(RoleName=role, Tags=[{"Key": "k00", "Value": "new"}])
    iam.untag_role(RoleName=role, TagKeys=["k01", "absent"])
    first = iam.list_role_tags(RoleName=role, MaxItems=30)
    assert first["IsTruncated"] is True
    rest = iam.list_role_tags(RoleName=role, MaxItems=30, Marker=first["Marker"])
    tags = {tag["Key"]: tag["Value"] for tag in first["Tags"] + rest["Tags"]}
    assert len(tags) == 39
    assert tags["k00"] == "new"
    more = [{"Key": f"m{number}", "Value": "v"} for number in range(12)]
    assert refusal(iam.tag_role, RoleName=role, Tags=more) == ("LimitExceeded", 409)


def test_pages_of_roles(iam):
    names = [f"page-{number}" for number in range(5)]
    for name in reversed(names):
        iam.create_role(RoleName=name, Path="/pages/", AssumeRolePolicyDocument=json.dumps(TRUST))
    pages = iam.get_paginator("list_roles").paginate(PathPrefix="/pages/", PaginationConfig={"PageSize": 2})
    assert [role["RoleName"] for page in pages for role in page["Roles"]] == names
    assert refusal(iam.list_roles, Marker="garbage") == ("ValidationError", 400)


# Policies


def test_policy_and_its_versions(iam):
    arn = iam.create_policy(PolicyName="Versions", PolicyDocument=document(), Description="d")["Policy"][
        "Arn"
    ]
    assert arn == f"arn:aws:iam::{ACCOUNT}:policy/Versions"
    for number in range(2, 6):
        made = iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=document(f"s3:Get{number}"), SetAsDefault=number == 3
        )
        assert made["PolicyVersion"]["VersionId"] == f"v{number}"
    full = refusal(iam.create_policy_version, PolicyArn=arn, PolicyDocument=document())
    assert full == ("LimitExceeded", 409)
    assert refusal(iam.delete_policy_version, PolicyArn=arn, VersionId="v3") == ("DeleteConflict", 409)
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    listed = iam.list_policy_versions(PolicyArn=arn)["Versions"]
    assert [(version["VersionId"], version["IsDefaultVersion"]) for version in listed] == [
        ("v5", False), ("v4", False), ("v3", True), ("v2", False),
    ]  # fmt: skip
    got = iam.get_policy_version(PolicyArn=arn, VersionId="v3")["PolicyVersion"]["Document"]
    assert got == json.loads(document("s3:Get3"))
    assert iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"] == "v3"
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    assert refusal(iam.delete_policy, PolicyArn=arn) == ("DeleteConflict", 409)
    for version in ("v3", "v4", "v5"):
        iam.delete_policy_version(PolicyArn=arn, VersionId=version)
    # A number is never used again.
    made = iam.create_policy_version(PolicyArn=arn, PolicyDocument=document())
    assert made["PolicyVersion"]["VersionId"] == "v6"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v6")
    iam.delete_policy(PolicyArn=arn)
    assert refusal(iam.get_policy, PolicyArn=arn) == ("NoSuchEntity", 404)


def test_policy_errors(iam):
    iam.create_policy(PolicyName="Once", PolicyDocument=document())
    assert refusal(iam.create_policy, PolicyName="ONCE", Path="/x/", PolicyDocument=document()) == (
        "EntityAlreadyExists",
        409,
    )
    assert refusal(iam.create_policy, PolicyName="Bad", PolicyDocument='{"Statement": []}') == (
        "MalformedPolicyDocument",
        400,
    )
    large = document([f"s3:Get{number:05}" for number in range(600)])
    assert refusal(iam.create_policy, PolicyName="Bad", PolicyDocument=large) == ("LimitExceeded", 409)
    arn = f"arn:aws:iam::{ACCOUNT}:policy/Once"
    assert refusal(iam.get_policy_version, PolicyArn=arn, VersionId="v9") == ("NoSuchEntity", 404)
    assert refusal(iam.delete_policy, PolicyArn=FULL_ACCESS) == ("AccessDenied", 403)
    other = arn.replace(ACCOUNT, "999999999999")
    assert refusal(iam.get_policy, PolicyArn=other) == ("NoSuchEntity", 404)


def test_attachments(iam, role):
    arn = iam.create_policy(PolicyName="Attached", PolicyDocument=document())["Policy"]["Arn"]
    for policy in (arn, FULL_ACCESS, BASIC_LAMBDA, arn):
        iam.attach_role_policy(RoleName=role, PolicyArn=policy)
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert {policy["PolicyName"] for policy in attached} == {
        "Attached", "AmazonSageMakerFullAccess", "AWSLambdaBasicExecutionRole",
    }  # fmt: skip
    below = iam.list_attached_role_policies(RoleName=role, PathPrefix="/service-role/")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in below] == [BASIC_LAMBDA]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert refusal(iam.delete_policy, PolicyArn=arn) == ("DeleteConflict", 409)
    local = iam.list_policies(Scope="Local", OnlyAttached=True)["Policies"]
    assert "Attached" in {policy["PolicyName"] for policy in local}
    iam.detach_role_policy(RoleName=role, PolicyArn=arn)
    assert refusal(iam.detach_role_policy, RoleName=role, PolicyArn=arn) == ("NoSuchEntity", 404)
    absent = f"arn:aws:iam::{ACCOUNT}:policy/Absent"
    assert refusal(iam.attach_role_policy, RoleName=role, PolicyArn=absent) == ("NoSuchEntity", 404)


def test_policies_of_aws_are_there(iam):
    listed = iam.get_paginator("list_policies").paginate(Scope="AWS", PaginationConfig={"PageSize": 5})
    found = {policy["PolicyName"] for page in listed for policy in page["Policies"]}
    assert {"AmazonSageMakerFullAccess", "AmazonS3FullAccess", "AWSLambdaBasicExecutionRole"} <= found
    for arn in (FULL_ACCESS, BASIC_LAMBDA):
        version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
        assert iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"][
            "Statement"
        ]


def test_an_unknown_policy_of_aws_attaches_and_grants_nothing(iam, role):
    unknown = "arn:aws:iam::aws:policy/AmazonTimeTravelFullAccess"
    iam.attach_role_policy(RoleName=role, PolicyArn=unknown)
    policy = iam.get_policy(PolicyArn=unknown)["Policy"]
    assert "does not know" in policy["Description"]
    document_of = iam.get_policy_version(PolicyArn=unknown, VersionId="v1")["PolicyVersion"]["Document"]
    assert document_of["Statement"] == []
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    assert decisions(iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=["a:B"])) == {
        "a:B": "implicitDeny"
    }


def test_inline_policies(iam, role):
    iam.put_role_policy(RoleName=role, PolicyName="b", PolicyDocument=document())
    iam.put_role_policy(RoleName=role, PolicyName="a", PolicyDocument=document("s3:PutObject"))
    iam.put_role_policy(RoleName=role, PolicyName="a", PolicyDocument=document("s3:ListBucket"))
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["a", "b"]
    got = iam.get_role_policy(RoleName=role, PolicyName="a")
    assert got["PolicyDocument"] == json.loads(document("s3:ListBucket"))
    assert refusal(iam.get_role_policy, RoleName=role, PolicyName="c") == ("NoSuchEntity", 404)
    assert refusal(iam.delete_role_policy, RoleName=role, PolicyName="c") == ("NoSuchEntity", 404)
    large = document([f"s3:Get{number:05}" for number in range(1000)])
    assert refusal(iam.put_role_policy, RoleName=role, PolicyName="c", PolicyDocument=large) == (
        "LimitExceeded",
        409,
    )
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == ["a", "b"]


def test_get_user(iam):
    assert refusal(iam.get_user) == ("ValidationError", 400)
    assert refusal(iam.get_user, UserName="al") == ("NoSuchEntity", 404)


# Simulation

# What SDK v3 asks before a training job: actions without resources.
TRAINING_ACTIONS = [
    "ecr:GetAuthorizationToken", "cloudwatch:PutMetricData", "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions", "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups", "s3:PutObject", "s3:GetObject", "s3:ListBucket", "sagemaker:CreatePipeline",
    "sagemaker:StartPipelineExecution", "sagemaker:AddTags", "glue:GetTable", "glue:GetDatabase", "glue:GetPartitions",
]  # fmt: skip


def test_the_default_role_passes_the_validation_of_sdk_v3(iam):
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=DEFAULT_ROLE_ARN, ActionNames=TRAINING_ACTIONS, PaginationConfig={"PageSize": 7}
    )
    results = [result for page in pages for result in page["EvaluationResults"]]
    assert [result["EvalActionName"] for result in results] == TRAINING_ACTIONS
    assert {result["EvalDecision"] for result in results} == {"allowed"}
    trust = iam.get_role(RoleName="AmazonSageMaker-ExecutionRole")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    objects = iam.simulate_principal_policy(
        PolicySourceArn=DEFAULT_ROLE_ARN, ActionNames=["s3:PutObject"], ResourceArns=["arn:aws:s3:::bucket/*"]
    )
    assert decisions(objects) == {"s3:PutObject": "allowed"}


def test_simulation_evaluates_the_policies_of_the_role(iam, role):
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=role, PolicyName="read", PolicyDocument=document("s3:Get*", "arn:aws:s3:::b/*")
    )
    iam.put_role_policy(
        RoleName=role,
        PolicyName="no",
        PolicyDocument=document("s3:GetObject", "arn:aws:s3:::b/secret", "Deny"),
    )
    simulate = iam.simulate_principal_policy
    found = simulate(
        PolicySourceArn=arn,
        ActionNames=["s3:GetObject", "sagemaker:DescribeCluster"],
        ResourceArns=["arn:aws:s3:::b/x", "arn:aws:s3:::b/secret"],
    )["EvaluationResults"]
    assert [
        (result["EvalActionName"], result["EvalResourceName"][-6:], result["EvalDecision"])
        for result in found
    ] == [
        ("s3:GetObject", ":::b/x", "allowed"),
        ("s3:GetObject", "secret", "explicitDeny"),
        ("sagemaker:DescribeCluster", ":::b/x", "implicitDeny"),
        ("sagemaker:DescribeCluster", "secret", "implicitDeny"),
    ]
    assert found[0]["MatchedStatements"][0]["SourcePolicyId"] == "read"
    assert decisions(simulate(PolicySourceArn=arn, ActionNames=["s3:GetObject"])) == {
        "s3:GetObject": "implicitDeny"
    }
    more = simulate(PolicySourceArn=arn, ActionNames=["s3:GetObject"], PolicyInputList=[document()])
    assert decisions(more) == {"s3:GetObject": "allowed"}


def test_a_boundary_limits_what_a_role_may(iam, role):
    arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    boundary = iam.create_policy(PolicyName="Boundary", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    iam.put_role_policy(RoleName=role, PolicyName="all", PolicyDocument=document("*"))
    iam.put_role_permissions_boundary(RoleName=role, PermissionsBoundary=boundary)
    names = ["s3:GetObject", "sagemaker:CreateModel"]
    found = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=names)
    assert decisions(found) == {"s3:GetObject": "allowed", "sagemaker:CreateModel": "implicitDeny"}
    assert found["EvaluationResults"][1]["PermissionsBoundaryDecisionDetail"] == {
        "AllowedByPermissionsBoundary": False
    }
    assert iam.get_role(RoleName=role)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == boundary
    assert refusal(iam.delete_policy, PolicyArn=boundary) == ("DeleteConflict", 409)
    iam.delete_role_permissions_boundary(RoleName=role)
    again = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=names)
    assert set(decisions(again).values()) == {"allowed"}


def test_custom_simulation_with_context_and_resource_policy(iam):
    conditional = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {
                "Effect": "Allow", "Action": "s3:*", "Resource": "*",
                "Condition": {"StringEquals": {"aws:PrincipalTag/team": "ml"}},
            },
        }
    )  # fmt: skip
    simulate = iam.simulate_custom_policy
    without = simulate(PolicyInputList=[conditional], ActionNames=["s3:GetObject"])
    assert decisions(without) == {"s3:GetObject": "implicitDeny"}
    assert without["EvaluationResults"][0]["MissingContextValues"] == ["aws:PrincipalTag/team"]
    entries = [
        {"ContextKeyName": "aws:PrincipalTag/team", "ContextKeyValues": ["ml"], "ContextKeyType": "string"}
    ]
    given = simulate(PolicyInputList=[conditional], ActionNames=["s3:GetObject"], ContextEntries=entries)
    assert decisions(given) == {"s3:GetObject": "allowed"}
    bucket = {"Effect": "Deny", "Principal": {"AWS": ACCOUNT}, "Action": "s3:*", "Resource": "*"}
    denied = simulate(
        PolicyInputList=[document()],
        ActionNames=["s3:GetObject"],
        ResourcePolicy=json.dumps({"Statement": bucket}),
        CallerArn=DEFAULT_ROLE_ARN,
    )
    assert decisions(denied) == {"s3:GetObject": "explicitDeny"}


def test_simulation_errors(iam):
    simulate = iam.simulate_principal_policy
    absent = f"arn:aws:iam::{ACCOUNT}:role/Absent"
    assert refusal(simulate, PolicySourceArn=absent, ActionNames=["s3:GetObject"]) == ("NoSuchEntity", 404)
    assert refusal(simulate, PolicySourceArn=DEFAULT_ROLE_ARN, ActionNames=["GetObject"]) == (
        "InvalidInput",
        400,
    )
    assert refusal(iam.simulate_custom_policy, PolicyInputList=["{"], ActionNames=["a:B"]) == (
        "InvalidInput",
        400,
    )
