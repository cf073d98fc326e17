"""A gateway without a network: requests in, responses out."""

import asyncio
import gzip
import json
from pathlib import Path

import botocore
from botocore.model import ServiceModel

from wildsage.aws.caller import Caller
from wildsage.aws.gateway import Gateway
from wildsage.aws.http import Headers, HttpRequest
from wildsage.aws.identify import credential_scope
from wildsage.core.clock import SystemClock
from wildsage.core.streams import ByteStream

ACCOUNT = "123456789012"
SERVICES = (
    "sagemaker",
    "s3",
    "iam",
    "sts",
    "logs",
    "sagemaker-runtime",
    "events",
    "application-autoscaling",
    "cloudwatch",
    "ecr",
)
"""All that the server has: tests/test_app.py checks it. Each makes the round trips of every operation."""


def botocore_model(service):
    """Return botocore's own reading of a model (its Loader would also look into ``~/.aws``)."""
    directory = Path(botocore.__file__).parent / "data" / service
    [*_, path] = sorted(directory.glob("*/service-2.json.gz"))
    return ServiceModel(json.loads(gzip.decompress(path.read_bytes())), service)


async def believe(request):
    """Authenticate without a check: the caller is whoever the scope says."""
    scope = credential_scope(request)
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/Tester/session"
    return Caller(ACCOUNT, arn, scope.signing_name or "s3", scope.region)


def allow(context, service, operation, request):
    """Authorize everything."""


def gateway(handlers=None, *, authenticate=believe, authorize=allow, internal=None):
    return Gateway(handlers or {}, authenticate, authorize, internal or {}, SystemClock())


def request(method="POST", target="/", *, service="", region="us-west-2", headers=(), body=b""):
    path, _, query = target.partition("?")
    fields = list(headers.items() if isinstance(headers, dict) else headers)
    if service:
        credential = f"Credential=AKIDEXAMPLE/20240101/{region}/{service}/aws4_request"
        fields.append(("authorization", f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0"))
    fields.append(("host", "127.0.0.1:8172"))
    if method in ("PUT", "POST") and not any(name.lower() == "content-length" for name, _ in fields):
        fields.append(("content-length", str(len(body))))
    return HttpRequest(method, path, query, Headers(fields), ByteStream.of(body))


def ask(application, *arguments, **options):
    """Send a request through a gateway; return status, headers (lower case) and body."""
    return asyncio.run(_collect(application, request(*arguments, **options)))


async def _collect(application, sent):
    response = await application.answer(sent)
    body = response.body if isinstance(response.body, bytes) else await response.body.read(1 << 30)
    return response.status, {name.lower(): value for name, value in response.headers}, body


def call_json(application, operation, body=b"{}", *, service="sagemaker", target="SageMaker"):
    headers = {"x-amz-target": f"{target}.{operation}", "content-type": "application/x-amz-json-1.1"}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, content = ask(application, service=service, headers=headers, body=data)
    return status, json.loads(content or b"{}")
