"""Ask the running server what it tells its owner alone, beside the AWS API."""

import contextlib
import hashlib
import http.client
import json
import time
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from wildsage.cli.console import CommandError, running_server
from wildsage.clients.discovery import OWNER_PATH
from wildsage.core.credentials import AccessKey
from wildsage.core.signing import sign_request
from wildsage.store.layout import Layout

_PATIENCE_SECONDS = 900.0
"""An image's environment may have to be built first."""


def ask_owner(arguments: Namespace, call: str, **members: Any) -> Mapping[str, Any]:
    """Call the server as its owner and return the answer.

    Account and region are those of the server, or of ``--region``.

    Raises
    ------
    CommandError
        With what the server says, or if none runs.
    """
    server = running_server(arguments)
    keys = json.loads(Layout(arguments.data_dir).credentials.read_text())
    region = getattr(arguments, "region", None) or server.region
    body = json.dumps({"account": server.account, "region": region, **members}).encode()
    key = AccessKey(keys["access_key_id"], keys["secret_access_key"], None, server.account, "")
    path = f"{OWNER_PATH}/{call}"
    headers = sign_request(
        key,
        "POST",
        server.url + path,
        region=region,
        at=time.time(),
        service="sagemaker",
        payload_hash=hashlib.sha256(body).hexdigest(),
    )
    host, port = server.address
    try:
        with contextlib.closing(
            http.client.HTTPConnection(host, port, timeout=_PATIENCE_SECONDS)
        ) as connection:
            connection.request("POST", path, body, headers)
            response = connection.getresponse()
            reply: dict[str, Any] = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        running_server(arguments)  # where it is gone, this says how to start it
        raise CommandError(f"the server did not answer {call}: {error}") from None
    if response.status != 200:
        raise CommandError(str(reply.get("message", reply)))
    return reply
