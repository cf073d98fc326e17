"""Put and list metrics."""

import math
from collections.abc import Mapping
from typing import Any

from wildsage.core.context import RequestContext
from wildsage.services.cloudwatch.common import (
    PAGES,
    dimension_pairs,
    invalid_combination,
    invalid_value,
    missing,
)
from wildsage.services.operation import Request, Response, operation
from wildsage.store.distributions import Distribution
from wildsage.store.metrics import Metric, MetricFilter, MetricStore, Sample, dimensions_of

_MOST_METRICS = 1_000
_MOST_VALUES = 150
_LARGEST_VALUE = 2.0**360
_RESOLUTIONS = (1, 60)
_HOUR = 3600
_OLDEST = 14 * 24 * _HOUR
_NEWEST = 2 * _HOUR
_LISTED_FOR = 14 * 24 * _HOUR
_RECENT = {"PT3H": 3 * _HOUR}
_PAGE = 500
_KINDS = ("Value", "Values", "StatisticValues")


class MetricData:
    """Operations on metrics as they come in."""

    def __init__(self, metrics: MetricStore) -> None:
        self._metrics = metrics

    @operation("PutMetricData")
    async def put(self, context: RequestContext, request: Request) -> Response:
        """Add values to metrics, which are there from their first value on."""
        namespace, data = request["Namespace"], request.get("MetricData", [])
        if namespace.startswith("AWS/"):
            raise invalid_value(
                f"The value {namespace} for parameter Namespace is invalid: AWS/ is reserved."
            )
        if not data:
            raise missing("The parameter MetricData is required.")
        if len(data) > _MOST_METRICS:
            raise invalid_value(
                f"The collection MetricData must not have a size greater than {_MOST_METRICS}."
            )
        samples = [
            _sample(context, namespace, datum, f"MetricData.member.{number}")
            for number, datum in enumerate(data, 1)
        ]
        await self._metrics.put(samples, context.clock.now())
        return {}

    @operation("ListMetrics")
    async def page(self, context: RequestContext, request: Request) -> Response:
        """List the metrics that had a value in the past two weeks, by namespace, name and dimensions."""
        age = _RECENT.get(request.get("RecentlyActive", ""), _LISTED_FOR)
        wanted = MetricFilter(
            context.account,
            context.region,
            request.get("Namespace"),
            request.get("MetricName"),
            tuple((item["Name"], item.get("Value")) for item in request.get("Dimensions", [])),
            written_after=context.clock.now() - age,
        )
        position = PAGES.position(request, 3)
        after = None
        if position is not None:
            namespace, name, dimensions = position
            pairs = tuple((key, value) for key, value in dimensions)
            after = Metric(context.account, context.region, namespace, name, pairs)
        found = self._metrics.metrics(wanted, after, _PAGE + 1)
        response: Response = {"Metrics": [show_metric(metric) for metric in found[:_PAGE]]}
        if len(found) > _PAGE:
            last = found[_PAGE - 1]
            response["NextToken"] = PAGES.behind(request, [last.namespace, last.name, last.dimensions])
        return response


def show_metric(metric: Metric) -> dict[str, Any]:
    """Return a metric as it is shown."""
    return {
        "Namespace": metric.namespace,
        "MetricName": metric.name,
        "Dimensions": [{"Name": name, "Value": value} for name, value in metric.dimensions],
    }


def _sample(context: RequestContext, namespace: str, datum: Mapping[str, Any], where: str) -> Sample:
    resolution = datum.get("StorageResolution", 60)
    if resolution not in _RESOLUTIONS:
        raise invalid_value(f"The parameter {where}.StorageResolution must be 1 or 60, not {resolution}.")
    now = context.clock.now()
    at = datum.get("Timestamp", now)
    if at > now + _NEWEST:
        raise invalid_value(
            f"The parameter {where}.Timestamp must specify a time no more than two hours in the future."
        )
    if at < now - _OLDEST:
        raise invalid_value(f"The parameter {where}.Timestamp must specify a time within the past two weeks.")
    dimensions = dimensions_of(dimension_pairs(datum.get("Dimensions", [])))
    return Sample(
        Metric(context.account, context.region, namespace, datum["MetricName"], dimensions),
        at,
        _distribution(datum, where),
        datum.get("Unit", "None"),
        resolution,
    )


def _distribution(datum: Mapping[str, Any], where: str) -> Distribution:
    given = [kind for kind in _KINDS if kind in datum]
    if not given:
        raise invalid_combination(
            f"At least one of the parameters {where}.Value, {where}.Values and {where}.StatisticValues"
            " must be specified."
        )
    if len(given) > 1:
        raise invalid_combination(
            f"The parameters {where}.{given[0]} and {where}.{given[1]} are mutually exclusive"
            " and you have specified both."
        )
    if "StatisticValues" in datum:
        return _summed_up(datum["StatisticValues"], f"{where}.StatisticValues")
    values = datum["Values"] if "Values" in datum else [datum["Value"]]
    counts = datum.get("Counts", [1.0] * len(values))
    if len(counts) != len(values) or not values:
        raise invalid_combination(
            f"The parameters {where}.Values and {where}.Counts must be lists of the same size,"
            f" not {len(values)} and {len(counts)}, and hold at least one value."
        )
    if len(values) > _MOST_VALUES:
        raise invalid_value(
            f"The collection {where}.Values must not have a size greater than {_MOST_VALUES}."
        )
    for value in values:
        _check_number(value, f"{where}.{given[0]}")
    for count in counts:
        _check_count(count, f"{where}.Counts")
    return Distribution.of(values, counts)


def _summed_up(raw: Mapping[str, float], where: str) -> Distribution:
    for member in ("Sum", "Minimum", "Maximum"):
        _check_number(raw[member], f"{where}.{member}")
    _check_count(raw["SampleCount"], f"{where}.SampleCount")
    if raw["Minimum"] > raw["Maximum"]:
        raise invalid_value(
            f"The parameter {where}.Minimum, {raw['Minimum']:g}, must not be greater than Maximum,"
            f" {raw['Maximum']:g}."
        )
    return Distribution.summed_up(raw["SampleCount"], raw["Sum"], raw["Minimum"], raw["Maximum"])


def _check_number(value: float, where: str) -> None:
    if not math.isfinite(value) or abs(value) > _LARGEST_VALUE:
        raise invalid_value(f"The value {value} for parameter {where} is not between -2^360 and 2^360.")


def _check_count(count: float, where: str) -> None:
    _check_number(count, where)
    if count <= 0:
        raise invalid_value(f"The value {count:g} for parameter {where} must be greater than 0.")
