"""SEARCH: which metrics a text finds."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.store.metrics import Metric
from wildsage.telemetry.expressions import ExpressionError
from wildsage.telemetry.search import read_search

METRICS = {
    "cpu": Metric("1", "r", "App", "CPUUtilization", (("Host", "web-1"),)),
    "latency": Metric("1", "r", "App", "ModelLatency", (("EndpointName", "e"), ("VariantName", "v"))),
    "errors": Metric("1", "r", "App", "Invocation5XXErrors", (("EndpointName", "e2"), ("VariantName", "v"))),
    "plain": Metric("1", "r", "Other", "CPUUtilization"),
}


def found(text):
    terms = read_search(text)
    return [
        name
        for name, metric in METRICS.items()
        if terms.namespace in (None, metric.namespace) and terms.matches(metric)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{App,Host}", ["cpu"]),
        ("{App, VariantName, EndpointName} latency", ["latency"]),
        ("{Other}", ["plain"]),
        ("{App} cpu", []),
        ("utilization", ["cpu", "plain"]),
        ("cpu web", ["cpu"]),
        ('MetricName="CPUUtilization" Host="web-1"', ["cpu"]),
        ('MetricName="CPU"', []),
        ('"util"', ["cpu", "plain"]),
        ("EndpointName=e", ["latency", "errors"]),
        ("latency OR errors", ["latency", "errors"]),
        ("{App,EndpointName,VariantName} NOT latency", ["errors"]),
        ("(latency OR utilization) AND App", ["cpu", "latency"]),
        ("Namespace=Other", ["plain"]),
    ],
)
def test_what_is_found(text, expected):
    assert found(text) == expected


@pytest.mark.parametrize("text", ["(a", "a)", "a OR", "{A} )", "NOT", "(" * 100])
def test_what_cannot_be_read(text):
    with pytest.raises(ExpressionError):
        read_search(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="aOR NT(){}=\"',", max_size=30))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ExpressionError):
        found(text)
