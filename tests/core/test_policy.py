"""The grammar of policies and the logic of their evaluation."""

import fnmatch
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.core.policy import (
    AccessRequest,
    Decision,
    PolicyError,
    evaluate,
    parse_identity_policy,
    parse_resource_policy,
    parse_trust_policy,
)
from wildsage.core.wildcards import wildcard_match


def policy(*statements: dict, source: str = "p"):
    return parse_identity_policy(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), source)


def allow(action, resource="*", **more) -> dict:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action, resource="*", **more) -> dict:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def decide(policies, action: str, resource: str = "*", **context) -> Decision:
    values = {
        key.replace("_", ":").lower(): (value,) if isinstance(value, str) else value
        for key, value in context.items()
    }
    return evaluate(policies, AccessRequest(action, resource, context=values)).decision


def test_nothing_said_is_denied():
    assert decide([], "s3:GetObject") == "implicitDeny"
    assert decide([policy(allow("s3:PutObject"))], "s3:GetObject") == "implicitDeny"


def test_allow_is_case_insensitive_in_actions_and_sensitive_in_resources():
    policies = [policy(allow("s3:getobject", "arn:aws:s3:::B/*"))]
    assert decide(policies, "s3:GetObject", "arn:aws:s3:::B/a/b") == "allowed"
    assert decide(policies, "s3:GetObject", "arn:aws:s3:::b/a") == "implicitDeny"


def test_explicit_deny_wins_over_every_allow():
    policies = [policy(allow("*"), source="a"), policy(deny("s3:Delete*"), source="d"), policy(allow("s3:*"))]
    assert decide(policies, "s3:DeleteObject") == "explicitDeny"
    assert decide(policies, "s3:GetObject") == "allowed"
    assert evaluate(policies, AccessRequest("s3:DeleteObject")).sources == ("d",)


def test_scoped_resource_does_not_cover_everything():
    assert decide([policy(allow("s3:GetObject", "arn:aws:s3:::b/*"))], "s3:GetObject", "*") == "implicitDeny"


def test_not_action_and_not_resource():
    policies = [
        policy({"Effect": "Allow", "NotAction": ["iam:*", "sts:*"], "NotResource": "arn:aws:s3:::secret/*"})
    ]
    assert decide(policies, "s3:GetObject", "arn:aws:s3:::open/x") == "allowed"
    assert decide(policies, "s3:GetObject", "arn:aws:s3:::secret/x") == "implicitDeny"
    assert decide(policies, "iam:GetRole", "arn:aws:s3:::open/x") == "implicitDeny"


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"aws:SourceAccount": "1"}}, {"aws_SourceAccount": "1"}, True),
        ({"StringEquals": {"aws:SourceAccount": ["2", "1"]}}, {"aws_SourceAccount": "1"}, True),
        ({"StringEquals": {"aws:SourceAccount": "1"}}, {}, False),
        ({"StringEqualsIfExists": {"aws:SourceAccount": "1"}}, {}, True),
        ({"StringNotEquals": {"a:b": "1"}}, {}, True),
        ({"StringNotEquals": {"a:b": "1"}}, {"a_b": "1"}, False),
        ({"StringEqualsIgnoreCase": {"a:b": "X"}}, {"a_b": "x"}, True),
        ({"StringLike": {"s3:prefix": "home/*"}}, {"s3_prefix": "home/x"}, True),
        (
            {"StringLike": {"s3:prefix": "home/${aws:username}/*"}},
            {"s3_prefix": "home/al/x", "aws_username": "al"},
            True,
        ),
        (
            {"StringLike": {"s3:prefix": "home/${aws:username}/*"}},
            {"s3_prefix": "home/b/x", "aws_username": "*"},
            False,
        ),
        ({"StringLike": {"s3:prefix": "home/${aws:username}/*"}}, {"s3_prefix": "home/al/x"}, False),
        ({"StringLike": {"s3:prefix": "${aws:username, 'all'}"}}, {"s3_prefix": "all"}, True),
        ({"StringLike": {"s3:prefix": "a${*}"}}, {"s3_prefix": "ab"}, False),
        ({"StringLike": {"s3:prefix": "a${*}"}}, {"s3_prefix": "a*"}, True),
        ({"NumericLessThan": {"s3:max-keys": 10}}, {"s3_max-keys": "9"}, True),
        ({"NumericGreaterThanEquals": {"s3:max-keys": "10"}}, {"s3_max-keys": "9.5"}, False),
        ({"NumericEquals": {"s3:max-keys": "10"}}, {"s3_max-keys": "ten"}, False),
        (
            {"DateGreaterThan": {"aws:CurrentTime": "2025-01-01T00:00:00Z"}},
            {"aws_CurrentTime": "2026-01-01T00:00:00Z"},
            True,
        ),
        ({"DateLessThan": {"aws:CurrentTime": "2025-01-01"}}, {"aws_CurrentTime": "1800000000"}, False),
        ({"Bool": {"aws:SecureTransport": True}}, {"aws_SecureTransport": "true"}, True),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_SourceIp": "10.1.2.3"}, True),
        ({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws_SourceIp": "10.1.2.3"}, False),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*"}}, {"aws_SourceArn": "arn:aws:s3:::b"}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:*"}}, {"aws_SourceArn": "arn:aws:s3:::b"}, False),
        ({"Null": {"aws:TokenIssueTime": "true"}}, {}, True),
        ({"Null": {"aws:TokenIssueTime": "false"}}, {}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws_TagKeys": ("a", "b")}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {"aws_TagKeys": ("a", "b")}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {"aws_TagKeys": ("a", "b")}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {}, False),
        ({"BinaryEquals": {"a:b": "QQ=="}}, {"a_b": "QQ=="}, True),
        ({"StringEquals": {"a:b": "1"}, "Bool": {"c:d": "true"}}, {"a_b": "1"}, False),
    ],
)
def test_conditions(condition, context, holds):
    statement = allow("s3:GetObject", Condition=condition)
    assert (decide([policy(statement)], "s3:GetObject", **context) == "allowed") is holds


