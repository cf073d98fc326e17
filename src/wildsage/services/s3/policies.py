"""Bucket policies: checked when they are put, kept, and read back. They are not evaluated yet."""

import json
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import AccessDeniedError, NotFoundError, ValidationError
from wildsage.core.policy import PolicyError, parse_resource_policy
from wildsage.services.operation import STATUS, Request, Response, operation
from wildsage.services.s3.common import own_bucket
from wildsage.store.buckets import Buckets

_LARGEST_POLICY = 20 * 1024
_NARROWING = frozenset(
    {
        "aws:sourceip", "aws:sourcearn", "aws:sourcevpc", "aws:sourcevpce", "aws:sourceowner", "aws:sourceaccount",
        "aws:principalorgid", "aws:principalorgpaths", "aws:principalaccount", "aws:principalarn", "aws:userid",
        "s3:dataaccesspointarn", "s3:dataaccesspointaccount", "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)  # fmt: skip
"""Condition keys that make a grant to everybody one to a fixed set. Source: S3 User Guide, "The meaning of public"."""


class Policies:
    """The policy of a bucket."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @operation("PutBucketPolicy")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Check and keep a policy."""
        bucket = own_bucket(self._buckets, context, request)
        text = request["Policy"]
        _check(text, bucket.name)
        blocked = bucket.records.get("public_access_block", {}).get("BlockPublicPolicy")
        if blocked and is_public(text):
            raise AccessDeniedError(
                "Access Denied: the policy is public, and BlockPublicPolicy of the bucket's public access block"
                " is set",
                code="AccessDenied",
            )
        await self._buckets.record(bucket.name, "policy", text)
        return {STATUS: 204}

    @operation("GetBucketPolicy")
    async def get(self, context: RequestContext, request: Request) -> Response:
        """Return the policy as it was put."""
        return {"Policy": self._text(context, request)}

    @operation("GetBucketPolicyStatus")
    async def get_status(self, context: RequestContext, request: Request) -> Response:
        """Tell whether the policy grants something to everybody."""
        return {"PolicyStatus": {"IsPublic": is_public(self._text(context, request))}}

    @operation("DeleteBucketPolicy")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Remove the policy; an absent one is no error."""
        bucket = own_bucket(self._buckets, context, request)
        await self._buckets.record(bucket.name, "policy", None)
        return {}

    def _text(self, context: RequestContext, request: Request) -> str:
        bucket = own_bucket(self._buckets, context, request)
        text: str | None = bucket.records.get("policy")
        if text is None:
            raise NotFoundError(
                "The bucket policy does not exist",
                code="NoSuchBucketPolicy",
                status=404,
                members={"BucketName": bucket.name},
            )
        return text


def is_public(text: str) -> bool:
    """Tell whether a statement of a policy allows something to everybody, whoever it may be."""
    statements: Any = json.loads(text)["Statement"]
    return any(
        statement["Effect"] == "Allow" and _is_anybody(statement) and not _is_narrowed(statement)
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def _is_anybody(statement: dict[str, Any]) -> bool:
    principal = statement.get("Principal")
    named = principal.get("AWS", []) if isinstance(principal, dict) else principal
    return "NotPrincipal" in statement or "*" in ([named] if isinstance(named, str) else named or [])


def _is_narrowed(statement: dict[str, Any]) -> bool:
    keys = {key.lower() for block in statement.get("Condition", {}).values() for key in block}
    return bool(keys & _NARROWING)


def _check(text: str, bucket: str) -> None:
    if len(text.encode()) > _LARGEST_POLICY:
        raise _malformed(
            f"Policy has {len(text.encode())} bytes and exceeds the maximum size of {_LARGEST_POLICY}"
        )
    try:
        policy = parse_resource_policy(text)
    except PolicyError as error:
        raise _malformed(str(error)) from None
    for statement in policy.statements:
        if statement.effect == "Allow" and "Principal" in statement.negated:
            raise _malformed("Allow with NotPrincipal is not allowed: it would grant to everybody else")
        for resource in statement.resources:
            named = resource.partition(":::")[2].partition("/")[0]
            if resource != "*" and named != bucket and "*" not in named and "?" not in named:
                raise _malformed(f"Policy has invalid resource: {resource!r} is not in the bucket {bucket}")


def _malformed(message: str) -> ValidationError:
    return ValidationError(message, code="MalformedPolicy")
