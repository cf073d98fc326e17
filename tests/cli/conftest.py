"""A data directory and a small server that says who calls."""

import json

import pytest
from tests.clients.support import echo_server, say_server

from wildsage.store.layout import Layout


@pytest.fixture
def layout(tmp_path):
    layout = Layout(tmp_path / "data")
    layout.make()
    layout.credentials.write_text(json.dumps({"access_key_id": "WAK", "secret_access_key": "secret"}))
    return layout


@pytest.fixture
def server(layout):
    answer = (
        b"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>"
        b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    with echo_server(answer=answer) as echo:
        say_server(layout, echo.port)
        yield echo
