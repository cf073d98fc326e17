"""What CloudWatch shows of invocations."""

import asyncio

from wildsage.serving.invocation_metrics import InvocationMetrics
from wildsage.serving.router import EndpointRoute, RouteKey, Router, VariantRoute
from wildsage.store.metrics import Metric, MetricStore

PLACE = ("1", "r", "live", "AllTraffic")


def values(metrics, name):
    dimensions = (("EndpointName", "live"), ("VariantName", "AllTraffic"))
    (series,) = metrics.series(Metric("1", "r", "AWS/SageMaker", name, dimensions))
    (point,) = metrics.points(series.id, 0, 10**10)
    return series.unit, point.values


def test_invocations_are_added_up_by_variant(telemetry, clock):
    async def scenario():
        router, metrics = Router(), MetricStore(telemetry)
        router.publish(
            RouteKey("1", "r", "live"),
            EndpointRoute((VariantRoute("AllTraffic", 1.0, (object(), object())),)),
        )
        counted = InvocationMetrics(metrics, router, clock)
        counted.start()
        counted.count(PLACE, 200, 0.002, 0.0001)
        counted.count(PLACE, 429, 0.001, 0.0001)
        await counted.flush()
        counted.count(PLACE, 503, 0.003, 0.0002)
        counted.count(PLACE, 0, 60.0, 0.0002)
        await counted.stop()  # nothing that was counted is lost
        return metrics

    metrics = asyncio.run(scenario())
    found = {
        name: values(metrics, name)[1]
        for name in (
            "Invocations",
            "InvocationsPerInstance",
            "Invocation4XXErrors",
            "Invocation5XXErrors",
            "InvocationModelErrors",
        )
    }
    assert {name: one.total for name, one in found.items()} == {
        "Invocations": 4,
        "InvocationsPerInstance": 2,
        "Invocation4XXErrors": 1,
        "Invocation5XXErrors": 1,
        "InvocationModelErrors": 3,
    }
    assert {one.count for one in found.values()} == {4}
    unit, latency = values(metrics, "ModelLatency")
    assert (unit, latency.least, latency.greatest, latency.total) == ("Microseconds", 1e3, 60e6, 60.006e6)
    unit, overhead = values(metrics, "OverheadLatency")
    assert (unit, overhead.values) == ("Microseconds", {100.0: 2, 200.0: 2})


def test_of_an_endpoint_that_is_gone_the_last_calls_are_written_all_the_same(telemetry, clock):
    metrics = MetricStore(telemetry)
    counted = InvocationMetrics(metrics, Router(), clock)
    counted.count(PLACE, 200, 0.002, 0.0001)
    asyncio.run(counted.flush())
    asyncio.run(counted.flush())
    assert values(metrics, "InvocationsPerInstance")[1].total == 1
