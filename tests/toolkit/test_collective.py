import socket
import threading

import numpy as np
import pytest

from wildsage.toolkit import collective
from wildsage.toolkit.collective import join
from wildsage.toolkit.errors import PlatformError
from wildsage.toolkit.local import loopback_addresses

HOSTS = loopback_addresses(3)


@pytest.fixture
def port():
    with socket.create_server((HOSTS[0], 0)) as server:
        return server.getsockname()[1]


def on_each(work, port, hosts=HOSTS):
    """Run `work` on every host at once; returns what each gave, or raised."""
    results = [None] * len(hosts)

    def run(rank):
        try:
            with join(hosts, hosts[rank], port) as group:
                results[rank] = work(group)
        except PlatformError as error:
            results[rank] = error

    threads = [threading.Thread(target=run, args=[rank]) for rank in reversed(range(len(hosts)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_sums_are_the_same_on_every_host_to_the_last_bit(port):
    parts = np.random.default_rng(0).normal(size=(3, 100, 7)).astype(np.float32)
    results = on_each(lambda group: group.sum(parts[group.rank]), port)
    for result in results:
        assert np.array_equal(result, parts[0] + parts[1] + parts[2])


def test_arrays_larger_than_any_buffer(port):
    results = on_each(lambda group: group.sum(np.full(3_000_000, group.rank + 1.0)), port)
    assert [result[[0, -1]].tolist() for result in results] == [[6, 6]] * 3


def test_arrays_of_any_shape_are_gathered_in_the_order_of_the_hosts(port):
    results = on_each(lambda group: group.gather(np.full((group.rank + 1, 2), group.rank)), port)
    assert [part.tolist() for part in results[0]] == [[[0, 0]], [[1, 1]] * 2, [[2, 2]] * 3]
    assert results[1:] == [[], []]


def test_one_array_is_shared(port):
    results = on_each(lambda group: group.share(np.int64([group.rank + 5])), port)
    assert [result.tolist() for result in results] == [[5]] * 3


def test_many_calls_in_a_row(port):
    def work(group):
        return [float(group.sum(np.float64([group.rank * step]))[0]) for step in range(50)]

    assert on_each(work, port) == [[3.0 * step for step in range(50)]] * 3


def test_a_host_alone_sends_nothing():
    with join(["algo-1"], "algo-1") as group:
        array = np.float32([1, 2])
        assert group.is_alone
        assert group.is_first
        assert group.sum(array) is array
        assert group.gather(array) == [array]
        assert group.share(array) is array


def test_a_host_that_leaves_is_noticed(port, monkeypatch):
    monkeypatch.setattr(collective, "_LAST_WORDS_SECONDS", 0)

    def work(group):
        return None if group.rank == 1 else group.sum(np.zeros(3))

    first, _, third = on_each(work, port)
    assert str(first) == str(third) == "another host of the job is gone"


def test_a_host_that_never_comes_is_named(port, monkeypatch):
    monkeypatch.setattr(collective, "_PATIENCE_SECONDS", 0.05)
    with (
        pytest.raises(PlatformError, match=f"^{HOSTS[1]}, {HOSTS[2]} did not come to {HOSTS[0]}"),
        join(HOSTS, HOSTS[0], port),
    ):
        pass
