"""Metric filters: made, listed, tried out, removed."""

from collections.abc import Mapping
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.core.errors import NotFoundError, ServiceError
from wildsage.services.logs.common import (
    PAGES,
    find_group,
    invalid_parameter,
    milliseconds,
    requested_group,
)
from wildsage.services.logs.conditions import PatternError
from wildsage.services.logs.pattern import ColumnsPattern, FilterPattern, JsonPattern
from wildsage.services.operation import Request, Response, operation
from wildsage.store.database import Transaction
from wildsage.store.logs import LogStreams
from wildsage.store.metric_filters import MetricFilter, MetricFilters

_MOST_FILTERS = 100
_MOST_DIMENSIONS = 3


class LogMetricFilters:
    """Operations on metric filters."""

    def __init__(self, logs: LogStreams, filters: MetricFilters) -> None:
        self._logs = logs
        self._filters = filters

    @operation("PutMetricFilter")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Count a metric in the events that come in from now on."""
        group = find_group(self._logs, context, request["logGroupName"])
        pattern = read_pattern(request["filterPattern"])
        (metric,) = request["metricTransformations"]
        _check_metric(pattern, metric)
        at = context.clock.now()

        def store(transaction: Transaction) -> None:
            count = self._filters.put(
                transaction, group, request["filterName"], request["filterPattern"], metric, at
            )
            if count > _MOST_FILTERS:
                raise ServiceError(
                    f"{group.name} would have {count} metric filters; the limit is {_MOST_FILTERS}",
                    code="LimitExceededException",
                    status=400,
                )

        await self._filters.database.write(store)
        return {}

    @operation("DeleteMetricFilter")
    async def delete(self, context: RequestContext, request: Request) -> Response:
        """Stop to count. What was counted stays."""
        group = find_group(self._logs, context, request["logGroupName"])
        if not await self._filters.delete(group, request["filterName"]):
            raise NotFoundError(
                "The specified metric filter does not exist.", code="ResourceNotFoundException"
            )
        return {}

    @operation("DescribeMetricFilters")
    async def describe(self, context: RequestContext, request: Request) -> Response:
        """List metric filters by group and name."""
        if ("metricName" in request) != ("metricNamespace" in request):
            raise invalid_parameter("metricName and metricNamespace must be given together, or neither.")
        group = requested_group(self._logs, context, request).name if "logGroupName" in request else None
        prefix = request.get("filterNamePrefix", "")
        found = [
            item
            for item in self._filters.everywhere(context.account, context.region)
            if group in (None, item.group)
            and item.name.startswith(prefix)
            and request.get("metricName") in (None, item.metric["metricName"])
            and request.get("metricNamespace") in (None, item.metric["metricNamespace"])
        ]
        return PAGES.answer(
            request, "metricFilters", found, position=lambda item: [item.group, item.name], show=_show
        )

    @operation("TestMetricFilter")
    async def test(self, _context: RequestContext, request: Request) -> Response:
        """Say which of some messages a pattern matches, and what it names in them."""
        pattern = read_pattern(request["filterPattern"])
        matches = [
            {
                "eventNumber": number,
                "eventMessage": message,
                "extractedValues": _extracted(pattern, message),
            }
            for number, message in enumerate(request["logEventMessages"], 1)
            if pattern.matches(message)
        ]
        return {"matches": matches}


def read_pattern(text: str) -> FilterPattern:
    """Read the filter pattern of a request.

    Raises
    ------
    wildsage.core.errors.ValidationError
        If it is none.
    """
    try:
        return FilterPattern.parse(text)
    except PatternError as error:
        raise invalid_parameter(str(error)) from None


def _check_metric(pattern: FilterPattern, metric: Mapping[str, Any]) -> None:
    value, dimensions = metric["metricValue"], metric.get("dimensions", {})
    if not value.startswith("$"):
        try:
            float(value)
        except ValueError:
            raise invalid_parameter(
                f"metricValue {value!r} is no number, and no $.selector or $field of the filter pattern"
            ) from None
    if dimensions and "defaultValue" in metric:
        raise invalid_parameter(
            "Invalid metric transformation: dimensions and default value are mutually exclusive"
        )
    if len(dimensions) > _MOST_DIMENSIONS:
        raise invalid_parameter(
            f"A metric filter has at most {_MOST_DIMENSIONS} dimensions, not {len(dimensions)}"
        )
    named = [item for item in (value, *dimensions.values()) if item.startswith("$")]
    if (named or dimensions) and not isinstance(pattern, (JsonPattern, ColumnsPattern)):
        raise invalid_parameter(
            "Values and dimensions can be taken from JSON and space-delimited patterns only: use {...} or [...]"
        )


def _extracted(pattern: FilterPattern, message: str) -> dict[str, str]:
    if not isinstance(pattern, ColumnsPattern):
        return {}
    names = (*pattern.before, *pattern.after)
    return {f"${name}": pattern.extract(message, f"${name}") or "" for name in names}


def _show(item: MetricFilter) -> dict[str, Any]:
    return {
        "filterName": item.name,
        "filterPattern": item.pattern,
        "metricTransformations": [item.metric],
        "creationTime": milliseconds(item.created_at),
        "logGroupName": item.group,
        "applyOnTransformedLogs": False,
    }
