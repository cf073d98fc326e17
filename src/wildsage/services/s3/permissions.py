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
        target, _, condition = asked.partition(" ")
        word, _, member = condition.partition(" ")
        for given, permission in _on(target, context, action, request):
            if not word or (member in given) == (word == "if"):
                yield permission


@cache
def permission_table() -> Mapping[str, Mapping[str, str]]:
    """Return actions and what they are asked for, by operation."""
    return tomllib.loads((files("wildsage.services.s3") / "permissions.toml").read_text())


def _on(
    target: str, context: RequestContext, action: str, request: Request
) -> Iterator[tuple[Request, Permission]]:
    """Yield permissions, each with the members that it may depend on."""
    match target:
        case "object":
            yield request, object_permission(context, action, request["Bucket"], request["Key"])
        case "bucket":
            yield request, bucket_permission(context, action, request["Bucket"], _values(request))
        case "source":
            bucket, key, query = split_copy_source(request)
            named = {"VersionId": query} if query else {}
            yield named, object_permission(context, action, bucket, key)
        case "listed":
            bypass = {name: request[name] for name in ("BypassGovernanceRetention",) if name in request}
            for entry in request["Delete"]["Objects"]:
                yield bypass | entry, object_permission(context, action, request["Bucket"], entry["Key"])
        case _:
            yield request, Permission(action)


def _values(request: Request) -> Mapping[str, ContextValues]:
    return {key: (str(request[member]),) for member, key in _CONDITION_KEYS.items() if member in request}
