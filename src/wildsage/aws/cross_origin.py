"""CORS as S3 does it: a bucket's rules decide what web pages of other origins may ask and read.

The first rule that matches origin, method and asked headers counts. Source: "Using cross-origin resource
sharing" (Amazon S3 User Guide).
"""

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from wildsage.aws.http import HttpRequest, HttpResponse
from wildsage.aws.protocols.base import Call
from wildsage.aws.routing import decode_label
from wildsage.core.errors import ServiceError

Rule = Mapping[str, Any]
_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


class CrossOrigin:
    """Answers to web pages.

    Parameters
    ----------
    find_rules
        Returns the CORS rules of a bucket, or None where it has none or is not there.
    """

    def __init__(self, find_rules: Callable[[str], Sequence[Rule] | None]) -> None:
        self._find_rules = find_rules

    def preflight(self, call: Call, request_id: str) -> HttpResponse:
        """Answer what a browser asks before it sends a request.

        Raises
        ------
        ServiceError
            ``BadRequest`` for an incomplete question, ``AccessForbidden`` where no rule allows it.
        """
        origin = call.request.headers.get("origin")
        method = call.request.headers.get("access-control-request-method")
        if not origin:
            raise ServiceError(
                "Insufficient information. Origin request header needed.", code="BadRequest", status=400
            )
        if not method:
            raise ServiceError(
                "Invalid Access-Control-Request-Method: the header is needed", code="BadRequest", status=400
            )
        rules = self._rules(call)
        if rules is None:
            raise _forbidden("CORSResponse: CORS is not enabled for this bucket.")
        asked = [
            name.strip() for name in call.request.headers.get("access-control-request-headers").split(",")
        ]
        wanted = [name.lower() for name in asked if name]
        rule = _first(rules, origin, method, wanted)
        if rule is None:
            raise _forbidden(
                "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin,"
                " request method / Access-Control-Request-Method or Access-Control-Request-Headers are not"
                " whitelisted by the resource's CORS spec."
            )
        headers = _allowing(rule, origin)
        headers += [("access-control-allow-headers", ", ".join(wanted))] if wanted else []
        if "MaxAgeSeconds" in rule:
            headers.append(("access-control-max-age", str(rule["MaxAgeSeconds"])))
        return HttpResponse(200, [*headers, ("x-amz-request-id", request_id)])

    def allow(self, call: Call, response: HttpResponse) -> None:
        """Let the page that sent a request read the response, where a rule does."""
        if not _is_from_a_page(call.request):
            return
        origin = call.request.headers.get("origin")
        rule = _first(self._rules(call) or (), origin, call.request.method, [])
        if rule is not None:
            response.headers += _allowing(rule, origin)

    def _rules(self, call: Call) -> Sequence[Rule] | None:
        try:
            return self._find_rules(decode_label(call.path.lstrip("/").partition("/")[0]))
        except UnicodeDecodeError:
            return None


def _is_from_a_page(request: HttpRequest) -> bool:
    return request.method != "OPTIONS" and bool(request.headers.get("origin"))


def _first(rules: Sequence[Rule], origin: str, method: str, headers: Sequence[str]) -> Rule | None:
    for rule in rules:
        allowed = [name.lower() for name in rule.get("AllowedHeaders", ())]
        if (
            method in rule["AllowedMethods"]
            and any(_fits(origin, pattern) for pattern in rule["AllowedOrigins"])
            and all(any(_fits(name, pattern) for pattern in allowed) for name in headers)
        ):
            return rule
    return None


def _fits(text: str, pattern: str) -> bool:
    # Of the wildcards only the star is one here.
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))


def _allowing(rule: Rule, origin: str) -> list[tuple[str, str]]:
    anybody = "*" in rule["AllowedOrigins"]
    headers = [
        ("access-control-allow-origin", "*" if anybody else origin),
        ("access-control-allow-methods", ", ".join(rule["AllowedMethods"])),
        ("vary", _VARY),
    ]
    if not anybody:
        headers.append(("access-control-allow-credentials", "true"))
    if rule.get("ExposeHeaders"):
        headers.append(("access-control-expose-headers", ", ".join(rule["ExposeHeaders"])))
    return headers


def _forbidden(message: str) -> ServiceError:
    return ServiceError(message, code="AccessForbidden", status=403)
