"""Which operation of a REST service a method, path and query string call, read off its model."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, unquote_to_bytes

from wildsage.aws.http import HttpRequest
from wildsage.aws.model import Operation, Service

_LABEL = re.compile(r"\{(?P<name>[^}+]+)(?P<greedy>\+?)\}")
_LONGEST_KEPT = 256
"""Longer paths and query strings, in characters, are not kept in mind."""

Query = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Route:
    """The operation found, and the path labels (still percent-encoded) and query it was found by."""

    operation: str
    labels: Mapping[str, str]
    query: Query


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One operation behind a method and path, with what tells it from its neighbours there.

    Attributes
    ----------
    literals
        Query arguments that stand in the request URI of the model; a value of None means any.
    query, headers
        Required members in the query string and the headers.
    """

    operation: str
    literals: Mapping[str, str | None]
    query: frozenset[str]
    headers: frozenset[str]
    is_deprecated: bool

    def matches(self, query: Query) -> bool:
        return all(
            name in query and (value is None or value in query[name]) for name, value in self.literals.items()
        )

    def rank(self, query: Query, request: HttpRequest) -> tuple[int, bool, int, bool]:
        """Order candidates that match: the more of what only this one asks for is there, the better."""
        missing = len(self.query - query.keys()) + sum(name not in request.headers for name in self.headers)
        asked = len(self.query) + len(self.headers)
        return len(self.literals), missing == 0, -missing if missing else asked, not self.is_deprecated


@dataclass(frozen=True, slots=True)
class _Found:
    """The operations that a method, path and query string may call; never none."""

    candidates: Sequence[_Candidate]
    labels: Mapping[str, str]
    query: Query


class Router:
    """The routes of one service.

    Of operations with one route, the one that the model does not call deprecated has it. A deprecated one is
    no other request on the wire: the same elements, which its successor knows by newer members.

    Parameters
    ----------
    names
        The operations that have a route.
    """

    def __init__(self, service: Service, names: Iterable[str]) -> None:
        self._paths: dict[str, dict[re.Pattern[str], list[_Candidate]]] = {}
        # Clients ask for the same things again and again.
        self._find_again = lru_cache(maxsize=1024)(self._find)
        for name in names:
            operation = service.operation(name)
            if operation is not None:
                self._add(operation)
        for method, paths in self._paths.items():
            # More literal text first: /WriteGetObjectResponse before /{Bucket}.
            order = sorted(paths, key=lambda pattern: -len(_literal_text(pattern)))
            self._paths[method] = {pattern: paths[pattern] for pattern in order}

    def _add(self, operation: Operation) -> None:
        path, _, query = operation.request_uri.partition("?")
        arguments = (argument.partition("=") for argument in query.split("&") if argument)
        literals = {name: value if equals else None for name, equals, value in arguments}
        required = [operation.input.members[name] for name in operation.input.required]
        candidate = _Candidate(
            operation.name,
            literals,
            frozenset(m.wire_name("") for m in required if m.location == "querystring"),
            frozenset(m.wire_name("").lower() for m in required if m.location == "header"),
            operation.is_deprecated,
        )
        pattern = _compile(path)
        self._paths.setdefault(operation.method, {}).setdefault(pattern, []).append(candidate)

    def match(self, request: HttpRequest, path: str) -> Route | None:
        """Find the operation; None where no route fits."""
        short = len(path) + len(request.query_string) <= _LONGEST_KEPT
        find = self._find_again if short else self._find
        found = find(request.method, path, request.query_string)
        if found is None:
            return None
        best = found.candidates[0]
        if len(found.candidates) > 1:
            best = max(found.candidates, key=lambda candidate: candidate.rank(found.query, request))
        return Route(best.operation, found.labels, found.query)

    def _find(self, method: str, path: str, query_string: str) -> _Found | None:
        """Find what only headers can still tell apart."""
        for pattern, candidates in self._paths.get(method, {}).items():
            found = pattern.fullmatch(path)
            if found is None:
                continue
            query = parse_query(query_string)
            fitting = [candidate for candidate in candidates if candidate.matches(query)]
            if fitting:
                return _Found(fitting, _named(found.groupdict()), query)
        return None


def parse_query(query_string: str) -> Query:
    """Return every value of every argument, blank ones included."""
    query: dict[str, list[str]] = {}
    if query_string:
        for name, value in parse_qsl(query_string, keep_blank_values=True):
            query.setdefault(name, []).append(value)
    return query


def decode_label(text: str) -> str:
    """Undo percent-encoding. A plus sign is a plus sign in a path.

    Raises
    ------
    ValueError
        If the bytes are not UTF-8.
    """
    return unquote_to_bytes(text).decode("utf-8")


def _compile(path: str) -> re.Pattern[str]:
    parts: list[str] = []
    position = 0
    for index, label in enumerate(_LABEL.finditer(path)):
        parts.append(re.escape(path[position : label.start()]))
        # Names of groups are identifiers; names of labels need not be: number them as well.
        inner = ".+" if label["greedy"] else "[^/]+"
        parts.append(f"(?P<l{index}_{label['name'].replace('-', '_')}>{inner})")
        position = label.end()
    parts.append(re.escape(path[position:]))
    end = "" if path.endswith("/") else "/?"
    greedy_end = path.endswith("+}")
    return re.compile("".join(parts) + ("" if greedy_end else end), re.DOTALL)


def _named(groups: Mapping[str, str]) -> Mapping[str, str]:
    return {name.partition("_")[2]: value for name, value in groups.items()}


def _literal_text(pattern: re.Pattern[str]) -> str:
    return re.sub(r"\(\?P<[^)]*\)", "", pattern.pattern)
