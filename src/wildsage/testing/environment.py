"""Variables of this process, changed for a while."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping


@contextlib.contextmanager
def variables(changes: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables, or (None) unset them, and put them back as they were.

    boto3 keeps a session for ``boto3.client(...)`` with the credentials it found first: it begins anew on
    both sides.
    """
    before = {name: os.environ.get(name) for name in changes}
    session = _swap_default_session(None)
    _apply(changes)
    try:
        yield
    finally:
        _apply(before)
        _swap_default_session(session)


def _apply(changes: Mapping[str, str | None]) -> None:
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _swap_default_session(session: object) -> object:
    boto3 = sys.modules.get("boto3")
    if boto3 is None:
        return None
    before = getattr(boto3, "DEFAULT_SESSION", None)
    boto3.DEFAULT_SESSION = session  # type: ignore[attr-defined]  # how boto3 itself keeps it
    return before
