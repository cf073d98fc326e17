"""Who gets what, and in which order."""

from hypothesis import given
from hypothesis import strategies as st

from wildsage.supervisor.contract import Share
from wildsage.supervisor.dealing import deal, deal_lines

SEEDS = st.none() | st.integers(-(2**63), 2**63 - 1)


@given(st.integers(0, 40), st.integers(1, 7), SEEDS, st.integers(0, 3))
def test_together_the_hosts_have_everything_once(count, hosts, seed, epoch):
    dealt = [deal(range(count), Share(index, hosts), seed, epoch) for index in range(hosts)]
    assert sorted(part for parts in dealt for part in parts) == list(range(count))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


def test_one_host_gets_all_in_their_order():
    assert deal("abc", Share()) == "abc"
    assert deal("abcde", Share(1, 2)) == "bd"


def test_an_order_is_repeatable_and_another_in_each_epoch():
    parts = range(20)
    first, second = (deal(parts, Share(), 7, epoch) for epoch in (0, 1))
    assert first == deal(parts, Share(), 7, 0)
    assert first not in (second, deal(parts, Share(), 8, 0), list(parts))
    # Frozen: a job that is run again sees its data in the order it had.
    assert deal("abcdefgh", Share(), 1, 0) == FROZEN


def test_with_a_seed_a_host_gets_other_parts_in_the_next_epoch():
    share = Share(0, 2)
    assert set(deal(range(20), share, 1, 0)) != set(deal(range(20), share, 1, 1))


FROZEN = list("bfechadg")


LINES = [(number, b"line %d" % number) for number in range(1, 21)]


def test_lines_without_a_seed_pass_one_by_one():
    endless = ((number, b"") for number in iter(int, 1))
    dealt = deal_lines(endless, Share(1, 2), None, 0)
    assert [next(dealt), next(dealt)] == [(0, b"")] * 2


def test_lines_are_dealt_and_shuffled_as_objects_are():
    for seed in (None, 7):
        shares = [list(deal_lines(iter(LINES), Share(n, 3), seed, 2)) for n in range(3)]
        assert shares == [list(deal(LINES, Share(n, 3), seed, 2)) for n in range(3)]
