"""The object store as a role may use it."""

import asyncio

import pytest

from wildsage.core.errors import AccessDeniedError
from wildsage.store.buckets import Buckets
from wildsage.store.object_access import RoleObjects
from wildsage.store.objects import Objects
from wildsage.store.run_tokens import RunRole

ACCOUNT = "123456789012"
ROLE = RunRole(ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/path/Worker")


@pytest.fixture
def buckets(state, clock, tmp_path):
    objects = Objects(tmp_path / "objects")
    made = Buckets(state, objects, clock)

    async def fill():
        for name, account in (("own", ACCOUNT), ("foreign", "999999999999")):
            await made.create_bucket(name, account, "us-west-2")
            await made.put_bytes(name, "a/b", b"content")

    asyncio.run(fill())
    yield made
    objects.close()


CALLS = {
    "head": ("s3:GetObject", "/a/b", lambda objects, bucket, _: objects.head(bucket, "a/b")),
    "read": ("s3:GetObject", "/a/b", lambda objects, bucket, _: asyncio.run(objects.read_bytes(bucket, "a/b", 9))),
    "list": ("s3:ListBucket", "", lambda objects, bucket, _: objects.list_objects(bucket, "a/")),
    "exists": ("s3:ListBucket", "", lambda objects, bucket, _: objects.exists_under(bucket, "a/")),
    "adopt": ("s3:PutObject", "/a/b", lambda objects, bucket, path: asyncio.run(objects.adopt_file(path, bucket, "a/b"))),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_each_access_is_asked_for_as_the_role_and_happens_only_then(buckets, clock, tmp_path, call):
    action, suffix, do = CALLS[call]
    asked = []

    def refuse(context, permission):
        asked.append((context, permission))
        raise AccessDeniedError("no")

    path = tmp_path / "file"
    path.write_bytes(b"new")
    with pytest.raises(AccessDeniedError, match="no"):
        do(RoleObjects(buckets, refuse, clock).of(ROLE, "cn-north-1"), "own", path)
    [(context, permission)] = asked
    assert (permission.action, permission.resource) == (action, f"arn:aws-cn:s3:::own{suffix}")
    assert permission.values == ({} if suffix else {"s3:prefix": ("a/",)})
    assert context.principal_arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Worker/SageMaker"
    assert (context.account, context.region) == (ACCOUNT, "cn-north-1")
    assert path.exists()
    assert asyncio.run(buckets.read_bytes("own", "a/b", 9)) == b"content"


@pytest.mark.parametrize("call", CALLS)
def test_buckets_of_other_accounts_are_closed_whoever_allows(buckets, clock, tmp_path, call):
    objects = RoleObjects(buckets, lambda *_: None, clock).of(ROLE, "us-west-2")
    path = tmp_path / "file"
    path.write_bytes(b"new")
    with pytest.raises(AccessDeniedError, match="foreign belongs to another account"):
        CALLS[call][2](objects, "foreign", path)
    assert path.exists()


def test_what_is_allowed_is_what_the_store_says(buckets, clock, tmp_path):
    objects = RoleObjects(buckets, lambda *_: None, clock).of(ROLE, "us-west-2")
    assert objects.exists_under("own", "a/")
    assert not objects.exists_under("own", "b/")
    assert not objects.exists_under("absent", "")
    assert [record.key for record in objects.list_objects("own")] == ["a/b"]
    assert objects.head("own", "a/c") is None
    path = tmp_path / "file"
    path.write_bytes(b"new")
    asyncio.run(objects.adopt_file(path, "own", "c"))
    assert asyncio.run(objects.read_bytes("own", "c", 9)) == b"new"
