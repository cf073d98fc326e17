"""The pytest plug-in: fixtures, and what failed on the server in the report of a failed test.

pytest imports this file wherever Wildsage is installed. It imports nothing of weight and registers no hook that
runs for a test: that comes with the first use of a fixture.
"""

import importlib
import os
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wildsage.testing.account import Account
    from wildsage.testing.ephemeral import Server

_SCOPES = ("session", "package", "module", "class", "function")
_EARLY = pytest.StashKey[tuple[ExitStack, "Server"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    parser.addoption(
        "--wildsage",
        action="store_true",
        help="start the Wildsage server before anything is imported: for code that makes AWS clients at import",
    )
    parser.addini("wildsage_scope", "scope of the server (default: session)", default="session")
    parser.addini(
        "wildsage_isolation",
        "how often an account of its own begins: empty (default): never; package, module, class or function",
        default="",
    )
    parser.addini("wildsage_account", "12-digit id of the server's account", default="")
    parser.addini("wildsage_region", "region of the sessions", default="")
    parser.addini(
        "wildsage_fast_waits", "shorten the waits of the SageMaker SDKs and boto3", type="bool", default=True
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start the server now, where ``--wildsage`` asks for it; with xdist in its workers, which run the tests."""
    known = early_config.known_args_namespace
    workers = getattr(known, "numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ
    if getattr(known, "wildsage", False) and not workers:
        stack = ExitStack()
        early_config.stash[_EARLY] = stack, stack.enter_context(_new_server(early_config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the server of ``--wildsage``."""
    stack, _server = config.stash.get(_EARLY, (None, None))
    if stack is not None:
        stack.close()


def _new_server(config: pytest.Config) -> "AbstractContextManager[Server]":
    # By name: whoever uses no fixture waits for no import.
    server: AbstractContextManager[Server] = importlib.import_module("wildsage.testing.ephemeral").server(
        account=config.getini("wildsage_account") or None,
        region=config.getini("wildsage_region") or None,
        shorten_waits=config.getini("wildsage_fast_waits"),
    )
    return server


def _server_scope(fixture_name: str, config: pytest.Config) -> Any:  # noqa: ARG001 - pytest calls it by these names
    return _scope(config, "wildsage_scope", config.getini("wildsage_scope"))


def _account_scope(fixture_name: str, config: pytest.Config) -> Any:
    isolation = config.getini("wildsage_isolation")
    return (
        _scope(config, "wildsage_isolation", isolation) if isolation else _server_scope(fixture_name, config)
    )


def _scope(config: pytest.Config, setting: str, value: str) -> str:
    if value not in _SCOPES:
        raise pytest.UsageError(
            f"{setting} = {value!r} in {config.inipath}: give one of {', '.join(_SCOPES)}"
        )
    return value


@pytest.fixture(scope=_server_scope)
def wildsage_server(request: pytest.FixtureRequest) -> "Iterator[Server]":
    """An ephemeral Wildsage server; all AWS clients of this process come to it while it lives."""
    _stack, early = request.config.stash.get(_EARLY, (None, None))
    with ExitStack() as stack:
        server = early or stack.enter_context(_new_server(request.config))
        reporting = importlib.import_module("wildsage.testing.reporting").Reporting(server)
        request.config.pluginmanager.register(reporting)
        stack.callback(request.config.pluginmanager.unregister, reporting)
        yield server


@pytest.fixture(scope=_account_scope)
def wildsage_account(request: pytest.FixtureRequest, wildsage_server: "Server") -> "Iterator[Account]":
    """The account that all clients use; a new one as often as ``wildsage_isolation`` says."""
    if not request.config.getini("wildsage_isolation"):
        yield wildsage_server.account
        return
    account = wildsage_server.new_account()
    with account.in_force():
        yield account


@pytest.fixture(scope=_account_scope)
def wildsage_session(wildsage_account: "Account") -> Any:
    """A boto3 session of the account, with credentials, region and endpoint."""
    return wildsage_account.session()


@pytest.fixture(scope=_account_scope)
def sagemaker_session(wildsage_account: "Account") -> Any:
    """A session of the SageMaker Python SDK, v2 or v3, whichever is installed."""
    return wildsage_account.sagemaker_session()


@pytest.fixture(scope=_account_scope)
def wildsage_role(wildsage_account: "Account") -> str:
    """The ARN of the account's execution role."""
    return wildsage_account.role


@pytest.fixture
def wildsage_bucket(wildsage_account: "Account") -> str:
    """The name of a bucket that is new and empty."""
    return wildsage_account.bucket()
