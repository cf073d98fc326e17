"""Lists in pages: the same for all services but for the names of the members."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from wildsage.core.errors import ServiceError, ValidationError
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
    truncated
        The member of the answer that says whether there is more; empty: there is none.
    error
        Makes the service's error of a text: the token was not made for the request.
    """

    token: str
    limit: str
    default: int
    largest: int = 0
    truncated: str = ""
    error: Callable[[str], ServiceError] = ValidationError

    def answer(
        self,
        request: Request,
        member: str,
        items: Iterable[T],
        *,
        position: Callable[[T], Any],
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
            The JSON value by which they are ordered, different for each: a page continues behind it, so what was
            added or removed meanwhile shifts nothing.

        Raises
        ------
        ServiceError
            If the token was not made for this request.
        """
        ordered = sorted(items, key=position)
        after = self.position(request, length=1)
        if after is not None:
            ordered = [item for item in ordered if position(item) > after[0]]
        limit = self.size(request)
        response: Response = {member: [show(item) for item in ordered[:limit]]}
        if self.truncated:
            response[self.truncated] = len(ordered) > limit
        if len(ordered) > limit:
            response[self.token] = self.behind(request, [position(ordered[limit - 1])])
        return response

    def size(self, request: Request) -> int:
        """Return how many a page of the request has at most.

        Raises
        ------
        ValidationError
            If it would have none.
        """
        limit: int = min(request.get(self.limit, self.default), self.largest or self.default)
        if limit < 1:
            raise ValidationError(f"{self.limit} {limit} is too small: a page has at least 1 entry")
        return limit

    def position(self, request: Request, length: int | None = None) -> list[Any] | None:
        """Return the position behind which the request's page begins; None: the first page.

        Parameters
        ----------
        length
            How many values a position has; None: any number.

        Raises
        ------
        ServiceError
            If the token was not made for this request.
        """
        token = request.get(self.token)
        if not token:
            return None
        try:
            return decode_token(self._filters(request), token, length)
        except ValueError:
            raise self.error(
                f"The specified {self.token} is invalid: pass the token of the previous page, with the same parameters"
            ) from None

    def behind(self, request: Request, position: list[Any]) -> str:
        """Return the token that continues a request behind a position (JSON values)."""
        return encode_token(self._filters(request), position)

    def _filters(self, request: Request) -> Request:
        return {name: value for name, value in request.items() if name not in (self.token, self.limit)}
