"""Fixtures that every room's tests share."""

import functools
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import HealthCheck, settings

from wildsage.aws import model
from wildsage.compute.bubblewrap import Bubblewrap
from wildsage.compute.namespaces import Namespaces
from wildsage.core.context import RequestContext
from wildsage.store import database, migrate
from wildsage.store.database import Database

# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


class FakeClock:
    """A clock that a test moves."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@pytest.fixture(scope="session", autouse=True)
def _models_read_once() -> Iterator[None]:
    """Share what clients and servers read of botocore's data: many are made, and reading takes most of their time."""
    read = functools.cache(JSONFileLoader().load_file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", lambda _loader, path: read(path))
        patch.setattr(model, "_read_service", functools.cache(model._read_service))
        yield


@pytest.fixture(scope="session", autouse=True)
def _schemas_made_once() -> Iterator[None]:
    """Copy the schema into each new database: its migrations would take most of the time of many a test."""
    made: dict[tuple[str, int], sqlite3.Connection] = {}
    real = migrate.migrate

    def copied(connection: sqlite3.Connection, path: Path, folder: str) -> None:
        if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            which = folder, migrate.newest_schema(folder)
            if which not in made:
                made[which] = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                real(made[which], path, folder)
            made[which].backup(connection)
        real(connection, path, folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "migrate", copied)
        yield
    for connection in made.values():
        connection.close()


@pytest.fixture(scope="session", autouse=True)
def _sandboxes_tried_once() -> Iterator[None]:
    """Remember what works on this machine: trying costs a container, in each server that a test makes."""
    with pytest.MonkeyPatch.context() as patch:
        for backend in (Bubblewrap, Namespaces):
            patch.setattr(backend, "probe", functools.cache(backend.probe))
        yield


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def context(clock: FakeClock) -> RequestContext:
    return RequestContext(
        account="123456789012",
        region="us-west-2",
        partition="aws",
        principal_arn="arn:aws:sts::123456789012:assumed-role/Tester/session",
        request_id="request-1",
        clock=clock,
        endpoint_url="http://127.0.0.1:1",
    )


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "state.db", "state")
    yield database
    database.close()


@pytest.fixture
def telemetry(tmp_path: Path) -> Iterator[Database]:
    database = Database(tmp_path / "telemetry.db", "telemetry", durable=False)
    yield database
    database.close()


@pytest.fixture
def ordinary() -> Iterator[Path]:
    """A folder of an ordinary user, whom this process is meanwhile: root passes through closed folders."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)
            os.seteuid(user)
    finally:
        os.seteuid(user)
