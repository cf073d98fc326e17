"""A platform whose server is a process of its own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.platform import Platform

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is here and not slow: it has a minute of its own, apart from the other tests."""
    for item in items:
        if item.path.is_relative_to(FOLDER) and item.get_closest_marker("faults") is None:
            item.add_marker(pytest.mark.crashes)


@contextlib.contextmanager
def _platform(root: Path) -> Iterator[Platform]:
    house = Platform(root)
    try:
        house.start()
        house.client("s3").create_bucket(
            Bucket="out", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
        )
        yield house
    finally:
        house.end()


@pytest.fixture
def cold_platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform whose server was never started."""
    house = Platform(tmp_path)
    try:
        yield house
    finally:
        house.end()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """A platform for one test, which may kill its server."""
    with _platform(tmp_path) as house:
        yield house


@pytest.fixture(scope="module")
def lasting_platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform for all tests of a module; its server lives."""
    with _platform(tmp_path_factory.mktemp("platform")) as house:
        house.make_endpoint_parts()
        yield house
