"""The grammar of metric math."""

import contextlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.telemetry.expressions import (
    Application,
    ExpressionError,
    Listing,
    Name,
    Number,
    Text,
    parse,
)


def test_what_binds_tighter_stands_deeper():
    assert parse("a + b * c ^ 2") == Application(
        "+",
        (
            Name("a"),
            Application("*", (Name("b"), Application("^", (Name("c"), Number(2))))),
        ),
    )
    assert parse("a - b - c") == Application("-", (Application("-", (Name("a"), Name("b"))), Name("c")))
    assert parse("a > 1 AND b < 2 OR c") == parse("((a > 1) && (b < 2)) || c")


def test_calls_lists_and_texts():
    node = parse("""IF(m1 > 0.5e2, SUM([m2, m3]), FILL(m4, REPEAT)) + METRICS("err")""")
    assert node.arguments[1] == Application("METRICS", (Text("err"),))
    assert node.arguments[0].arguments[2] == Application("FILL", (Name("m4"), Name("REPEAT")))
    assert parse("SEARCH('x', \"y\")") == Application("SEARCH", (Text("x"), Text("y")))
    assert parse("METRICS()") == Application("METRICS", ())
    assert parse("[a]") == Listing((Name("a"),))
    assert parse("-a") == Application("-", (Number(0), Name("a")))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "at its end"),
        ("a +", "at its end"),
        ("(a", "at its end"),
        ("a b", "'b'"),
        ("a % b", "'% b'"),
        ("f(a b)", "'b)'"),
        ("f(,)", "',)'"),
        ("'open", "'open"),
        ("(" * 400 + "a" + ")" * 400, "nested"),
        ("-" * 2000 + "a", "nested"),
    ],
)
def test_what_cannot_be_read_says_where(text, said):
    with pytest.raises(ExpressionError, match=re.escape(said)):
        parse(text)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="abM1+-*/^()[],'\"<>=!&| .", max_size=40))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(ExpressionError):
        parse(text)
