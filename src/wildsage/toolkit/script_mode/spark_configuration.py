"""``configuration.json`` of a Spark job: a list of classifications, as EMR has them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from wildsage.toolkit.script_mode.errors import ClientError

_FILES = {
    "core-site": "core-site.xml",
    "hive-site": "hive-site.xml",
    "spark-hive-site": "hive-site.xml",
    "spark-log4j": "log4j2.properties",
    "spark-metrics": "metrics.properties",
}
"""Into which file of Spark's configuration a classification goes."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a user configured.

    Attributes
    ----------
    properties
        Of Spark.
    variables
        Of its environment.
    files
        Text by name, for the folder of its configuration.
    ignored
        Classifications of what is not here: YARN, the daemons of Hadoop, the log4j of Spark before 3.3.
    """

    properties: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    ignored: Sequence[str] = ()


def read_configuration(path: Path) -> Configuration:
    """Read the file; where there is none, nothing is configured.

    Raises
    ------
    ClientError
        If it is no such file.
    """
    if not path.is_file():
        return Configuration()
    properties: dict[str, str] = {}
    variables: dict[str, str] = {}
    files: dict[str, dict[str, str]] = {}
    ignored: list[str] = []
    for name, values, inner in _classifications(path):
        if name == "spark-defaults":
            properties |= values
        elif name == "spark-env":
            for export, exported, _ in inner:
                variables |= exported if export == "export" else {}
        elif name == "spark-log4j" and any(key.startswith("log4j.") for key in values):
            ignored.append("spark-log4j of log4j 1 (this Spark reads log4j 2)")
        elif name in _FILES:
            files.setdefault(_FILES[name], {}).update(values)
        else:
            ignored.append(name)
    texts = {name: _text(name, values) for name, values in files.items()}
    return Configuration(properties, variables, texts, ignored)


_Classification = tuple[str, dict[str, str], list[Any]]


def _classifications(path: Path) -> Iterator[_Classification]:
    try:
        found = json.loads(path.read_bytes())
        yield from map(_classification, found if isinstance(found, list) else [found])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ClientError(
            f"{path.name} is not a list of objects with Classification and Properties: {error!r}"
        ) from None


def _classification(item: Mapping[str, Any]) -> _Classification:
    values = {str(name): str(value) for name, value in (item.get("Properties") or {}).items()}
    return item["Classification"], values, [*map(_classification, item.get("Configurations") or [])]


def _text(name: str, values: Mapping[str, str]) -> str:
    if name.endswith(".properties"):
        return "".join(f"{key}={value}\n" for key, value in values.items())
    entries = "".join(
        f"  <property><name>{escape(key)}</name><value>{escape(value)}</value></property>\n"
        for key, value in values.items()
    )
    return f'<?xml version="1.0"?>\n<configuration>\n{entries}</configuration>\n'
