"""Lists in pages, as all of IAM has them: Marker, MaxItems, IsTruncated."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from wildsage.core.errors import ValidationError
from wildsage.core.pagination import decode_token, encode_token
from wildsage.services.iam.errors import validation_error
from wildsage.services.operation import Request, Response

T = TypeVar("T")

_DEFAULT_PAGE = 100


def page(
    request: Request,
    member: str,
    items: Sequence[T],
    *,
    position: Callable[[T], Any],
    show: Callable[[T], Any],
) -> Response:
    """Answer a list operation.

    Parameters
    ----------
    items
        All of them, ordered by `position`.
    position
        The value by which a page is continued: what was added or removed meanwhile shifts nothing.
    """
    filters = {name: value for name, value in request.items() if name not in ("Marker", "MaxItems")}
    try:
        token = decode_token({**filters, "NextToken": request.get("Marker")})
    except ValidationError:
        raise validation_error(
            f"Invalid Marker {request['Marker'][:80]!r}: pass the Marker of the previous page, with the same parameters"
        ) from None
    if token is not None:
        items = [item for item in items if position(item) > token[0]]
    limit = request.get("MaxItems", _DEFAULT_PAGE)
    shown = items[:limit]
    response: Response = {member: [show(item) for item in shown], "IsTruncated": len(items) > limit}
    if len(items) > limit:
        response["Marker"] = encode_token(filters, [position(shown[-1])])
    return response
