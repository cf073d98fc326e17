"""How an operation is declared: one decorated method on its resource's class.

``CreateTrainingJob`` is found by searching for its name::

    class TrainingJobs:
        @operation("CreateTrainingJob")
        async def create(self, context: RequestContext, request: Request) -> Response:
            ...

The gateway calls the method with a request that was parsed and validated against the service
model, and serializes what it returns. Orchestrators call the same method.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from wildsage.core.context import RequestContext

Request = dict[str, Any]
"""Members by their names in the service model. Timestamps are epoch seconds (float), blobs are bytes, a
streaming member is a `ByteStream`. Absent members are absent."""

Event = Mapping[str, Mapping[str, Any]]
"""What is sent at one moment of an event stream: ``{"PayloadPart": {"Bytes": b"…"}}``."""

EventStream = AsyncIterator[Event]
"""The value of a response's member that is an event stream, such as ``Body`` of
InvokeEndpointWithResponseStream: mostly what an async generator returns. The status of the response has gone
out before its first event is asked for, so whatever can be refused is refused by the handler itself. Later a
`ServiceError` ends the stream with that error, and any other exception with an internal failure. When the
client is gone the stream is closed (``aclose``)."""

Response = dict[str, Any]
"""The same conventions as a request, and event streams. A member that is None is not sent."""

STATUS = "HTTPStatusCode"
"""Key of a response that sets the HTTP status of a success, where it differs from the model's."""

Handler = Callable[[RequestContext, Request], Awaitable[Response]]

F = TypeVar("F", bound=Callable[..., Awaitable[Response]])


def operation(name: str) -> Callable[[F], F]:
    """Declare that a method answers the operation called `name` in the service model."""

    def mark(method: F) -> F:
        method.__dict__["operation"] = name
        return method

    return mark


def operations_of(*resources: object) -> Mapping[str, Handler]:
    """Collect the operations of some resource objects.

    Raises
    ------
    ValueError
        If two methods answer the same operation.
    """
    handlers: dict[str, Handler] = {}
    for resource in resources:
        for _, method in inspect.getmembers(resource, inspect.iscoroutinefunction):
            name = method.__dict__.get("operation")
            if name is None:
                continue
            if name in handlers:
                raise ValueError(f"{name} is answered by {handlers[name]} and by {method}")
            handlers[name] = method
    return handlers
