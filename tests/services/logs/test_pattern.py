"""Filter patterns."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.services.logs.pattern import FilterPattern


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
    ],
)
def test_what_matches(pattern, message, matches):
    assert FilterPattern.parse(pattern).matcher()(message) is matches


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("{ $.level = 1 }", "JSON"),
        ("[ip, user]", "space-delimited"),
        ("%ERR.*%", "regular expression"),
        ("a-b", "'a-b'"),
        ('"open', "double quotes"),
        ('"a"b', "double quotes"),
        ("ok -", "'-'"),
    ],
)
def test_what_is_refused(pattern, text):
    with pytest.raises(ValueError, match=text):
        FilterPattern.parse(pattern)


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=40), st.text(max_size=20))
def test_any_phrase_can_be_searched_for(before, phrase):
    quoted = '"' + phrase.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert FilterPattern.parse(quoted).matcher()(before + phrase)


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet='a-?"\\ {[%', max_size=30))
def test_a_pattern_is_read_or_refused(pattern):
    with contextlib.suppress(ValueError):
        FilterPattern.parse(pattern).matcher()("a")
