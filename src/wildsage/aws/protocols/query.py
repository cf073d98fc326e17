"""The query protocol: a form with an Action in, XML out."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from wildsage.aws.http import HttpResponse
from wildsage.aws.model import Operation, Service, Shape
from wildsage.aws.protocols import text_codec
from wildsage.aws.protocols.base import (
    Call,
    MismatchError,
    Protocol,
    UnknownOperationError,
    UnreadableError,
    late,
    read_document,
)
from wildsage.aws.protocols.rest_xml import elements
from wildsage.aws.protocols.xml_codec import XmlCodec, escaped
from wildsage.core.errors import ServiceError
from wildsage.services.operation import Request, Response

Form = dict[str, Any]
"""Fields by the steps of their dotted names: ``Tags.member.1.Key`` is four levels of dicts."""

Parse = Callable[[Any], Any]

_DEEPEST = 64
_MOST_FIELDS = 20_000


class QueryProtocol(Protocol):
    """IAM, STS and the services of AWS's first years."""

    names_operation_in_head = False

    def __init__(self, service: Service) -> None:
        super().__init__(service)
        self._codec = XmlCodec()
        self._parsers: dict[str, Parse] = {}
        self._namespace: str = service.metadata.get("xmlNamespace", "")

    def claims(self, _call: Call) -> bool:
        """Claim every form."""
        return True

    async def find_operation(self, call: Call) -> str:
        """Read the form, which may also stand in the query string, and return its ``Action``."""
        body = await read_document(call.request, self.service.name)
        try:
            form = read_form(f"{call.request.query_string}&{body.decode()}")
        except (ValueError, MismatchError) as error:
            raise UnreadableError(f"The body is no form: {error}", code="MalformedInput") from None
        call.parameters = form
        action, version = form.get("Action"), form.get("Version")
        expected = self.service.metadata["apiVersion"]
        if not isinstance(action, str) or version not in (None, expected):
            raise UnknownOperationError(
                f"Could not find operation {_shown(action)} for version {_shown(version)}."
                f" {self.service.full_name} is called with Action and Version={expected}",
                code="InvalidAction",
            )
        return action

    async def parse(self, call: Call, operation: Operation) -> Request:
        """Read the members out of the form."""
        try:
            request: Request = self._parser(operation.input)(call.parameters)
        except MismatchError as error:
            raise UnreadableError(str(error), code="MalformedInput") from None
        return request

    def _parser(self, shape: Shape) -> Parse:
        match shape.kind:
            case "structure":
                if shape.name not in self._parsers:
                    self._parsers[shape.name] = late(self._parsers, shape.name)
                    members = {
                        _wire_name(name, member): (name, self._parser(member))
                        for name, member in shape.members.items()
                    }
                    self._parsers[shape.name] = _structure_parser(members)
                return self._parsers[shape.name]
            case "list":
                wrapper = "" if shape.flattened else shape.element.wire_name("member")
                return _list_parser(wrapper, self._parser(shape.element))
            case "map":
                names = (shape.key.wire_name("key"), shape.element.wire_name("value"))
                return _map_parser("" if shape.flattened else "entry", names, self._parser(shape.element))
            case _:
                return _scalar_parser(text_codec.parser(shape))

    def serialize(self, operation: Operation, response: Response, request_id: str) -> HttpResponse:
        """Write ``<NameResponse><NameResult>…</NameResult><ResponseMetadata>``."""
        out = [f'<{operation.name}Response xmlns="{self._namespace}">']
        wrapper = operation.output.traits.get("resultWrapper")
        out.append(f"<{wrapper}>" if wrapper else "")
        self._codec.members_writer(operation.output)(out, response)
        out.append(f"</{wrapper}>" if wrapper else "")
        out.append(f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>")
        out.append(f"</{operation.name}Response>")
        return HttpResponse(200, self._headers(request_id), "".join(out).encode())

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:  # noqa: ARG002 - for REST
        """Write ``<ErrorResponse><Error>``."""
        shape = self.service.error(error.code)
        code = error.code if shape is None else shape.error_code
        kind = "Sender" if error.status < 500 else "Receiver"
        body = (
            f'<ErrorResponse xmlns="{self._namespace}"><Error><Type>{kind}</Type>'
            f"<Code>{escaped(code)}</Code><Message>{escaped(error.message)}</Message>"
            f"{self._error_members(shape, error.members)}</Error>"
            f"<RequestId>{request_id}</RequestId></ErrorResponse>"
        )
        return HttpResponse(error.status, self._headers(request_id), body.encode())

    def _error_members(self, shape: Shape | None, members: Mapping[str, Any]) -> str:
        out: list[str] = []
        if shape is not None:
            modelled = {name: value for name, value in members.items() if name in shape.members}
            self._codec.members_writer(shape)(out, modelled)
            members = {name: value for name, value in members.items() if name not in modelled}
        return "".join([*out, elements(dict(members))])

    def _headers(self, request_id: str) -> list[tuple[str, str]]:
        return [("content-type", "text/xml"), (self.request_id_header, request_id)]


class UnknownFormProtocol(QueryProtocol):
    """What is said to a client that sends a form to a service that is not known: errors, and nothing else."""

    def serialize_error(self, error: ServiceError, call: Call, request_id: str) -> HttpResponse:  # noqa: ARG002 - for REST
        """Write ``<Response><Errors><Error>``, which clients of EC2 and of the query protocol read alike."""
        body = (
            f"<Response><Errors><Error><Code>{escaped(error.code)}</Code>"
            f"<Message>{escaped(error.message)}</Message></Error></Errors>"
            f"<RequestID>{request_id}</RequestID></Response>"
        )
        return HttpResponse(error.status, self._headers(request_id), body.encode())


def read_form(text: str) -> Form:
    """Read a form into the tree that its dotted names describe.

    Raises
    ------
    MismatchError
        If a field occurs twice, or is both a value and a parent.
    ValueError
        If there are too many fields, or they are not UTF-8.
    """
    form: Form = {}
    fields = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    for name, value in fields:
        *parents, last = name.split(".", _DEEPEST)
        branch = form
        for step in parents:
            branch = branch.setdefault(step, {})
            if not isinstance(branch, dict):
                raise MismatchError(f"{name[:64]!r} has a parent that is a value itself")
        if last in branch:
            raise MismatchError(f"the field {name[:64]!r} occurs twice")
        branch[last] = value
    return form


def _shown(value: Any) -> str:
    return value[:64] if isinstance(value, str) else "(none)"


def _wire_name(name: str, member: Shape) -> str:
    # A flattened list is known by its element's name, where that has one.
    if member.kind == "list" and member.flattened:
        return member.element.wire_name(member.wire_name(name))
    return member.wire_name(name)


def _structure_parser(members: Mapping[str, tuple[str, Parse]]) -> Parse:
    def parse(form: Any) -> dict[str, Any]:
        parsed = {}
        if isinstance(form, str):
            raise MismatchError("a structure is given by its members: NAME.MEMBER=value")
        for wire_name, value in form.items():
            known = members.get(wire_name)
            if known is None:
                continue
            try:
                parsed[known[0]] = known[1](value)
            except MismatchError as error:
                raise error.at(wire_name) from None
        return parsed

    return parse


def _list_parser(wrapper: str, element: Parse) -> Parse:
    def parse(form: Any) -> list[Any]:
        return [element(value) for value in _numbered(form, wrapper)]

    return parse


def _map_parser(wrapper: str, names: tuple[str, str], element: Parse) -> Parse:
    key_name, value_name = names

    def parse(form: Any) -> dict[str, Any]:
        parsed = {}
        for entry in _numbered(form, wrapper):
            if not isinstance(entry, dict) or not isinstance(entry.get(key_name), str):
                raise MismatchError(f"an entry of a map has a {key_name} and a {value_name}")
            parsed[entry[key_name]] = element(entry.get(value_name, ""))
        return parsed

    return parse


def _numbered(form: Any, wrapper: str) -> Iterator[Any]:
    if form == "":  # how an empty list is sent
        return
    if wrapper:
        form = form.get(wrapper) if isinstance(form, dict) else None
    if not isinstance(form, dict) or not all(step.isdecimal() and len(step) < 10 for step in form):
        raise MismatchError("the elements of a list are numbered from 1: NAME.member.1=value")
    for step in sorted(form, key=int):
        yield form[step]


def _scalar_parser(parse: Parse) -> Parse:
    def parse_scalar(value: Any) -> Any:
        if not isinstance(value, str):
            raise MismatchError("one value is expected, not a structure or list")
        return parse(value)

    return parse_scalar
