import os

import pytest
from threadpoolctl import ThreadpoolController

from wildsage.toolkit.linear_algebra import bounded_products


def threads():
    return {each["num_threads"] for each in ThreadpoolController().select(user_api="blas").info()}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="the machine has one core")
def test_small_products_have_one_thread():
    with ThreadpoolController().limit(limits=2, user_api="blas"):
        with bounded_products(2 * 1000 * 784 * 32):
            assert threads() == {1}
        assert threads() == {2}
        with bounded_products(2 * 5000 * 784 * 1000):
            assert threads() == {2}
