"""Which permissions an operation of S3 needs: the table is ``permissions.toml``."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from wildsage.core.context import RequestContext
from wildsage.core.permission import Permission, bucket_permission, object_permission
from wildsage.core.policy_conditions import ContextValues
from wildsage.services.operation import Request
from wildsage.services.s3.copying import split_copy_source

_CONDITION_KEYS = {"Prefix": "s3:prefix", "Delimiter": "s3:delimiter", "MaxKeys": "s3:max-keys"}


def s3_permissions(context: RequestContext, operation: str, request: Request) -> Iterator[Permission]:
    """Yield what the principal of a request must be allowed."""
    for action, asked in permission_table()[operation].items():
        target, _, member = asked.partition(" if ")
        if not member or member in request:
            yield from _on(target, context, action, request)


@cache
def permission_table() -> Mapping[str, Mapping[str, str]]:
    """Return actions and what they are asked for, by operation."""
    return tomllib.loads((files("wildsage.services.s3") / "permissions.toml").read_text())


def _on(target: str, context: RequestContext, action: str, request: Request) -> Iterator[Permission]:
    match target:
        case "object":
            yield object_permission(context, action, request["Bucket"], request["Key"])
        case "bucket":
            yield bucket_permission(context, action, request["Bucket"], _values(request))
        case "source":
            bucket, key, _ = split_copy_source(request)
            yield object_permission(context, action, bucket, key)
        case "listed":
            for entry in request["Delete"]["Objects"]:
                yield object_permission(context, action, request["Bucket"], entry["Key"])
        case _:
            yield Permission(action)


def _values(request: Request) -> Mapping[str, ContextValues]:
    return {key: (str(request[member]),) for member, key in _CONDITION_KEYS.items() if member in request}
