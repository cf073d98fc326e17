"""The words that subcommands share."""

import argparse

import pytest

from wildsage.cli.arguments import seconds


@pytest.mark.parametrize(
    ("text", "expected"), [("30s", 30), ("10m", 600), ("2h", 7200), ("7d", 604_800), ("2w", 1_209_600)]
)
def test_how_long(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["7", "d", "7 d", "-7d", "7y", "1e3s", "\u0667d", ""])
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(argparse.ArgumentTypeError, match="such as 7d"):
        seconds(text)
