"""Pytest plug-in for s3-tests: buckets are made the way that AWS has asked of everybody since April 2023.

The tests presume what held before: buckets with access control lists, public ones not blocked. A new bucket gets
``ObjectWriter``, its public access block goes, and only then its list is set; none of it happens where a test
says otherwise itself.
"""

import threading
from typing import Any

import boto3

_acl = threading.local()


def pytest_configure() -> None:
    """Hook into every client that a session makes, `boto3.resource` included."""
    original = boto3.Session.client

    def client(session: Any, service_name: str, *arguments: Any, **options: Any) -> Any:
        made = original(session, service_name, *arguments, **options)
        if service_name == "s3":
            prepare(made)
        return made

    boto3.Session.client = client


def prepare(client: Any) -> None:
    """Change how one client makes buckets."""

    def before(params: dict[str, Any], **_: Any) -> None:
        if "ObjectOwnership" not in params:
            params["ObjectOwnership"] = "ObjectWriter"
        _acl.bucket = params.get("Bucket")
        _acl.canned = params.pop("ACL", None) if params["ObjectOwnership"] != "BucketOwnerEnforced" else None

    def after(http_response: Any, **_: Any) -> None:
        if http_response.status_code == 200 and _acl.bucket:
            client.delete_public_access_block(Bucket=_acl.bucket)
            if _acl.canned:
                client.put_bucket_acl(Bucket=_acl.bucket, ACL=_acl.canned)

    client.meta.events.register("provide-client-params.s3.CreateBucket", before)
    client.meta.events.register("after-call.s3.CreateBucket", after)
