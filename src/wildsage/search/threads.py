"""How many threads linear algebra has."""

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Keep the linear algebra of this process to one thread, until the context ends.

    Matrices of some hundred trials are too small to share: on a busy machine threads that wait for each other take
    many times as long. And sums are then added in the same order on every machine, so that points repeat.
    """
    limit: AbstractContextManager[Any] = ThreadpoolController().limit(limits=1, user_api="blas")
    return limit
