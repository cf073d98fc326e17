import scipy.linalg  # noqa: F401  loads the library whose threads are counted
from threadpoolctl import threadpool_info, threadpool_limits

from wildsage.search.threads import one_thread


def counted():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_there_is_one_thread_inside_and_as_many_as_before_outside():
    with threadpool_limits(2, user_api="blas"):
        before = counted()
        with one_thread():
            assert set(counted()) == {1}
        assert counted() == before
