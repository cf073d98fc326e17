"""What the subcommands share: errors, tables, and the running server."""

import sys
from argparse import Namespace
from collections.abc import Sequence

from wildsage.clients.discovery import ServerInfo, ServerNotRunningError, find_server
from wildsage.store.layout import Layout

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


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


def make_data_dir(layout: Layout) -> None:
    """Make the data directory unless it is there.

    Raises
    ------
    CommandError
        If it cannot be.
    """
    try:
        layout.make()
        layout.lock.touch(mode=0o600)
    except OSError as error:
        raise CommandError(
            f"cannot keep state in {layout.root}: {error.strerror} ({error.filename})."
            " Choose a folder that you may write, with --data-dir or $WILDSAGE_DATA_DIR"
        ) from None


def confirm(question: str) -> None:
    """Ask on the terminal before something is lost.

    Raises
    ------
    CommandError
        If the answer is not yes, or nobody is there to give one.
    """
    if not sys.stdin.isatty():
        raise CommandError(f"{question} Nobody can be asked here: say --yes")
    if input(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was changed")


def announce(server: ServerInfo) -> None:
    """Say that a server is up, and what to do with it."""
    print(f"Wildsage is up at {server.url} (account {server.account}, {server.region}).")
    print("Run your code with:  wildsage run -- python your_script.py")
    sys.stdout.flush()


def what_keeps_running(count: int) -> str:
    """Say that containers outlive the server, and how to end them."""
    noun = "container (a job or an endpoint worker)" if count == 1 else "containers (jobs, endpoint workers)"
    return (
        f"{count} {noun} keep{'s' if count == 1 else ''} running; `wildsage up -d` takes them up again,"
        " `wildsage down --all` ends them."
    )


def generated(document: str, arguments: Namespace) -> None:
    """Print a generated document; with ``--write FILE`` write it, with ``--check FILE`` compare it.

    Raises
    ------
    CommandError
        If the file is not up to date.
    """
    if arguments.write:
        arguments.write.write_text(document)
    elif arguments.check:
        if not arguments.check.is_file() or arguments.check.read_text() != document:
            raise CommandError(f"{arguments.check} is not up to date: run `make docs`")
    else:
        print(document)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows below a header, columns two spaces apart."""
    lines = [list(header), *[list(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def human_size(size: float) -> str:
    """Return a number of bytes as people read it: ``1.4 GiB``."""
    unit = 0
    while size >= 1024 and unit < len(_UNITS) - 1:
        size /= 1024
        unit += 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{size:.0f} bytes"
