import doctest
from pathlib import Path

from wildsage.formats.codecs import CODECS

DOCUMENT = Path(__file__).parents[2] / "docs" / "formats.md"


def test_every_example_does_what_it_says():
    found = doctest.testfile(str(DOCUMENT), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.attempted > 40
    assert found.failed == 0


def test_every_content_type_is_in_the_table():
    text = DOCUMENT.read_text()
    for codec in CODECS:
        assert all(f"`{name}" in text for name in (codec.media_type, codec.module, *codec.names)), codec
