"""The service models that botocore installs, read as data: services, operations, shapes.

botocore's own classes would do, but importing them costs 0.3 s and 40 MB (urllib3, signers, …) that a
server has no use for. A service is read when it is first asked for.
"""

import gzip
import json
import os
import threading
from collections.abc import Mapping
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Raw = Mapping[str, Any]


class Shape:
    """A type of the model, as one member or element refers to it.

    Attributes
    ----------
    name
        The type's name in the model.
    kind
        ``structure``, ``list``, ``map``, ``string``, ``integer``, ``long``, ``float``, ``double``,
        ``boolean``, ``blob``, ``timestamp`` or ``character``.
    traits
        Everything else the model says: of the type and of the reference to it, which wins.
    """

    def __init__(self, shapes: Mapping[str, Raw], reference: Raw) -> None:
        self._shapes = shapes
        self.name: str = reference["shape"]
        raw = shapes[self.name]
        self.kind: str = raw["type"]
        self.traits: Raw = {**raw, **reference}

    def _refer(self, reference: Raw) -> "Shape":
        return Shape(self._shapes, reference)

    @cached_property
    def members(self) -> Mapping[str, "Shape"]:
        """The members of a structure, in model order; nothing for other kinds."""
        references: Raw = self.traits.get("members", {})
        return {name: self._refer(reference) for name, reference in references.items()}

    @cached_property
    def element(self) -> "Shape":
        """What a list holds, or the values of a map."""
        return self._refer(self.traits["member" if self.kind == "list" else "value"])

    @cached_property
    def key(self) -> "Shape":
        """The keys of a map."""
        return self._refer(self.traits["key"])

    @cached_property
    def required(self) -> tuple[str, ...]:
        """Names of the members that must be there."""
        return tuple(self.traits.get("required", ()))

    @property
    def enum(self) -> tuple[str, ...]:
        """The values allowed; empty where any is."""
        return tuple(self.traits.get("enum", ()))

    @cached_property
    def location(self) -> str:
        """Where a REST member travels: uri, querystring, header, headers, statusCode; empty = body."""
        return str(self.traits.get("location", ""))

    @property
    def flattened(self) -> bool:
        """Whether the elements of a list or map stand without a wrapper around them."""
        return bool(self.traits.get("flattened"))

    @property
    def is_event_stream(self) -> bool:
        """Whether the structure is a stream of events rather than a value."""
        return bool(self.traits.get("eventstream"))

    def wire_name(self, name: str) -> str:
        """Return the name of this shape on the wire where the model calls it `name`."""
        return str(self.traits.get("locationName", name))

    @cached_property
    def event_stream(self) -> str | None:
        """The member that is a stream of events, if one is."""
        return next((name for name, member in self.members.items() if member.is_event_stream), None)

    @property
    def error_code(self) -> str:
        """The code that this structure has on the wire if it is an error."""
        return str(self.traits.get("error", {}).get("code", self.name))

    @property
    def payload(self) -> str | None:
        """The member that is the whole body, if one is."""
        return self.traits.get("payload")

    @cached_property
    def streams(self) -> bool:
        """Whether the payload member of this structure is a stream of bytes."""
        if self.payload is None:
            return False
        member = self.members[self.payload]
        return bool(member.traits.get("streaming")) and not member.is_event_stream


class Operation:
    """One operation of a service."""

    def __init__(self, shapes: Mapping[str, Raw], raw: Raw) -> None:
        self._shapes = shapes
        self.name: str = raw["name"]
        self.method: str = raw["http"]["method"]
        self.request_uri: str = raw["http"]["requestUri"]
        self.status: int = raw["http"].get("responseCode", 200)
        self.is_deprecated = bool(raw.get("deprecated"))
        self.raw = raw

    def _shape(self, reference: Raw | None) -> Shape:
        # An operation without input or output has an empty structure here: one case less everywhere.
        return Shape(self._shapes, reference) if reference else Shape(_EMPTY_SHAPES, {"shape": "Empty"})

    @cached_property
    def input(self) -> Shape:
        """The structure of the request."""
        return self._shape(self.raw.get("input"))

    @cached_property
    def output(self) -> Shape:
        """The structure of the response."""
        return self._shape(self.raw.get("output"))


