"""Read an object of S3 with the job's own credentials, on the standard library alone."""

import json
import os
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote, urlsplit

from wildsage.core.credentials import AccessKey
from wildsage.core.signing import sign_request
from wildsage.toolkit.script_mode.errors import ClientError

_ATTEMPTS = 6
_TIMEOUT_SECONDS = 60.0


def download(uri: str, target: Path) -> None:
    """Bring ``s3://BUCKET/KEY`` to the file `target`. A server that restarts is waited for.

    Raises
    ------
    ClientError
        If the object does not exist, may not be read, or the server stays away.
    """
    parts = urlsplit(uri)
    path = quote(parts.path, safe="/-_.~")
    failure: Exception | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(0.5 * 2 ** (attempt - 1))
        try:
            _get(f"{_endpoint()}/{parts.netloc}{path}", target)
        except urllib.error.HTTPError as error:
            failure = error
            if error.code < 500:
                break
        except OSError as error:
            failure = error
        else:
            return
    raise ClientError(f"the user's code could not be downloaded from {uri}: {failure}")


def _get(url: str, target: Path) -> None:
    headers = sign_request(_credentials(), "GET", url, region=_region(), at=time.time())
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the job's own endpoint
    with _open(request) as response, target.open("wb") as file:
        shutil.copyfileobj(response, file)


def _endpoint() -> str:
    url = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if not url:
        raise ClientError("the user's code lies in S3, but AWS_ENDPOINT_URL is not set in this container")
    return url.rstrip("/")


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _credentials() -> AccessKey:
    """Return the keys in the environment, else those of the container's role."""
    environment = os.environ
    if "AWS_ACCESS_KEY_ID" in environment:
        secret, token = environment["AWS_SECRET_ACCESS_KEY"], environment.get("AWS_SESSION_TOKEN")
        return AccessKey(environment["AWS_ACCESS_KEY_ID"], secret, token, "", "")
    url = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        raise ClientError(
            "the user's code lies in S3, but this container has no credentials to read it (an isolated job has "
            "none): pass the code as an input channel"
        )
    headers = {}
    token_file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = (
        Path(token_file).read_text().strip()
        if token_file
        else environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    )
    if token:
        headers["Authorization"] = token
    with _open(urllib.request.Request(url, headers=headers)) as response:  # noqa: S310 - as above
        answer = json.load(response)
    return AccessKey(answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], "", "")


def _open(request: urllib.request.Request) -> "urllib.request._UrlopenRet":
    """Open without a proxy: both addresses are this machine's."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(request, timeout=_TIMEOUT_SECONDS)
