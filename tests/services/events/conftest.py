"""EventBridge behind a whole server, with real clients."""

import pytest
from tests.served import ServedApplication


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ServedApplication(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture(scope="module")
def events(server):
    return server.client("events")
