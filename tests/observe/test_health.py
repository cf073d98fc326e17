"""Well, unwell, and why."""

import asyncio
import json
import shutil
from types import SimpleNamespace

import pytest
from tests.aws.support import request

from wildsage import __version__
from wildsage.observe.health import LEAST_FREE_BYTES, Health


def ask(health, method="GET"):
    response = asyncio.run(health(request(method, "/health")))
    return response.status, json.loads(response.body or b"{}")


@pytest.fixture
def health(tmp_path, state):
    return Health(tmp_path, [state])


def test_a_server_that_is_well(health, tmp_path):
    status, said = ask(health)
    assert status == 200
    assert abs(said.pop("disk_free_bytes") - shutil.disk_usage(tmp_path).free) < 1 << 30
    assert said == {
        "status": "ok",
        "ready": True,
        "version": __version__,
        "writers": {"state": True},
        "broken_services": [],
    }


def test_one_that_stops(health):
    health.is_ready = False
    status, said = ask(health)
    assert (status, said["status"], said["ready"]) == (503, "unwell", False)


def test_one_whose_writer_is_gone(health, state):
    state.close()
    status, said = ask(health)
    assert (status, said["writers"]) == (503, {"state": False})


def test_one_without_space(health, monkeypatch):
    free = SimpleNamespace(free=LEAST_FREE_BYTES - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert ask(health)[0] == 503


def test_one_with_a_service_that_cannot_be_loaded(health):
    health.broken = lambda: ["ecr"]
    status, said = ask(health)
    assert (status, said["status"], said["broken_services"]) == (503, "unwell", ["ecr"])


def test_nothing_can_be_changed_there(health):
    assert ask(health, "POST")[0] == 405