def test_missing_context_is_named():
    statement = allow("*", Condition={"StringEquals": {"aws:SourceAccount": "1"}})
    assert evaluate([policy(statement)], AccessRequest("a:b")).missing_context == ("aws:SourceAccount",)


def test_trust_policy_by_service_and_account():
    trust = parse_trust_policy(
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Principal": {"Service": ["sagemaker.amazonaws.com"], "AWS": "123456789012"},
                    "Action": "sts:AssumeRole",
                },
            }
        )
    )

    def decision(**principals) -> str:
        return evaluate([trust], AccessRequest("sts:AssumeRole", principals=principals)).decision

    assert decision(Service=("sagemaker.amazonaws.com",)) == "allowed"
    assert decision(Service=("lambda.amazonaws.com",)) == "implicitDeny"
    assert decision(AWS=("123456789012", "arn:aws:iam::123456789012:root")) == "allowed"
    assert decision(AWS=("sagemaker.amazonaws.com",)) == "implicitDeny"
    assert decision() == "implicitDeny"


def test_anyone_and_not_principal():
    document = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}]}
    anyone = parse_resource_policy(json.dumps(document))
    assert evaluate([anyone], AccessRequest("s3:GetObject", principals={"AWS": ("x",)})).decision == "allowed"
    document["Statement"][0].pop("Principal")
    document["Statement"][0]["NotPrincipal"] = {"AWS": "x"}
    others = parse_resource_policy(json.dumps(document))
    assert (
        evaluate([others], AccessRequest("s3:GetObject", principals={"AWS": ("x",)})).decision
        == "implicitDeny"
    )
    assert evaluate([others], AccessRequest("s3:GetObject", principals={"AWS": ("y",)})).decision == "allowed"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "invalid Json"),
        ("{", "invalid Json"),
        ("[" * 100000, "invalid Json"),
        ("[]", "JSON object"),
        ("{}", "at least one statement"),
        ('{"Statement": []}', "at least one statement"),
        ('{"Statement": ["x"]}', "JSON object"),
        ('{"Version": "2020-01-01", "Statement": [{}]}', "Version"),
        ('{"Other": 1, "Statement": [{}]}', "'Other'"),
        ('{"Statement": [{"Effect": "allow", "Action": "a:b", "Resource": "*"}]}', "'allow'"),
        ('{"Statement": [{"Effect": "Allow", "Resource": "*"}]}', "actions"),
        ('{"Statement": [{"Effect": "Allow", "Action": "a:b"}]}', "resources"),
        ('{"Statement": [{"Effect": "Allow", "Action": "ab", "Resource": "*"}]}', "vendor"),
        ('{"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "b"}]}', "ARN format"),
        ('{"Statement": [{"Effect": "Allow", "Action": 3, "Resource": "*"}]}', "list of strings"),
        (
            '{"Statement": [{"Effect": "Allow", "Action": "a:b", "NotAction": "a:c", "Resource": "*"}]}',
            "together",
        ),
        (f'{{"Statement": {"9" * 5_000}}}', "invalid Json"),
        ("[" * 20_000, "invalid Json"),
        ('{"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*", "X": 1}]}', "'X'"),
        ('{"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*", "Effect": "Deny"}]}', "twice"),
        (
            '{"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*", "Principal": "*"}]}',
            "principal",
        ),
        (
            '{"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": {"Like": {}}}]}',
            "Like",
        ),
        (
            '{"Statement": [{"Effect": "Allow", "Action": "a:b", "Resource": "*", "Condition": {"Bool": 1}}]}',
            "Bool",
        ),
    ],
)
def test_malformed_documents_say_why(text, message):
    with pytest.raises(PolicyError, match=message):
        parse_identity_policy(text)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ({"Action": "sts:AssumeRole"}, "must contain principals"),
        ({"Action": "s3:GetObject", "Principal": "*"}, "STS AssumeRole"),
        ({"Action": "sts:AssumeRole", "Principal": "*", "Resource": "*"}, "Resource"),
        ({"Action": "sts:AssumeRole", "Principal": {"User": "x"}}, "'User'"),
        ({"Action": "sts:AssumeRole", "Principal": "everyone"}, "Principal must be"),
    ],
)
def test_malformed_trust_policies(statement, message):
    with pytest.raises(PolicyError, match=message):
        parse_trust_policy(json.dumps({"Statement": [{"Effect": "Allow", **statement}]}))


@settings(max_examples=200, deadline=None)
@given(st.text("ab*?", max_size=8), st.text("ab", max_size=10))
def test_wildcards_match_as_shell_patterns_do(pattern, text):
    assert wildcard_match(pattern, text) == fnmatch.fnmatchcase(text, pattern)


def test_wildcards_take_bounded_time():
    assert not wildcard_match("*a" * 200 + "b", "a" * 2000)
