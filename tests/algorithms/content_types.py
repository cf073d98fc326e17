"""Cells of content type and algorithm, what AWS's sources say about each, and the page that shows them.

The cells follow from the declarations and the codec table, the verdicts from ``content_types.toml``.
``python -m tests.algorithms.content_types FILE`` writes the page.
"""

import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from wildsage.algorithms.registry import MODULES, load_spec
from wildsage.formats.codecs import CODECS
from wildsage.formats.content_types import CSV, ContentType
from wildsage.toolkit.spec import AlgorithmSpec, Channel

ORACLE = tomllib.loads(Path(__file__).with_suffix(".toml").read_text())
NAMES = tuple(name for codec in CODECS for name in (codec.media_type, *codec.names))
UNKNOWN = ("application/pdf", "incorrect_format", "label_size=1; text/csv")
PARAMETERS = (
    "charset=utf-8",
    "charset=utf-16",
    "charset=klingon",
    "colour=red",
    'note="a;b"',
    "label_size=0",
    "label_size=1",
    "label_size = 1",
    "label_size=1; charset=utf-8",
    "label_size=2",
    "label_size=x",
    "label_size=1=1",
    "label_size=1; label_size=2",
    "label_size",
)
SPELLINGS = {
    "case": lambda name: name.title(),
    "spaces": lambda name: f" {name} ; ",
    **{one: lambda name, one=one: f"{name};{one}" for one in PARAMETERS},
}

_HEAD = """# Content types of training channels

<!-- Written by `make docs` from tests/algorithms/content_types.toml and the declarations: do not edit. -->

What a built-in algorithm does with the `ContentType` of a training channel: what AWS's sources say, and what happens
here. `tests/algorithms/test_content_types.py` trains every cell. What is said of CSV and of other types with parameters
holds for all names of them that the algorithm takes. CreateTrainingJob accepts any text of at most 256 characters, as
on AWS; a job whose content type is refused ends with a `ClientError` that names the channel, the content type, and what
is supported or which rule is broken. Parameters without effect are named in the job's log. Which bytes a type stands
for is in [formats.md](formats.md).
"""


@dataclass(frozen=True)
class Cell:
    """A content type in the channels of an algorithm.

    Attributes
    ----------
    name
        The media type that is meant; None: no content type is given.
    spelling
        A key of `SPELLINGS`: how it is written; None: as it is.
    """

    algorithm: str
    name: str | None
    spelling: str | None = None

    @property
    def content_type(self) -> str | None:
        if self.name is None or self.spelling is None:
            return self.name
        return SPELLINGS[self.spelling](self.name)

    @property
    def of(self) -> str:
        """Whose parameters count: those of CSV, or of any other type."""
        return CSV if ContentType(self.name or "").format == CSV else "*"

    def verdict(self) -> tuple[str, str]:
        """Return ``allowed``, ``refused`` or ``undecided``, and the source's key or the reason."""
        verdict = self._of_type()
        if self.spelling is None or verdict[0] != "allowed":
            return verdict
        for algorithm in (self.algorithm, "common"):
            found = ORACLE["parameters"].get(algorithm, {}).get(self.of, {}).get(self.spelling)
            if found:
                return tuple(found)
        return "undecided", "no source names it"

    def _of_type(self) -> tuple[str, str]:
        name = self.name or "none"
        types = ORACLE["types"].get(self.algorithm, {})
        if name not in types and self.algorithm in ORACLE["guide_table"].get(name, ()):
            return "allowed", "guide-table"
        for family, algorithms in ORACLE["families"].items():
            if self.algorithm in algorithms:
                types = {**ORACLE["types"][family], **types}
        return tuple(types.get(name) or types.get("*") or ("undecided", "no source names it"))


def data_channels(spec: AlgorithmSpec) -> tuple[Channel, ...]:
    """Return the channels that take what the first required one takes."""
    first = next(channel for channel in spec.channels if channel.required)
    return tuple(
        channel
        for channel in spec.channels
        if (channel.content_types, channel.label_sizes) == (first.content_types, first.label_sizes)
    )


def cells(spec: AlgorithmSpec) -> Iterator[Cell]:
    """Yield every type there is, types there are not, and every spelling of those that are declared."""
    declared = data_channels(spec)[0].content_types
    for name in (None, *dict.fromkeys((*NAMES, *declared, *UNKNOWN))):
        yield Cell(spec.name, name)
    for name in declared:
        for spelling in SPELLINGS:
            yield Cell(spec.name, name, spelling)


def refusal(spec: AlgorithmSpec, cell: Cell) -> str | None:
    """Return what the declaration says against a cell; None: it trains."""
    return None if cell.content_type is None else data_channels(spec)[0].refusal(cell.content_type)


def page(specs: list[AlgorithmSpec]) -> str:
    parts = [_HEAD, *map(_section, specs), _undecided(specs), "## Sources\n"]
    parts += [f"- {key}: {text}." for key, text in ORACLE["sources"].items()]
    return "\n".join(parts) + "\n"


def _section(spec: AlgorithmSpec) -> str:
    channels = ", ".join(f"`{channel.name}`" for channel in data_channels(spec))
    rows = dict.fromkeys(_row(spec, cell) for cell in cells(spec))
    head = "| content type | AWS | here | source |\n|---|---|---|---|\n"
    return f"## {spec.title}\n\nChannels: {channels}.\n\n{head}" + "".join(rows)


def _row(spec: AlgorithmSpec, cell: Cell) -> str:
    verdict, source = cell.verdict()
    source = source if verdict != "undecided" else ""
    return f"| {_shown(cell)} | {verdict} | {_here(spec, cell)} | {source} |\n"


def _shown(cell: Cell) -> str:
    if cell.name is None:
        return "none"
    if cell.spelling is None:
        return f"`{cell.name}`"
    of = "CSV" if cell.of == CSV else "other than CSV"
    how = {"case": "in upper and lower case", "spaces": "with spaces around"}
    return f"{of}, {how.get(cell.spelling, f'with `{cell.spelling}`')}"


def _here(spec: AlgorithmSpec, cell: Cell) -> str:
    return "trains" if refusal(spec, cell) is None else "refused"


def _undecided(specs: list[AlgorithmSpec]) -> str:
    rows = [
        f"| {spec.title} | {_shown(cell)} | {_here(spec, cell)} | {cell.verdict()[1]} |\n"
        for spec in specs
        for cell in cells(spec)
        if cell.verdict()[0] == "undecided"
    ]
    head = "| algorithm | content type | here | why |\n|---|---|---|---|\n"
    return "## Undecided\n\nWhat no source of AWS decides.\n\n" + head + "".join(dict.fromkeys(rows))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page([load_spec(name) for name in MODULES]))
