import string

import pytest

from wildsage.aws.texts import load, text

TEXTS = {
    f"{section}.{name}": entry
    for section, table in load("texts.toml").items()
    for name, entry in table.items()
}


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_says_where_it_was_seen(key):
    source = TEXTS[key]["source"]

    found = source.startswith(("https://", "github.com/", "as above"))
    assert found or source == "unverified: AWS text not found; states the rule"


@pytest.mark.parametrize("key", TEXTS)
def test_a_text_takes_its_values(key):
    names = {name for _, name, _, _ in string.Formatter().parse(TEXTS[key]["text"]) if name}

    filled = text(key, **dict.fromkeys(names, "value"))

    assert "{" not in filled
    assert filled.count("value") >= len(names)


def test_what_is_not_there_is_no_text():
    with pytest.raises(KeyError):
        text("validation.none")