_EMPTY_SHAPES: Mapping[str, Raw] = {"Empty": {"type": "structure", "members": {}}}


class Service:
    """A service as its model describes it."""

    def __init__(self, name: str, raw: Raw) -> None:
        self.name = name
        self.metadata: Raw = raw["metadata"]
        self._shapes: Mapping[str, Raw] = raw["shapes"]
        self._operations: Mapping[str, Raw] = raw["operations"]
        self._made: dict[str, Operation] = {}

    @property
    def operation_names(self) -> tuple[str, ...]:
        """The names of all operations."""
        return tuple(self._operations)

    def operation(self, name: str) -> Operation | None:
        """Return an operation; None where the model has none of that name."""
        made = self._made.get(name)
        if made is None and name in self._operations:
            made = self._made[name] = Operation(self._shapes, self._operations[name])
        return made

    def error(self, code: str) -> Shape | None:
        """Return the structure of the error with this wire code, if the model has one."""
        name = self._error_names.get(code)
        return None if name is None else Shape(self._shapes, {"shape": name})

    @cached_property
    def _error_names(self) -> Mapping[str, str]:
        errors = {name: raw for name, raw in self._shapes.items() if raw.get("exception")}
        return {raw.get("error", {}).get("code", name): name for name, raw in errors.items()} | {
            name: name for name in errors
        }

    @cached_property
    def protocols(self) -> tuple[str, ...]:
        """The protocols the service speaks, the preferred one first."""
        preferred: str = self.metadata["protocol"]
        return (preferred, *(p for p in self.metadata.get("protocols", ()) if p != preferred))

    @property
    def full_name(self) -> str:
        """The name people know, e.g. ``Amazon SageMaker Service``."""
        return str(self.metadata.get("serviceFullName", self.name))


class Catalogue:
    """The services of the installed botocore, each read when it is first asked for, by any thread."""

    def __init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._reading = threading.Lock()

    def service(self, name: str) -> Service | None:
        """Return a service by botocore's name for it; None where botocore has none."""
        if name not in self._services and name in self._names:
            with self._reading:
                if name not in self._services:
                    self._services[name] = _read_service(name)
        return self._services.get(name)

    @cached_property
    def _names(self) -> frozenset[str]:
        # A name may come off the wire: only what is listed here becomes a path.
        with os.scandir(_data_directory()) as entries:
            return frozenset(entry.name for entry in entries if entry.is_dir())

    @cached_property
    def regions(self) -> frozenset[str]:
        """Every region of every partition."""
        regions = {region for partition in self._partitions for region in partition["regions"]}
        return frozenset(regions - self.pseudo_regions.keys())

    @cached_property
    def pseudo_regions(self) -> Mapping[str, str]:
        """What botocore calls the whole of a partition (``aws-global``), and the region it stands for."""
        return {
            region: partition["outputs"]["implicitGlobalRegion"]
            for partition in self._partitions
            for region in partition["regions"]
            if region.endswith("-global")
        }

    @cached_property
    def _partitions(self) -> list[Raw]:
        partitions: list[Raw] = json.loads((_data_directory() / "partitions.json").read_bytes())["partitions"]
        return partitions


def _data_directory() -> Path:
    specification = find_spec("botocore")
    if specification is None or not specification.submodule_search_locations:
        raise ModuleNotFoundError("botocore is not installed: its service models describe the wire")
    return Path(specification.submodule_search_locations[0]) / "data"


def _read_service(name: str) -> Service:
    [*_, newest] = sorted((_data_directory() / name).glob("*/service-2.json*"))
    content = newest.read_bytes()
    if newest.suffix == ".gz":
        content = gzip.decompress(content)
    return Service(name, json.loads(content, object_hook=_without_documentation))


def _without_documentation(raw: dict[str, Any]) -> dict[str, Any]:
    # Prose is two thirds of a model. A *member* called documentation is a dict and stays.
    if isinstance(raw.get("documentation"), str):
        del raw["documentation"]
    return raw
