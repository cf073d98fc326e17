"""Every comparison of event patterns, and patterns that are none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.services.events.pattern import PatternError, parse_pattern

EVENT = {
    "source": "aws.sagemaker",
    "detail": {
        "name": "Job-1.csv",
        "n": 30,
        "x": 1.5,
        "yes": True,
        "none": None,
        "empty": "",
        "ip": "10.0.0.7",
        "list": ["a", "b", ["c"]],
        "nothing": [],
        "steps": [{"s": "A", "t": 1}, {"s": "B", "t": 2}],
        "star": "a*b",
    },
}


def matches(pattern, event=EVENT):
    import json

    return parse_pattern(json.dumps(pattern))(event)


def detail(**members):
    return {"detail": members}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.sagemaker", "other"]}, True),
        ({"source": ["aws"]}, False),
        (detail(name=["Job-1.csv"], n=[1]), False),
        (detail(n=[30]), True),
        (detail(n=[30.0]), True),
        (detail(n=["30"]), False),
        (detail(yes=[True]), True),
        (detail(yes=[1]), False),
        (detail(none=[None]), True),
        (detail(absent=[None]), False),
        (detail(empty=[""]), True),
        (detail(list=["b"]), True),
        (detail(list=["c"]), True),
        (detail(list=["d"]), False),
        (detail(steps={"s": ["B"]}), True),
        (detail(steps={"s": ["A"], "t": [2]}), False),
        (detail(name={"inner": ["x"]}), False),
        # prefix and suffix
        (detail(name=[{"prefix": "Job-"}]), True),
        (detail(name=[{"prefix": "job-"}]), False),
        (detail(name=[{"prefix": {"equals-ignore-case": "job-"}}]), True),
        (detail(name=[{"suffix": ".csv"}]), True),
        (detail(name=[{"suffix": {"equals-ignore-case": ".CSV"}}]), True),
        (detail(n=[{"prefix": "3"}]), False),
        (detail(absent=[{"prefix": ""}]), False),
        # equals-ignore-case
        (detail(name=[{"equals-ignore-case": "JOB-1.CSV"}]), True),
        (detail(name=[{"equals-ignore-case": "JOB-1"}]), False),
        # anything-but
        (detail(name=[{"anything-but": "other"}]), True),
        (detail(name=[{"anything-but": ["Job-1.csv"]}]), False),
        (detail(n=[{"anything-but": 30}]), False),
        (detail(n=[{"anything-but": [1, "30"]}]), True),
        (detail(name=[{"anything-but": {"prefix": "Job"}}]), False),
        (detail(name=[{"anything-but": {"prefix": ["x", "y"]}}]), True),
        (detail(name=[{"anything-but": {"suffix": ".csv"}}]), False),
        (detail(name=[{"anything-but": {"wildcard": "*1*"}}]), False),
        (detail(name=[{"anything-but": {"equals-ignore-case": ["job-1.csv"]}}]), False),
        (detail(absent=[{"anything-but": "x"}]), False),
        # numeric
        (detail(n=[{"numeric": [">", 0, "<=", 30]}]), True),
        (detail(n=[{"numeric": ["<", 30]}]), False),
        (detail(x=[{"numeric": ["=", 1.5]}]), True),
        (detail(yes=[{"numeric": [">=", 0]}]), False),
        (detail(name=[{"numeric": [">=", 0]}]), False),
        # exists
        (detail(n=[{"exists": True}]), True),
        (detail(n=[{"exists": False}]), False),
        (detail(none=[{"exists": True}]), True),
        (detail(absent=[{"exists": True}]), False),
        (detail(absent=[{"exists": False}]), True),
        (detail(absent={"deep": [{"exists": False}]}), True),
        ({"detail": [{"exists": True}]}, False),
        (detail(nothing=[{"exists": False}]), True),
        # cidr
        (detail(ip=[{"cidr": "10.0.0.0/24"}]), True),
        (detail(ip=[{"cidr": "10.0.1.0/24"}]), False),
        (detail(ip=[{"cidr": "2001:db8::/32"}]), False),
        (detail(name=[{"cidr": "0.0.0.0/0"}]), False),
        # wildcard
        (detail(name=[{"wildcard": "Job*.csv"}]), True),
        (detail(name=[{"wildcard": "*-*.*"}]), True),
        (detail(name=[{"wildcard": "Job"}]), False),
        (detail(name=[{"wildcard": "*x*"}]), False),
        (detail(star=[{"wildcard": "a\\*b"}]), True),
        (detail(name=[{"wildcard": "Job\\*"}]), False),
        (detail(star=[{"wildcard": "a*b*b"}]), False),
        # $or
        ({"$or": [{"source": ["x"]}, detail(n=[30])]}, True),
        ({"$or": [{"source": ["x"]}, detail(n=[31])]}, False),
        ({"source": ["x"], "$or": [detail(n=[30]), detail(n=[31])]}, False),
        (detail(**{"$or": [{"n": [30]}, {"x": [0]}]}), True),
    ],
)
def test_patterns(pattern, expected):
    assert matches(pattern) is expected


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "null", "{}", "{", '{"a": 1}', '{"a": "b"}', '{"a": []}', '{"a": {}}', '{"a": [[1]]}',
        '{"a": [NaN]}', '{"a": [{"prefixx": "b"}]}', '{"a": [{"prefix": 1}]}', '{"a": [{"prefix": "b", "suffix": "c"}]}',
        '{"a": [{}]}', '{"a": [{"prefix": {"equals-ignore-case": 1}}]}', '{"a": [{"exists": "true"}]}',
        '{"a": [{"numeric": []}]}', '{"a": [{"numeric": ["<"]}]}', '{"a": [{"numeric": ["!", 1]}]}',
        '{"a": [{"numeric": ["<", "1"]}]}', '{"a": [{"numeric": ["<", 1, "<", 2]}]}',
        '{"a": [{"numeric": ["=", 1, "<", 2]}]}', '{"a": [{"numeric": ["<", 6e9]}]}', '{"a": [{"numeric": [["<"], 1]}]}',
        '{"a": [{"cidr": "10.0.0.0"}]}', '{"a": [{"cidr": "10.0.0.0/99"}]}', '{"a": [{"cidr": 1}]}',
        '{"a": [{"wildcard": "a**"}]}', '{"a": [{"wildcard": "a\\\\b"}]}', '{"a": [{"anything-but": []}]}',
        '{"a": [{"anything-but": [null]}]}', '{"a": [{"anything-but": {"exists": true}}]}',
        '{"a": [{"anything-but": {}}]}', '{"$or": []}', '{"$or": [{"a": [1]}]}', '{"$or": [1, 2]}',
        '{"a":' * 5000,
        '{"a":' * 101 + "[1]" + "}" * 101,
    ],
)  # fmt: skip
def test_patterns_that_are_none(text):
    with pytest.raises(PatternError):
        parse_pattern(text)


def test_a_deep_pattern_is_evaluated():
    pattern, event = [1], 1
    for _ in range(98):
        pattern, event = {"a": pattern}, {"a": event}
    assert matches({"$or": [pattern, pattern]} | pattern, event) is True
    assert matches(pattern, {}) is False


@settings(max_examples=150, deadline=None)
@given(st.text("ab*", max_size=8).filter(lambda text: "**" not in text), st.text("ab", max_size=10))
def test_wildcards_against_regular_expressions(pattern, value):
    import re

    expected = re.fullmatch(pattern.replace("*", ".*"), value) is not None
    assert matches({"v": [{"wildcard": pattern}]}, {"v": value}) is expected
