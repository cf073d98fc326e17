"""The services: there by name at once, made when they are first asked for."""

import subprocess
import sys

import pytest
from tests.served import composed

from wildsage.app import Settings
from wildsage.services.registry import SERVICES
from wildsage.store.layout import Layout

DEAR = ("boto3", "botocore", "cryptography", "numpy", "regex")
"""What a start may not wait for."""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    layout = Layout(tmp_path_factory.mktemp("data"))
    layout.make()
    settings = Settings(layout, layout.root, "123456789012", "")
    with composed(settings, "none") as application:
        yield application.handlers


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


def test_a_start_imports_no_service_and_nothing_dear():
    script = "import sys, wildsage.cli.server, wildsage.app; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    imported = ran.stdout.split()
    assert [name for name in imported if name.startswith("wildsage.services.") and "handlers" in name] == []
    assert {*DEAR} & {*imported} == set()
