"""The services: there by name at once, made when they are first asked for."""

import json
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from tests.refusals import refusal
from tests.served import ServedApplication, composed

from wildsage.app import Settings
from wildsage.services import registry
from wildsage.services.registry import SERVICES, BrokenServiceError, Services
from wildsage.store.layout import Layout

DEAR = ("boto3", "botocore", "cryptography", "numpy", "regex")
"""What a start may not wait for."""


@pytest.fixture(scope="module")
def application(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("data"))
    layout.make()
    settings = Settings(layout, layout.root, "123456789012", "")
    with composed(settings, "none") as application:
        yield application


@pytest.fixture(scope="module")
def services(application):
    return application.handlers


@pytest.fixture
def no_ecr(monkeypatch):
    """Break the modules of one service, as a table without a key that its tables should have."""
    load = registry.import_module

    def broken(name):
        if name == "wildsage.services.ecr.handlers":
            raise KeyError("ecr")
        return load(name)

    monkeypatch.setattr(registry, "import_module", broken)
    return monkeypatch


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_operations_and_is_made_once(name, services):
    assert services[name]
    assert services[name] is services[name]


def test_loading_makes_all_that_are_named(services):
    services.load()
    assert [*services] == [*SERVICES]
    assert len(services) == len(SERVICES)


def test_what_is_no_service_is_not_there(services):
    assert "sqs" not in services
    assert services.get("sqs", {}) == {}


def test_one_that_is_broken_holds_up_no_other_and_is_tried_again(no_ecr, application, caplog):
    services = Services(application._service_rooms())
    services.load()
    assert services.broken == ["ecr"]
    assert services["events"]
    assert "requests for ecr will fail" in caplog.text
    with pytest.raises(BrokenServiceError):  # and not the KeyError of a service that is not there
        services.get("ecr", {})
    no_ecr.undo()
    assert services["ecr"]
    assert services.broken == []


def test_whoever_asks_for_a_broken_service_is_told_and_so_is_whoever_asks_for_health(no_ecr, tmp_path):
    with ServedApplication(tmp_path) as server:
        code = refusal(server.client("ecr").describe_repositories)
        assert code == ("InternalFailure", 500)
        server.client("events").list_rules()
        with pytest.raises(urllib.error.HTTPError) as unwell:
            urllib.request.urlopen(f"{server.url}/health")
        assert unwell.value.code == 503
        assert json.load(unwell.value)["broken_services"] == ["ecr"]


def test_a_start_imports_no_service_and_nothing_dear():
    script = "import sys, wildsage.cli.server, wildsage.app; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    imported = ran.stdout.split()
    assert [name for name in imported if name.startswith("wildsage.services.") and "handlers" in name] == []
    assert {*DEAR} & {*imported} == set()
