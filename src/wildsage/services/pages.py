"""Lists in pages: the same for all services but for the names of the members."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from wildsage.core.errors import ValidationError
from wildsage.core.pagination import decode_token, encode_token
from wildsage.services.operation import Request, Response

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pages:
    """How a service calls the members of a page.

    Attributes
    ----------
    token, limit
        Names of the request members; the token of the answer has the same name.
    default
        How many there are on a page of a request without a limit.
    largest
        The largest page; 0: the default one.
    invalid_token
        The code of the error for a token that was not made for the request.
    """

    token: str
    limit: str
    default: int
    largest: int = 0
    invalid_token: str = ValidationError.code

    def answer(
        self,
        request: Request,
        member: str,
        items: Iterable[T],
        *,
        position: Callable[[T], str],
        show: Callable[[T], Any],
    ) -> Response:
        """Answer a List operation; a token is there only where there is more.

        Parameters
        ----------
        member
            The response member that holds the page.
        items
            All of them, in any order.
        position
            The text by which they are ordered, different for each: a page continues behind it, so what was
            added or removed meanwhile shifts nothing.

        Raises
        ------
        ValidationError
            If the token was not made for this request.
        """
        filters = {name: value for name, value in request.items() if name not in (self.token, self.limit)}
        try:
            after = decode_token({**filters, "NextToken": request.get(self.token)}, length=1)
        except ValidationError as error:
            raise ValidationError(
                error.message.replace("NextToken", self.token), code=self.invalid_token
            ) from None
        ordered = sorted(items, key=position)
        if after is not None:
            ordered = [item for item in ordered if position(item) > after[0]]
        limit = min(request.get(self.limit, self.default), self.largest or self.default)
        if limit < 1:
            raise ValidationError(f"{self.limit} {limit} is too small: a page has at least 1 entry")
        response: Response = {member: [show(item) for item in ordered[:limit]]}
        if len(ordered) > limit:
            response[self.token] = encode_token(filters, [position(ordered[limit - 1])])
        return response
