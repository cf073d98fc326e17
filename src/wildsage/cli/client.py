"""A client of the running server, for the subcommands that ask it as everybody does."""

import json
from argparse import Namespace
from typing import Any

import botocore.session
from botocore.config import Config

from wildsage.cli.console import running_server
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
