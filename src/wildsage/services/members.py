"""Every request member of every implemented operation: honoured, recorded or refused.

One table per resource stands next to its code, ``services/<service>/members/<resource>.toml``::

    [CreateTrainingJob]
    honoured = ["TrainingJobName", "InputDataConfig"]
    [CreateTrainingJob.recorded]
    "InputDataConfig[].ShuffleConfig" = "File mode hands over whole files; their order is the job's affair"
    [CreateTrainingJob.refused]
    EnableInterContainerTrafficEncryption = "leave it out: containers share one machine"

A path covers its children unless a child has a line of its own. ``[]`` steps into the elements of a list
or the values of a map. *Recorded* members are stored and echoed by Describe; the reason says why that
is all. *Refused* ones are an error that names the member and says what to do.
"""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Protocol

from wildsage.core.errors import ValidationError

_EMPTY: tuple[Any, ...] = ("", [], {})


class Shape(Protocol):
    """What this module needs to know of a shape of a service model."""

    @property
    def name(self) -> str:
        """The shape's name in the model."""
        ...

    @property
    def kind(self) -> str:
        """``structure``, ``list``, ``map`` or a scalar."""
        ...

    @property
    def members(self) -> "Mapping[str, Shape]":
        """The members of a structure."""
        ...

    @property
    def element(self) -> "Shape":
        """The elements of a list or the values of a map."""
        ...


@dataclass(frozen=True, slots=True)
class MemberTable:
    """What becomes of the members of one operation's request, by path."""

    honoured: frozenset[str]
    recorded: Mapping[str, str]
    refused: Mapping[str, str]

    @property
    def paths(self) -> frozenset[str]:
        """All paths that have a line."""
        return self.honoured | self.recorded.keys() | self.refused.keys()


def services() -> list[str]:
    """Return the services that have tables, by botocore's names."""
    packages = (entry for entry in files("wildsage.services").iterdir() if entry.is_dir())
    return sorted(entry.name.replace("_", "-") for entry in packages if (entry / "members").is_dir())


@cache
def tables(service: str) -> Mapping[str, MemberTable]:
    """Read the tables of a service, by operation.

    Raises
    ------
    ValueError
        If an operation stands in two files, or a member in two of the three groups.
    """
    directory = files("wildsage.services") / service.replace("-", "_") / "members"
    found: dict[str, MemberTable] = {}
    for file in _toml_files(directory):
        for operation, raw in tomllib.loads(file.read_text(encoding="utf-8")).items():
            if operation in found:
                raise ValueError(f"{file.name}: {operation} has a table in another file already")
            found[operation] = make_table(f"{file.name}, {operation}", raw)
    return found


def _toml_files(directory: Traversable) -> list[Traversable]:
    if not directory.is_dir():
        return []
    return sorted((f for f in directory.iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)


def make_table(where: str, raw: Mapping[str, Any]) -> MemberTable:
    """Make the table of an operation; `where` it stands is said in errors.

    Raises
    ------
    ValueError
        If a member is listed twice, or one that is not honoured has no reason.
    """
    if stray := raw.keys() - {"honoured", "recorded", "refused"}:
        raise ValueError(f"{where}: {sorted(stray)} is none of honoured, recorded, refused")
    honoured, recorded, refused = raw.get("honoured", []), raw.get("recorded", {}), raw.get("refused", {})
    listed = [*honoured, *recorded, *refused]
    if len(set(listed)) != len(listed):
        raise ValueError(f"{where}: a member is listed twice among {sorted(listed)}")
    if silent := [path for path, reason in {**recorded, **refused}.items() if not reason]:
        raise ValueError(f"{where}: {silent} without a reason")
    return MemberTable(frozenset(honoured), recorded, refused)


def refuse(
    service: str, operation: str, request: Mapping[str, Any], code: str = ValidationError.code
) -> None:
    """Raise if a request holds a member that is refused, with the code that the service has for it.

    A value that asks for nothing (False, an empty string, list or map) is no reason to refuse.

    Raises
    ------
    ValidationError
        Naming the member and what to do.
    """
    table = tables(service).get(operation)
    if table is None:
        return
    for path, advice in table.refused.items():
        steps = _split(path)
        if steps[0][0] not in request:
            continue
        for value in _values(request, steps):
            if value is not False and value not in _EMPTY:
                message = f"{path} = {_shown(value)} is not supported by Wildsage: {advice}"
                raise ValidationError(message, code=code)


def recorded(service: str, operation: str, request: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the members of a request that are stored and do nothing, with the reason for each.

    Parameters
    ----------
    request
        Or the stored body of the resource: what asks for nothing is not named.
    """
    table = tables(service).get(operation)
    listed = {} if table is None else table.recorded
    return {
        path: reason
        for path, reason in listed.items()
        if any(value is not False and value not in _EMPTY for value in _values(request, _split(path)))
    }


@cache
def _split(path: str) -> tuple[tuple[str, bool], ...]:
    """Return the steps of a path: members, and whether it goes on in each of their elements or values."""
    return tuple((step.removesuffix("[]"), step.endswith("[]")) for step in path.split("."))


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 128 else f"{text[:128]}…"


def _values(value: Any, steps: Sequence[tuple[str, bool]]) -> Sequence[Any]:
    """Return what a path leads to; nothing where it ends before."""
    for position, (member, in_each) in enumerate(steps, 1):
        value = value.get(member) if isinstance(value, Mapping) else None
        if value is None:
            return ()
        if in_each:
            elements = value.values() if isinstance(value, Mapping) else value
            return [found for element in elements for found in _values(element, steps[position:])]
    return (value,)


def uncovered(service: str, operation: str, shape: Shape) -> list[str]:
    """Return the members of an operation's request that no line covers; `shape` is its input."""
    table = tables(service).get(operation)
    paths = frozenset() if table is None else table.paths
    return sorted(_uncovered(shape, "", paths, frozenset()))


def _uncovered(shape: Shape, path: str, paths: frozenset[str], inside: frozenset[str]) -> Iterator[str]:
    if path in paths:
        return
    if shape.kind == "structure" and shape.members and shape.name not in inside:
        for name, member in shape.members.items():
            yield from _uncovered(member, f"{path}.{name}" if path else name, paths, inside | {shape.name})
    elif shape.kind in ("list", "map") and any(listed.startswith(f"{path}[].") for listed in paths):
        yield from _uncovered(shape.element, f"{path}[]", paths, inside)
    elif path:
        yield path


def stale(service: str, operation: str, shape: Shape) -> list[str]:
    """Return the listed paths that the model does not have."""
    table = tables(service).get(operation)
    paths = frozenset() if table is None else table.paths
    return sorted(path for path in paths if not _exists(shape, path.split(".")))


def _exists(shape: Shape, steps: list[str]) -> bool:
    if not steps:
        return True
    step, *rest = steps
    name = step.removesuffix("[]")
    if shape.kind != "structure" or name not in shape.members:
        return False
    member = shape.members[name]
    if not step.endswith("[]"):
        return _exists(member, rest)
    return member.kind in ("list", "map") and _exists(member.element, rest)
