"""Deterministic values for the shapes of botocore's models: in range, of every kind, patterns aside."""

import datetime as dt
import itertools

_MOMENT = dt.datetime(2024, 2, 29, 12, 30, 45, tzinfo=dt.UTC)
_TEXTS = ("plain", "käse & <b>", 'a "quoted", text', "tab\tand=equals+plus%25", "日本語")


class Generator:
    """Makes values; each call differs from the last, each run is the same."""

    def __init__(self, seed: str, *, ascii_only: bool = False) -> None:
        self._counter = itertools.count(sum(seed.encode()))
        self._ascii = ascii_only

    def value(self, shape, depth=0, *, plain=False):
        match shape.type_name:
            case "structure":
                return self.structure(shape, depth)
            case "list":
                size = max(shape.metadata.get("min", 1), min(2, shape.metadata.get("max", 2)))
                return [self.value(shape.member, depth + 1, plain=plain) for _ in range(size)]
            case "map":
                return self._map(shape, depth)
            case "string" | "character":
                return self._string(shape, plain=plain)
            case "integer" | "long":
                return self._number(shape)
            case "float" | "double":
                return self._number(shape) + (0.5 if not shape.metadata.get("max", 2) <= 1 else 0)
            case "boolean":
                return next(self._counter) % 2 == 0
            case "timestamp":
                return _MOMENT + dt.timedelta(seconds=next(self._counter))
            case "blob":
                return f"bytes \0\xff {next(self._counter)}".encode("latin-1")[
                    : shape.metadata.get("max", 99)
                ]
        raise AssertionError(shape.type_name)

    def structure(self, shape, depth=0):
        if getattr(shape, "is_document_type", False):
            return {"any": ["thing", 1]}
        members = without_namesakes(shape.members)
        if getattr(shape, "is_tagged_union", False):
            name = sorted(members)[next(self._counter) % len(members)]
            members = {name: members[name]}
        elif depth > 4:  # shapes that contain themselves end here
            members = {name: members[name] for name in shape.required_members}
        values = {}
        for name, member in members.items():
            if member.serialization.get("eventstream"):
                continue
            in_head = "location" in member.serialization
            values[name] = self.value(member, depth + 1, plain=in_head)
        return values

    def _map(self, shape, depth):
        keys = [self._string(shape.key, plain=True) for _ in range(2 if not shape.key.enum else 1)]
        return {key: self.value(shape.value, depth + 1, plain=True) for key in keys}

    def _string(self, shape, *, plain):
        if shape.enum:
            return shape.enum[next(self._counter) % len(shape.enum)]
        index = next(self._counter)
        text = f"v{index}" if plain or self._ascii else f"{_TEXTS[index % len(_TEXTS)]}{index}"
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1000)
        return text.ljust(low, "x")[:high]

    def _number(self, shape):
        low, high = shape.metadata.get("min", 0), shape.metadata.get("max", 1000)
        return min(high, max(low, next(self._counter) % 100))


def without_namesakes(members):
    """Return members without those that others in the same place have the wire name of, lists kept."""
    by_name = {}
    for name, member in sorted(members.items(), key=lambda item: item[1].type_name == "list"):
        place = member.serialization.get("location"), member.serialization.get("name", name)
        by_name[place] = name
    return {name: member for name, member in members.items() if name in by_name.values()}
