import socket

import pytest
from tests.acceptance.live import Live

pytestmark = pytest.mark.acceptance


def test_the_outside_network_is_off(server: Live, loopback_only: int | str):
    if isinstance(loopback_only, str):
        pytest.skip(loopback_only)
    # An address of the documentation range: with any route outside, this would wait instead of failing at once.
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 443), timeout=5)
    with socket.create_connection(("127.0.0.1", int(server.said()["url"].rsplit(":", 1)[1])), timeout=5):
        pass
