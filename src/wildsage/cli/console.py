"""What the subcommands share: errors, tables, and a client of the running server."""

import json
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import botocore.session
from botocore.config import Config

from wildsage.clients.discovery import ServerInfo, ServerNotRunningError, find_server
from wildsage.store.layout import Layout


class CommandError(Exception):
    """A command cannot do what it was asked. The text says why and what to do."""


def running_server(arguments: Namespace) -> ServerInfo:
    """Return the server of the data directory.

    Raises
    ------
    CommandError
        If none runs.
    """
    try:
        return find_server(Layout(arguments.data_dir))
    except ServerNotRunningError as error:
        raise CommandError(str(error)) from None


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


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows below a header, columns two spaces apart."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
