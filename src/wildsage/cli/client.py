"""A client of the running server, for the subcommands that ask it as everybody does."""

import functools
import json
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from wildsage.cli.console import CommandError, running_server
from wildsage.store.layout import Layout


def client(arguments: Namespace, service: str, region: str | None = None) -> Any:
    """Make a botocore client of the running server, with the owner's credentials."""
    server = running_server(arguments)
    credentials = json.loads(Layout(arguments.data_dir).credentials.read_text())
    session = botocore.session.Session()
    return session.create_client(
        service,
        region_name=region or getattr(arguments, "region", None) or server.region,
        endpoint_url=server.url,
        aws_access_key_id=credentials["access_key_id"],
        aws_secret_access_key=credentials["secret_access_key"],
        config=Config(retries={"total_max_attempts": 2}, proxies={}),
    )


def asking(execute: Callable[[Namespace], int]) -> Callable[[Namespace], int]:
    """Let a subcommand say in a line what the server refused, or that it went away meanwhile."""

    @functools.wraps(execute)
    def ask(arguments: Namespace) -> int:
        try:
            return execute(arguments)
        except ClientError as error:
            raise CommandError(error.response["Error"]["Message"]) from None
        except BotoCoreError as error:
            running_server(arguments)  # where it is gone, this says how to start it
            raise CommandError(str(error)) from None

    return ask
