"""Tests call parts of the search beside its entrances, which limit the threads."""

from collections.abc import Iterator

import pytest

from wildsage.search.threads import one_thread


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield
