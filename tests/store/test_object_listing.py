"""Pages against the plain definition: sort, roll up, cut."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.core.clock import SystemClock
from wildsage.store.buckets import Buckets
from wildsage.store.database import Database
from wildsage.store.object_listing import list_page, rolled_up
from wildsage.store.objects import Objects

WORDS = st.text("ab/é\U0010ffff", max_size=5)


@pytest.fixture(scope="module")
def buckets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("listing")
    database, objects = Database(folder / "state.db", "state"), Objects(folder / "objects")
    yield Buckets(database, objects, SystemClock())
    database.close()
    objects.close()


def fill(buckets, keys):
    """Make a bucket with rows alone: a listing never looks at content."""
    name = f"bucket-{len(buckets.list_buckets('1', '', '', 1000))}"
    asyncio.run(buckets.create_bucket(name, "1", "us-west-2"))
    rows = [(name, key) for key in keys]
    buckets.database.write_blocking(
        lambda transaction: transaction.executemany(
            "INSERT INTO object VALUES (?, ?, '', 'x', 0, 'e', 0, 'STANDARD', '{}', 0)", rows
        )
    )
    return name


def naive(keys, prefix, delimiter, after):
    found = (key for key in keys if key.startswith(prefix))
    entries = {rolled_up(key, prefix, delimiter) or key for key in found}
    return sorted((entry for entry in entries if entry.encode() > after.encode()), key=str.encode)


def entries(page):
    return sorted([record.key for record in page.objects] + page.common_prefixes, key=str.encode)


@given(
    st.sets(WORDS.filter(bool), max_size=60),
    WORDS,
    st.sampled_from(["", "/", "a", "b/", "\U0010ffff"]),
    WORDS,
    st.integers(1, 7),
)
@settings(max_examples=80, deadline=None)
def test_pages_are_the_naive_ones(buckets, keys, prefix, delimiter, after, limit):
    bucket = fill(buckets, keys)
    expected = naive(keys, prefix, delimiter, after)
    seen = []
    while True:
        page = list_page(buckets, bucket, prefix, delimiter, after, limit)
        seen += entries(page)
        assert len(page) <= limit
        assert page.truncated == (len(seen) < len(expected))
        if not page.truncated:
            break
        assert page.last == seen[-1]
        after = page.last
    assert seen == expected


def test_a_page_costs_what_it_shows(buckets, monkeypatch):
    keys = [f"{folder:03}/{number:05}" for folder in range(50) for number in range(400)]
    bucket = fill(buckets, keys)
    read = []
    real = buckets.keys_from

    def counting(*args, **options):
        rows = real(*args, **options)
        read.extend(rows)
        return rows

    monkeypatch.setattr(buckets, "keys_from", counting)
    page = list_page(buckets, bucket, "", "/", "", 1000)
    assert len(page.common_prefixes) == 50
    assert len(read) < len(keys) / 10


def test_no_room_is_no_page(buckets):
    bucket = fill(buckets, ["a"])
    assert not list_page(buckets, bucket, "", "", "", 0).truncated
