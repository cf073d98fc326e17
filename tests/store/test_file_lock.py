"""A lock is free again when its holder is gone."""

import os

from wildsage.store.file_lock import is_free, take


def test_a_lock_is_held_until_its_file_is_closed(tmp_path):
    path = tmp_path / "lock"
    assert is_free(path)
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    assert is_free(path)
    assert take(first, 0.0)
    assert not is_free(path)
    assert not take(second, 0.01)
    os.close(first)
    assert take(second, 0.0)
    os.close(second)
    assert is_free(path)
