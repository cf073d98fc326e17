"""What the gateway says of each request: a line in the log, a count, a latency. Never what a request holds.

Neither a body, nor a query string (it may hold a signature), nor an error's text (it may quote a value) is
logged: the client has the text, and the request id leads from one to the other.
"""

import logging

from wildsage.aws.protocols.base import Call
from wildsage.core.clock import Clock
from wildsage.core.instruments import Instruments

_UNKNOWN = "-"
_READS = (
    "BatchDescribe", "BatchGet", "Describe", "Get", "Head", "Invoke", "List", "PutLogEvents",
    "PutMetricData", "Search", "UploadPart",
)  # fmt: skip
"""What clients call all the time and what changes no resource: one line each only for those who debug."""

_logger = logging.getLogger("wildsage.request")


class RequestLog:
    """Takes note of the requests of one gateway. For one event loop."""

    def __init__(self, instruments: Instruments, clock: Clock) -> None:
        self._clock = clock
        labels = ("service", "operation")
        self._requests = instruments.counter(
            "wildsage_requests_total",
            "Requests answered, by operation, HTTP status and error code.",
            (*labels, "status", "code"),
        )
        self._latency = instruments.histogram(
            "wildsage_request_duration_seconds", "From a request's head to the head of its response.", labels
        )
        self._levels: dict[str, int] = {}

    def begin(self) -> float:
        """Return what `end` wants to know of the start."""
        return self._clock.monotonic()

    def end(self, call: Call, request_id: str, status: int, code: str, began: float) -> None:
        """Take note of an answer.

        Parameters
        ----------
        code
            Of the error; empty for a success.
        """
        seconds = self._clock.monotonic() - began
        service = call.service.name
        operation = _UNKNOWN if call.operation is None else call.operation.name
        self._requests.add((service, operation, str(status), code))
        self._latency.observe((service, operation), seconds)
        level = self._level(operation, status)
        if _logger.isEnabledFor(level):
            fields = {
                "request_id": request_id,
                "service": service,
                "operation": operation,
                "account": call.account or _UNKNOWN,
                "region": call.region or _UNKNOWN,
                "status": status,
                "code": code or None,
                "duration_ms": round(seconds * 1000, 3),
            }
            _logger.log(level, "%s -> %d%s", call, status, code and f" {code}", extra={"fields": fields})

    def _level(self, operation: str, status: int) -> int:
        if status >= 400:
            return logging.ERROR if status >= 500 else logging.INFO
        level = self._levels.get(operation)
        if level is None:
            level = self._levels[operation] = logging.DEBUG if operation.startswith(_READS) else logging.INFO
        return level
