import pytest

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, ContentType, negotiate


def test_parameters_are_read_whatever_their_spelling():
    found = ContentType.parse('Text/CSV ;label_size=0; CharSet="UTF8";')
    assert found.media_type == CSV
    assert found.label_size(1) == 0
    assert found.charset == "UTF8"
    assert ContentType.parse("text/csv").label_size(1) == 1
    assert ContentType.parse("text/csv;encoding=latin-1").charset == "latin-1"


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
