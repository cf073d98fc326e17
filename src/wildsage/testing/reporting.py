"""What failed on the server, in pytest's report of the test that met it."""

import time
from collections.abc import Generator, Mapping
from typing import Any

import pytest

from wildsage.testing.ephemeral import Server

_BEGAN = pytest.StashKey[float]()


class Reporting:
    """A pytest plug-in for the life of a server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._started = time.time()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Note when the test began, its fixtures included."""
        item.stash[_BEGAN] = time.time()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Add jobs and endpoints of the test to the report of its failure."""
        report = yield
        if report.failed:
            report.sections += self._sections(item.stash.get(_BEGAN, self._started))
        return report

    def _sections(self, since: float) -> list[tuple[str, str]]:
        try:
            happened = self._server.happened(since)
        except (OSError, RuntimeError) as error:
            return [
                ("Wildsage server", f"it does not answer ({error}); its log:\n{self._server.log()[-4000:]}")
            ]
        return [(_title(thing), _text(thing)) for thing in happened]


def _title(thing: Mapping[str, Any]) -> str:
    return f"Wildsage {thing['kind']} {thing['name']}: {thing['status']}"


def _text(thing: Mapping[str, Any]) -> str:
    reason = [f"FailureReason: {thing['reason']}"] if thing["reason"] else []
    return "\n".join([*reason, *thing["log"]])
