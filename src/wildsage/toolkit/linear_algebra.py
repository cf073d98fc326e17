"""How many threads matrix products have."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from threadpoolctl import ThreadpoolController

_WORTH_SHARING: Final = 1 << 32
"""Multiplications and additions from which on threads pay even where other programs use the same cores."""


@contextmanager
def bounded_products(operations: int) -> Iterator[None]:
    """Keep products of numpy in this process to one thread until the context ends, unless they are large.

    Threads of OpenBLAS wait for each other after every product without sleeping. Beside other work on the same cores
    a product of a millisecond took fifty so; one of some seconds hardly loses by it.

    Parameters
    ----------
    operations
        Multiplications and additions of the products between which other work is done: of (n, d) times (d, k),
        2 n d k.
    """
    if operations >= _WORTH_SHARING:
        yield
        return
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        yield
