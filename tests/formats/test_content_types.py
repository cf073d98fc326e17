import ast
from pathlib import Path

import pytest

import wildsage
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, OTHER_NAMES, ContentType, negotiate


def test_parameters_are_read_whatever_their_spelling():
    found = ContentType.parse('Text/CSV ;label_size=0; CharSet="UTF8";')
    assert found.media_type == CSV
    assert found.label_size(1) == 0
    assert found.charset == "UTF8"
    assert ContentType.parse("text/csv").label_size(1) == 1
    assert ContentType.parse("text/csv;encoding=latin-1").charset == "latin-1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a;b=c"', "a;b=c"),
        (r'"say \"a;b\""', 'say "a;b"'),
        ('"', '"'),
        ('"open', '"open'),
        ("'a'", "'a'"),
    ],
)
def test_a_quoted_value_may_hold_anything(text, value):
    found = ContentType.parse(f"text/csv;note={text}; label_size=2")
    assert found.parameters == {"note": value, "label_size": "2"}


def test_other_names_mean_the_same_format():
    assert ContentType.parse("CSV;label_size=0").format == CSV
    assert ContentType.parse("CSV;label_size=0").label_size(1) == 0
    assert ContentType.parse("image/png").format == "image/png"
    assert not OTHER_NAMES.keys() & set(OTHER_NAMES.values())


def test_what_a_format_does_not_know_is_named():
    assert ContentType.parse("csv;colour=red;label_size=1;charset=utf-8").ignored == ["colour"]
    assert ContentType.parse("application/x-parquet;label_size=0").ignored == ["label_size"]


def test_only_csv_has_a_label_size():
    assert ContentType.parse("application/x-parquet;label_size=x").label_size(1) == 1


def test_nobody_else_takes_a_content_type_apart():
    """In the rooms where data is read: no other module cuts a text at a semicolon."""
    root = Path(wildsage.__file__).parent
    cutting = {
        module.relative_to(root).as_posix()
        for room in ("formats", "toolkit", "algorithms", "hosting", "serving", "jobs")
        for module in (root / room).rglob("*.py")
        for node in ast.walk(ast.parse(module.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"split", "rsplit", "partition", "rpartition"}
        and any(isinstance(one, ast.Constant) and one.value == ";" for one in node.args)
    }
    assert cutting == {"formats/content_types.py"}


@pytest.mark.parametrize("text", ["text/csv; label_size", "text/csv;=3"])
def test_a_malformed_parameter_is_refused(text):
    with pytest.raises(ValueError, match="not of the form name=value"):
        ContentType.parse(text)


def test_a_label_size_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="label_size='-1' is not a whole number"):
        ContentType.parse("text/csv;label_size=-1").label_size(0)


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV; charset=utf-8", CSV),
        ("image/png, text/csv;q=0.1, application/jsonlines;q=0.9", JSON_LINES),
        ("text/*", CSV),
        ("application/*", JSON),
        ("image/png, */*;q=0.1", JSON),
        ("image/png", None),
        ("text/csv;q=0", None),
    ],
)
def test_the_response_type_follows_the_accept_header(accept, chosen):
    assert negotiate(accept, (CSV, JSON, JSON_LINES), JSON) == chosen
