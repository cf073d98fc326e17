"""An ephemeral server for tests: `server` for unittest and scripts, fixtures for pytest (``docs/testing.md``).

The names are imported when they are asked for: pytest imports this package wherever Wildsage is installed.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wildsage.testing.account import Account
    from wildsage.testing.ephemeral import Server, ServerNotStartedError, server

__all__ = ["Account", "Server", "ServerNotStartedError", "server"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("wildsage.testing.ephemeral"), name)
