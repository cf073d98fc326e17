import threading

import pytest

from wildsage.toolkit.ahead import ahead


def test_items_come_in_their_order():
    assert list(ahead(range(5))) == [0, 1, 2, 3, 4]
    assert list(ahead([None, None])) == [None, None]
    assert list(ahead([])) == []


def test_the_next_item_is_made_while_one_is_used():
    made = threading.Event()

    def items():
        yield 1
        made.set()
        yield 2

    found = ahead(items())
    assert next(found) == 1
    assert made.wait(10)
    assert next(found) == 2


def test_an_error_comes_in_the_place_of_its_item():
    def items():
        yield 1
        raise ValueError("no second one")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="no second one"):
        next(found)


def test_whoever_leaves_early_leaves_no_thread():
    before = threading.active_count()
    found = ahead(range(100))
    next(found)
    found.close()
    assert threading.active_count() == before
