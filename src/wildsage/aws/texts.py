"""Error texts that clients of AWS know, kept as data with their sources in ``data/texts.toml``."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def load(name: str) -> Mapping[str, Any]:
    """Read one of the data files of this room, once."""
    return tomllib.loads((files("wildsage.aws") / "data" / name).read_text(encoding="utf-8"))


def text(key: str, **values: Any) -> str:
    """Return the text called `key` (``section.name``) with its ``{placeholders}`` filled in."""
    section, name = key.split(".")
    template: str = load("texts.toml")[section][name]["text"]
    return template.format(**values)
