"""Filter patterns."""

import contextlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.services.logs.conditions import PatternError
from wildsage.services.logs.pattern import FilterPattern

EVENT = json.dumps(
    {
        "level": "ERROR",
        "code": 404,
        "took": 1.5,
        "ok": False,
        "user": {"name": "ann-1", "ids": [7, 8], "tags": [{"k": "a"}, {"k": "b"}]},
        "none": None,
        "text": "10",
        "a key": 1,
    }
)
LINE = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "message", "matches"),
    [
        ("ERROR", "an ERROR here", True),
        ("ERROR", "an error here", False),
        ("ERROR ARGUMENTS", "ARGUMENTS before ERROR", True),
        ("ERROR ARGUMENTS", "only ERROR", False),
        ("ERROR -EXITING", "ERROR EXITING", False),
        ('-"not this" this', "this", True),
        ("?a ?b", "b", True),
        ("?a ?b", "c", False),
        ("?a b", "b", True),  # alternatives have no effect beside other terms
        (r'"a \"b\" \\ c"', 'x a "b" \\ c y', True),
        ('""', "anything", True),
        ("  ", "anything", True),
        ("\u00fcber", "das \u00fcberall", True),
        ("%ERR[0-9]+%", "x ERR42", True),
        ("%ERR[0-9]+%", "x ERR", False),
        ("ERR -%4[0-9]%", "ERR 42", False),
        ("%(a+)+$%", "a" * 60 + "b", False),  # it explodes, and is given up
    ],
)
def test_terms(pattern, message, matches):
    assert FilterPattern.parse(pattern).matches(message) is matches


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ('{ $.level = "ERROR" }', True),
        ("{ $.level = ERROR }", True),
        ('{ $.level = "E*R" }', True),
        ('{ $.level = "ERR" }', False),
        ('{ $.level != "INFO" }', True),
        ('{ $.absent != "INFO" }', False),
        ("{ $.level = %^ERR% }", True),
        ("{ $.code = 404 }", True),
        ("{ $.code = 4* }", True),
        ("{ $.code >= 400 && $.code < 500 }", True),
        ("{ $.took > 1.5 }", False),
        ("{ $.text > 5 }", False),  # a text is no number
        ("{ $.text = 10 }", True),
        ('{ $.user.name = "ann*" || $.code = 1 }', True),
        ("{ $.user.ids[1] = 8 }", True),
        ("{ $.user.ids[2] = 8 }", False),
        ("{ $.user.ids[*] = 8 }", True),
        ('{ $.user.tags[*].k = "b" }', True),
        ('{ $["a key"] = 1 }', True),
        ("{ $.none IS NULL }", True),
        ("{ $.absent IS NULL }", False),
        ("{ $.absent NOT EXISTS }", True),
        ("{ $.none NOT EXISTS }", False),
        ("{ $.user EXISTS }", True),
        ("{ $.ok IS FALSE }", True),
        ("{ $.ok IS TRUE }", False),
        ("{ $.ok = 0 }", False),
        ("{ ($.code = 1 || $.code = 404) && ($.level = ERROR) }", True),
        ("{ $.code = 1 || $.code = 2 && $.level = ERROR }", False),
        ("{ $.user = * }", False),
        ("{ $.level = * }", True),
    ],
)
def test_conditions_on_json(pattern, matches):
    parsed = FilterPattern.parse(pattern)
    assert parsed.matches(EVENT) is matches
    assert not parsed.matches("ERROR 404")
    assert not parsed.matches("[1]")


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("[ip, user, name, time, request, status, bytes]", True),
        ("[ip, user, name, time, request, status]", False),
        ("[ip, user, name, time, request, status = 4*, bytes]", True),
        ("[ip, user, name, time, request, status = 404 || status = 410, bytes > 1534]", False),
        ('[ip, user, name, time, request = "*html*", status != 200, bytes >= 1534]', True),
        ("[..., status = 404, bytes]", True),
        ("[ip, ...]", True),
        ("[ip = 127.0.0.1, ..., bytes < 10]", False),
        ("[ip = %^127%, ..., bytes]", True),
        ("[a, b, c, d, e, f, g, h, ...]", False),
        ("[w1 = frank, ...]", False),
    ],
)
def test_conditions_on_fields(pattern, matches):
    assert FilterPattern.parse(pattern).matches(LINE) is matches


def test_values_are_extracted():
    pattern = FilterPattern.parse("[..., status, bytes]")
    assert (pattern.extract(LINE, "$bytes"), pattern.extract(LINE, "$x")) == ("1534", None)
    pattern = FilterPattern.parse("{ $.code = * }")
    found = [pattern.extract(EVENT, name) for name in ("$.took", "$.level", "$.user", "$.none", "$.absent")]
    assert found == ["1.5", "ERROR", None, None, None]
    assert FilterPattern.parse("ERROR").extract("ERROR", "$.x") is None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a-b", "'a-b'"),
        ('"open', "double quotes"),
        ('"a"b', "double quotes"),
        ("ok -", "'-'"),
        ("%(%", "Invalid regular expression"),
        ("{ $.a = 1", "closing brace"),
        ("{ }", "Invalid filter pattern"),
        ("{ $.a }", "Invalid filter pattern"),
        ("{ $.a = }", "Invalid filter pattern"),
        ("{ $.a > b }", "compares numbers"),
        ("{ $.a = 1 && }", "Invalid filter pattern"),
        ("{ a = 1 }", "'a = 1'"),
        ("{ " + "(" * 99 + "$.a = 1" + ")" * 99 + " }", "nested"),
        ("[a, b", "closing bracket"),
        ("[a, ..., b, ...]", "once"),
        ("[a, 4]", "names no field"),
        ("[a = ]", "Invalid filter pattern"),
    ],
)
def test_what_is_refused(pattern, text):
    with pytest.raises(PatternError, match=text):
        FilterPattern.parse(pattern)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_any_phrase_can_be_searched_for(before, phrase):
    quoted = '"' + phrase.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert FilterPattern.parse(quoted).matches(before + phrase)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(-3, 3)), st.sampled_from("abc"), st.integers(-3, 3)
)
def test_numbers_in_json_compare_as_numbers(event, name, limit):
    message = json.dumps(event)
    for operator, expected in (
        ("=", event.get(name) == limit),
        ("<", name in event and event[name] < limit),
        (">=", name in event and event[name] >= limit),
        ("!=", name in event and event[name] != limit),
    ):
        assert FilterPattern.parse(f"{{ $.{name} {operator} {limit} }}").matches(message) is expected


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='a-?"\\ {}[]%$.=<>&|()*,1', max_size=30))
def test_a_pattern_is_read_or_refused(pattern):
    with contextlib.suppress(PatternError):
        FilterPattern.parse(pattern).matches('{"a": 1}')


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet='$.a[]*"=1 &|()<', max_size=24))
def test_a_json_pattern_is_read_or_refused(inside):
    with contextlib.suppress(PatternError):
        FilterPattern.parse("{" + inside + "}").matches('{"a": [1, {"a": 2}]}')
