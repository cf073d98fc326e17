"""Which service a request is for, and which protocol it speaks.

One port serves all services. A signed request says its service in the credential scope; where several
services sign with one name (nine sign as ``sagemaker``), the target header or the path decides. An
unsigned request, or one with a signature of version 2, says it by its host; failing that, it is S3's.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain
from urllib.parse import quote

from wildsage.aws.head import Identity
from wildsage.aws.http import HttpRequest
from wildsage.aws.model import Catalogue, Service
from wildsage.aws.protocols.base import Call, Protocol
from wildsage.aws.protocols.json import JsonProtocol
from wildsage.aws.protocols.query import QueryProtocol, UnknownFormProtocol
from wildsage.aws.protocols.rest import RestProtocol
from wildsage.aws.protocols.rest_json import RestJsonProtocol
from wildsage.aws.protocols.rest_xml import RestXmlProtocol
from wildsage.aws.protocols.rpc_v2_cbor import RpcV2CborProtocol
from wildsage.aws.protocols.s3 import S3Protocol
from wildsage.aws.texts import load
from wildsage.core.arns import REGION
from wildsage.core.errors import NotImplementedOperationError

PROTOCOLS: Mapping[str, type[Protocol]] = {
    "json": JsonProtocol,
    "query": QueryProtocol,
    "rest-json": RestJsonProtocol,
    "rest-xml": RestXmlProtocol,
    "smithy-rpc-v2-cbor": RpcV2CborProtocol,
}
"""By their names in the service models."""

_SPECIAL: Mapping[str, Callable[[Service], Protocol]] = {
    name: partial(S3Protocol, signing_name=name) for name in ("s3", "s3express", "s3-object-lambda")
}
"""By signing name."""

_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_AWS_HOST = re.compile(r"(?P<labels>.+)\.amazonaws\.com(?:\.cn)?", re.IGNORECASE)
_REGION = re.compile(REGION)
_ACTION = re.compile(r"(?:^|&)Action=")
_S3_LABEL = re.compile(rf"s3(-fips|-accelerate|-external-1)?(?:-(?P<region>{REGION}))?")


@dataclass(frozen=True, slots=True)
class Scope:
    """What a request says about where it wants to go; empty where it does not."""

    signing_name: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Host:
    """What the name of an AWS host says: service, region, and the bucket in a virtual-host style name."""

    signing_name: str = ""
    region: str = ""
    bucket: str = ""


def credential_scope(request: HttpRequest) -> Scope:
    """Read the credential scope of a signature of version 4, in the header or in the query string."""
    found = _CREDENTIAL.search(request.headers.get("authorization"))
    credential = found[1] if found else ""
    if not credential and "X-Amz-Credential" in request.query_string:
        credential = dict(request.query()).get("X-Amz-Credential", "")
    parts = credential.split("/")
    # KEY/date/region/service/aws4_request; version 4a leaves the region out. A key holds no slash.
    if len(parts) == 5:
        return Scope(parts[3], parts[2])
    return Scope(parts[2]) if len(parts) == 4 else Scope()


def host_of(request: HttpRequest) -> Host:
    """Read ``SERVICE.REGION.amazonaws.com`` and ``BUCKET.s3.REGION.amazonaws.com`` in all their forms."""
    return _read_host(request.headers.get("host"))


@lru_cache(maxsize=256)
def _read_host(host: str) -> Host:
    matched = _AWS_HOST.fullmatch(host.rsplit(":", 1)[0])
    if not matched:
        return Host()
    labels = matched["labels"].split(".")
    for index in range(len(labels) - 1, -1, -1):
        s3 = _S3_LABEL.fullmatch(labels[index])
        if s3:
            rest = [label for label in labels[index + 1 :] if label != "dualstack"]
            return Host("s3", s3["region"] or "".join(rest[:1]), ".".join(labels[:index]))
    region = labels.pop() if len(labels) > 1 and _REGION.fullmatch(labels[-1]) else ""
    prefix = ".".join(labels)
    known: Mapping[str, str] = load("services.toml")["hosts"]
    return Host(known.get(prefix, prefix), region)


class Identifier:
    """Finds service and protocol of requests; keeps each protocol it has bound to a service."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[str, list[Service]] = {}
        self._bound: dict[tuple[str, str, str], Protocol] = {}
        nothing = {"metadata": {"protocol": "json"}, "shapes": {}, "operations": {}}
        service = Service("unknown", nothing)
        self._unknown = JsonProtocol(service)
        self._unknown_by_protocol: Mapping[str, Protocol] = {
            "query": UnknownFormProtocol(service),
            "smithy-rpc-v2-cbor": RpcV2CborProtocol(service),
        }

    def unknown(self, request: HttpRequest) -> Call:
        """Return the call that a request is as long as nothing is known of it; it can carry an error."""
        protocol = self._unknown_by_protocol.get(_asked_protocol(request), self._unknown)
        return Call(request, protocol.service, protocol, request.path)

    def identify(self, request: HttpRequest) -> Call:
        """Return the call that a request is.

        Raises
        ------
        NotImplementedOperationError
            If there is no such service, or it speaks no protocol that is built, or not the one of Smithy's
            that the request is in.
        """
        head = request.head
        if head is None:
            return self._identify(request)
        if head.identity is None:
            call = self._identify(request)
            head.identity = Identity(call.service, call.protocol, call.path, call.parameters)
            return call
        known = head.identity
        return Call(request, known.service, known.protocol, known.path, known.parameters)

    def _identify(self, request: HttpRequest) -> Call:
        host = host_of(request)
        signing_name = credential_scope(request).signing_name or host.signing_name or "s3"
        path = f"/{quote(host.bucket)}{request.path}" if host.bucket else request.path
        services = self._candidates(signing_name)
        if not services:
            raise NotImplementedOperationError(
                f"No service signs as {signing_name[:64]!r}. Sign for a service of AWS, such as sagemaker or s3"
            )
        asked = _asked_protocol(request)
        calls = (
            Call(request, service, self._protocol(service, asked, signing_name), path) for service in services
        )
        call = next(calls)
        if len(services) > 1:
            call = next((one for one in chain((call,), calls) if _claims(one)), call)
        if asked.startswith("smithy-") and asked not in call.service.protocols:
            # Newer clients may speak what the installed model does not know of: they read no other error.
            raise NotImplementedOperationError(
                f"{call.service.full_name} speaks {', '.join(call.service.protocols)}, and not {asked[:64]},"
                " by the service model that is installed here: upgrade botocore where Wildsage runs"
            )
        return call

    def warm(self, service: Service) -> None:
        """Do now what the first request for a service would wait for, its namesakes included."""
        signing_name = service.metadata.get("signingName", service.metadata.get("endpointPrefix", ""))
        for candidate in self._candidates(signing_name):
            for name in PROTOCOLS.keys() & set(candidate.protocols):
                protocol = self._bind(candidate, name, signing_name)
                if isinstance(protocol, RestProtocol):
                    protocol.prepare()

    def _candidates(self, signing_name: str) -> list[Service]:
        """Return the services that sign with a name, in the order in which a request is offered to them."""
        known = self._known.get(signing_name)
        if known is not None:
            return known
        names = load("services.toml")["signing"].get(signing_name, [signing_name])
        found = [service for name in names if (service := self._catalogue.service(name)) is not None]
        # Of namesakes, those that can be understood; a service alone says what it speaks instead.
        found = [service for service in found if PROTOCOLS.keys() & set(service.protocols)] or found
        if found:  # only what exists is kept: the name came off the wire
            self._known[signing_name] = found
        return found

    def _protocol(self, service: Service, asked: str, signing_name: str) -> Protocol:
        bound = self._bound.get((service.name, asked, signing_name))
        if bound is not None:
            return bound
        spoken = [name for name in service.protocols if name in PROTOCOLS]
        if not spoken:
            raise NotImplementedOperationError(
                f"{service.full_name} speaks {', '.join(service.protocols)}, which is not implemented yet"
            )
        if asked in spoken:
            return self._bind(service, asked, signing_name)
        # Requests in a protocol of Smithy's are marked: without a mark it is one of the others.
        name = next((name for name in spoken if not name.startswith("smithy-")), spoken[0])
        protocol = self._bind(service, name, signing_name)
        if not asked or asked in PROTOCOLS:  # only what exists is kept: the name came off the wire
            self._bound[service.name, asked, signing_name] = protocol
        return protocol

    def _bind(self, service: Service, name: str, signing_name: str) -> Protocol:
        key = (service.name, name, signing_name)
        bound = self._bound.get(key)
        if bound is None:
            make = _SPECIAL.get(signing_name, PROTOCOLS[name])
            bound = self._bound[key] = make(service)
        return bound


def _asked_protocol(request: HttpRequest) -> str:
    """Return the protocol that a request is in, by its headers; empty for those that have no mark."""
    content_type = request.headers.get("content-type")
    if "x-amz-target" in request.headers or content_type.startswith("application/x-amz-json"):
        return "json"
    if content_type.startswith("application/x-www-form-urlencoded"):
        return "query"
    smithy = request.headers.get("smithy-protocol")
    if smithy:
        return f"smithy-{smithy}"
    # A form may also stand in the query string: a presigned GetCallerIdentity.
    return "query" if _ACTION.search(request.query_string) else ""


def _claims(call: Call) -> bool:
    target = call.request.headers.get("x-amz-target")
    if target:
        return target.rpartition(".")[0] == call.service.metadata.get("targetPrefix")
    return call.protocol.claims(call)
