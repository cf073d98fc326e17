"""When an alarm goes off: the tables of the user guide, and a brute-force reading of the rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.telemetry.alarms import Rule, judge, reason

STATES = {"A": "ALARM", "O": "OK", "I": "INSUFFICIENT_DATA", "=": None}


def values(text):
    """``0`` is fine, ``X`` breaches, ``-`` is missing."""
    return [{"0": 0.0, "X": 9.0, "-": None}[sign] for sign in text]


def state(text, missing="missing", *, periods=3, needed=3):
    rule = Rule("GreaterThanThreshold", 5.0, periods, needed, missing)
    return judge(rule, values(text)).state


# Source: "Configuring how CloudWatch alarms treat missing data": missing, ignore, breaching, notBreaching.
@pytest.mark.parametrize(
    ("text", "needed", "expected"),
    [
        ("0-X-X", 3, "OOOO"),
        ("0----", 3, "OOOO"),
        ("-----", 3, "I=AO"),
        ("0XX-X", 3, "AAAA"),
        ("--X--", 3, "A=AO"),
        ("0-X-X", 2, "AAAA"),
        ("00X0X", 2, "AAAA"),
        ("0-X--", 2, "OOAO"),
        ("----0", 2, "OOAO"),
        ("---X-", 2, "A=AO"),
    ],
)
def test_the_tables_of_the_guide(text, needed, expected):
    found = [
        state(text, missing, needed=needed) for missing in ("missing", "ignore", "breaching", "notBreaching")
    ]
    assert found == [STATES[sign] for sign in expected]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0X", min_size=7, max_size=7), st.integers(1, 5))
def test_where_nothing_is_missing_the_last_periods_count(text, needed):
    expected = "ALARM" if text[-5:].count("X") >= needed else "OK"
    for missing in ("missing", "ignore", "breaching", "notBreaching"):
        assert state(text, missing, periods=5, needed=needed) == expected


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="0X-", min_size=6, max_size=6), st.integers(1, 4))
def test_breaching_alarms_most_and_not_breaching_least(text, needed):
    found = {
        missing: state(text, missing, periods=4, needed=needed)
        for missing in ("missing", "ignore", "breaching", "notBreaching")
    }
    if found["notBreaching"] == "ALARM":
        assert set(found.values()) == {"ALARM"}
    if "ALARM" in found.values():
        assert found["breaching"] == "ALARM"
    assert found["missing"] != "INSUFFICIENT_DATA" or set(text) == {"-"}


@pytest.mark.parametrize(
    ("comparison", "breaching"),
    [
        ("GreaterThanThreshold", [6]),
        ("GreaterThanOrEqualToThreshold", [5, 6]),
        ("LessThanThreshold", [4]),
        ("LessThanOrEqualToThreshold", [4, 5]),
    ],
)
def test_comparisons(comparison, breaching):
    rule = Rule(comparison, 5.0, 1, 1)
    assert [value for value in (4, 5, 6) if judge(rule, [None, None, value]).state == "ALARM"] == breaching


def test_reasons_say_which_values_decided():
    rule = Rule("GreaterThanThreshold", 5.0, 3, 2)
    verdict = judge(rule, values("00X0X"))
    assert verdict.evaluated == [(2, 9.0), (4, 9.0)]
    assert reason(rule, verdict, ["9.0 (b)", "9.0 (a)"]) == (
        "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (b), 9.0 (a)] were greater than the threshold"
        " (5.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    fine = judge(rule, values("00000"))
    assert "3 out of the last 3 datapoints [0.0] were not greater than" in reason(rule, fine, ["0.0"])
    none = judge(rule, values("-----"))
    assert reason(rule, none, []) == "Insufficient Data: 3 datapoints were unknown."
    treated = Rule("GreaterThanThreshold", 5.0, 1, 1, "breaching")
    assert "treated as [Breaching]" in reason(treated, judge(treated, values("---")), [])
