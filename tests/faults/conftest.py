"""A platform whose server is a process of its own."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.platform import Platform


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
