"""A browser's upload (POST Object): a form becomes the PutObject that it stands for."""

import hmac
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from wildsage.aws import refusals
from wildsage.aws.caller import Caller
from wildsage.aws.form_data import Form, boundary_of, read_form
from wildsage.aws.form_policy import SizeRange, check_policy
from wildsage.aws.http import Headers, HttpRequest, HttpResponse
from wildsage.aws.protocols.base import Call, MismatchError
from wildsage.aws.protocols.rest_xml import DECLARATION, elements
from wildsage.aws.protocols.xml_tree import parse
from wildsage.aws.refusals import Dialect
from wildsage.aws.routing import decode_label
from wildsage.core.clock import Clock
from wildsage.core.credentials import AccessKey
from wildsage.core.errors import ServiceError
from wildsage.core.signing import Scope, sign_policy_v2, sign_policy_v4
from wildsage.core.streams import ByteStream

_STATUSES = frozenset({"200", "201", "204"})
_COPIED = frozenset({"cache-control", "content-type", "content-disposition", "content-encoding", "expires"})
_OF_THE_FORM = frozenset(
    {"x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-security-token"}
)


@dataclass(frozen=True, slots=True)
class Upload:
    """A form that was accepted: who sent it, and how the browser wants its answer."""

    caller: Caller
    fields: Mapping[str, str]
    bucket: str
    key: str
    location: str

    def answer(self, response: HttpResponse) -> HttpResponse:
        """Return the answer to the form from the answer to its PutObject."""
        etag = next((value for name, value in response.headers if name.lower() == "etag"), "")
        headers = [(name, value) for name, value in response.headers if name.lower() != "content-type"]
        target = self.fields.get("success_action_redirect") or self.fields.get("redirect")
        if target and target.partition(":")[0].lower() in ("http", "https"):
            query = urlencode({"bucket": self.bucket, "key": self.key, "etag": etag}, quote_via=quote)
            joint = "&" if "?" in target else "?"
            return HttpResponse(303, [*headers, ("location", f"{target}{joint}{query}")])
        headers.append(("location", self.location))
        status = self.fields.get("success_action_status", "204")
        if status != "201":
            return HttpResponse(int(status) if status in _STATUSES else 204, headers)
        said = {"Location": self.location, "Bucket": self.bucket, "Key": self.key, "ETag": etag}
        document = f"{DECLARATION}<PostResponse>{elements(said)}</PostResponse>"
        return HttpResponse(201, [*headers, ("content-type", "application/xml")], document.encode())


class FormUploads:
    """Accepts forms whose policy is signed with a key that is known here."""

    def __init__(self, find_key: Callable[[str], AccessKey | None], clock: Clock) -> None:
        self._find_key = find_key
        self._clock = clock

    async def accept(self, call: Call) -> Upload | None:
        """Turn a call into the PutObject that its form stands for; None, and nothing changed, for other calls.

        Raises
        ------
        ServiceError
            Where the form, its policy or its signature does not hold.
        """
        request = call.request
        if call.service.name != "s3" or request.method != "POST" or request.query_string:
            return None
        boundary = boundary_of(request.headers.get("content-type"))
        bucket = call.path.strip("/")
        if boundary is None or not bucket or "/" in bucket or "authorization" in request.headers:
            return None
        form = await read_form(request.body, boundary)
        fields = {name.lower(): value for name, value in form.fields.items()}
        if not fields.get("key"):
            raise _missing("key")
        fields["key"] = fields["key"].replace("${filename}", form.file_name)
        caller = self._verify(fields)
        size = check_policy(fields["policy"], {**fields, "bucket": decode_label(bucket)}, self._clock.now())
        path = f"/{bucket}/{quote(fields['key'])}"
        location = f"{request.scheme}://{request.headers.get('host')}{path}"
        call.request, call.path = _put(request, path, fields, form, size), path
        return Upload(caller, fields, decode_label(bucket), fields["key"], location)

    def _verify(self, fields: Mapping[str, str]) -> Caller:
        policy = fields.get("policy")
        if policy is None:
            raise ServiceError("Access Denied: the form has no policy", code="AccessDenied", status=403)
        if "x-amz-signature" in fields or "x-amz-credential" in fields:
            parts = _required(fields, "x-amz-credential").split("/")
            if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:
                raise _invalid("x-amz-credential must be KEY/YYYYMMDD/REGION/s3/aws4_request")
            key = self._key(parts[0], fields)
            expected = sign_policy_v4(key.secret_access_key, Scope(parts[1], parts[2], "s3"), policy)
            given, region = _required(fields, "x-amz-signature"), parts[2]
        else:
            key = self._key(_required(fields, "awsaccesskeyid"), fields)
            expected = sign_policy_v2(key.secret_access_key, policy)
            given, region = _required(fields, "signature"), ""
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise refusals.mismatch(Dialect.S3)
        return Caller(key.account, key.principal_arn, "s3", region)

    def _key(self, access_key_id: str, fields: Mapping[str, str]) -> AccessKey:
        key = self._find_key(access_key_id)
        if key is None:
            raise refusals.unknown_key(Dialect.S3, access_key_id)
        token = fields.get("x-amz-security-token", "")
        if not hmac.compare_digest(token.encode(), (key.session_token or "").encode()):
            raise refusals.invalid_token(Dialect.S3)
        if key.expires_at is not None and key.expires_at <= self._clock.now():
            raise refusals.expired_token(Dialect.S3)
        return key


def _put(
    request: HttpRequest, path: str, fields: Mapping[str, str], form: Form, size: SizeRange
) -> HttpRequest:
    headers = [("host", request.headers.get("host"))]
    for name, value in fields.items():
        if name in _COPIED or (name.startswith("x-amz-") and name not in _OF_THE_FORM):
            headers.append((name, value.encode().decode("latin-1").translate({10: " ", 13: " "})))
    if "acl" in fields:
        headers.append(("x-amz-acl", fields["acl"]))
    if "tagging" in fields:
        headers.append(("x-amz-tagging", _tagging(fields["tagging"])))
    body = ByteStream(_within(form.file, size))
    return HttpRequest("PUT", path, "", Headers(headers), body, request.scheme)


async def _within(file: ByteStream, size: SizeRange) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in file:
        total += len(chunk)
        if size.largest is not None and total > size.largest:
            raise ServiceError(
                f"Your proposed upload exceeds the maximum allowed size: {total} of {size.largest} bytes",
                code="EntityTooLarge",
                status=400,
                members={"ProposedSize": total, "MaxSizeAllowed": size.largest},
            )
        yield chunk
    if total < size.smallest:
        raise ServiceError(
            f"Your proposed upload is smaller than the minimum allowed size: {total} of {size.smallest} bytes",
            code="EntityTooSmall",
            status=400,
            members={"ProposedSize": total, "MinSizeAllowed": size.smallest},
        )


def _tagging(document: str) -> str:
    try:
        sets = parse(document.encode()).named("TagSet")
        tags = [tag for tag_set in sets for tag in tag_set.named("Tag")]
        return urlencode([(tag.named("Key")[0].text, tag.named("Value")[0].text) for tag in tags])
    except (MismatchError, IndexError):
        raise ServiceError(
            "The XML you provided in the field 'tagging' was not well-formed", code="MalformedXML", status=400
        ) from None


def _required(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise _missing(name)
    return fields[name]


def _missing(name: str) -> ServiceError:
    return _invalid(
        f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of the fields."
    )


def _invalid(message: str) -> ServiceError:
    return ServiceError(message, code="InvalidArgument", status=400)
