"""What a container's pip is told, compared with what pip itself makes of the same configuration."""

import os
import shutil
import subprocess

import pytest

from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.pip_settings import pip_settings
from wildsage.images.registered import RegisteredImages


@pytest.fixture
def machine(tmp_path):
    """Write pip's files; the folders of this machine are out of the way."""
    files = {
        "site": tmp_path / "etc/pip/pip.conf",
        "user": tmp_path / "home/.config/pip/pip.conf",
        "environment": tmp_path / "venv/pip.conf",
        "named": tmp_path / "named.conf",
    }
    environment = {"HOME": str(tmp_path / "home"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}

    def write(kind, text):
        files[kind].parent.mkdir(parents=True, exist_ok=True)
        files[kind].write_text(text)
        return files[kind]

    def read(**variables):
        return pip_settings({**environment, **variables}, tmp_path / "venv", tmp_path / "etc/pip.conf")

    write.read, write.environment = read, environment
    return write


def test_without_configuration_nothing_is_said(machine):
    assert machine.read().variables == {}
    assert machine.read().paths == ()


def test_the_nearest_setting_wins(machine):
    machine("site", "[global]\nindex-url = https://site/\ntrusted-host = a\n  b\n")
    assert machine.read().variables == {"PIP_INDEX_URL": "https://site/", "PIP_TRUSTED_HOST": "a b"}
    machine("user", "[global]\nindex_url = https://user/\n")
    assert machine.read().variables["PIP_INDEX_URL"] == "https://user/"
    machine("environment", "[global]\nindex-url = https://environment/\n")
    assert machine.read().variables["PIP_INDEX_URL"] == "https://environment/"
    named = machine("named", "[global]\nindex-url = https://named/\n")
    assert machine.read(PIP_CONFIG_FILE=str(named)).variables["PIP_INDEX_URL"] == "https://named/"
    machine("site", "[install]\nindex-url = https://install/\n")
    assert machine.read(PIP_CONFIG_FILE=str(named)).variables["PIP_INDEX_URL"] == "https://install/"
    assert machine.read(PIP_INDEX_URL="https://variable/").variables["PIP_INDEX_URL"] == "https://variable/"
    assert machine.read(PIP_CONFIG_FILE=os.devnull).variables == {}


def test_what_means_nothing_in_a_container_stays_outside(machine):
    machine("user", "[global]\ntarget = /home/me/lib\nuser = true\ncache-dir = /x\nlog = /y\nretries = 7\n")
    settings = machine.read(
        PIP_PREFIX="/z", PIP_REQUIRE_VIRTUALENV="1", PIPELINE="no", PIP_CONFIG_FILE="/none"
    )
    assert settings.variables == {"PIP_RETRIES": "7"}


def test_local_indexes_constraints_and_certificates_come_along(machine, tmp_path):
    for name in ("home/wheels", "index with space", "simple"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("constraints.txt", "ca.pem"):
        (tmp_path / name).touch()
    machine(
        "user",
        f"[global]\nfind-links = ~/wheels\n    https://wheels/\nconstraint = {tmp_path}/constraints.txt\n"
        f"extra-index-url = file://{tmp_path}/simple\n    file://{tmp_path}/index%20with%20space\n"
        "index-url = file:///absent/simple\n",
    )
    settings = machine.read(REQUESTS_CA_BUNDLE=f"{tmp_path}/ca.pem")
    assert settings.variables["PIP_FIND_LINKS"] == f"{tmp_path}/home/wheels https://wheels/"
    assert settings.variables["PIP_CERT"] == f"{tmp_path}/ca.pem"
    names = ["ca.pem", "constraints.txt", "home/wheels", "index with space", "simple"]
    assert settings.paths == tuple(tmp_path / name for name in names)
    assert machine.read(REQUESTS_CA_BUNDLE="/a", PIP_CERT="/b").variables["PIP_CERT"] == "/b"


def test_a_proxy_is_not_in_the_way_of_the_server(machine):
    variables = machine.read(https_proxy="http://proxy:3128", NO_PROXY="intern").variables
    assert variables["HTTPS_PROXY"] == variables["https_proxy"] == "http://proxy:3128"
    assert variables["NO_PROXY"] == variables["no_proxy"] == "intern,127.0.0.1,localhost"


def test_a_broken_file_is_pips_to_complain_about(machine):
    machine("site", "[global]\nretries = 3\n")
    machine("user", "no section = 1\n")
    assert machine.read().variables == {"PIP_RETRIES": "3"}


def test_every_image_gets_them(machine, tmp_path):
    (tmp_path / "wheels").mkdir()
    machine("user", f"[global]\nfind-links = {tmp_path}/wheels\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/train").write_text("#!/bin/sh\n")
    (tmp_path / "own/train").chmod(0o755)
    registered = RegisteredImages(tmp_path / "images")
    registered.add_directory("own", tmp_path / "own")
    environments = Environments(tmp_path / "cache")
    builtin = {"kmeans": "wildsage.algorithms.kmeans"}
    images = ImageCatalogue(builtin, registered, environments, pip=machine.read())
    for uri in ("own", "kmeans:1", "sagemaker-scikit-learn:1.2-1-cpu-py3"):
        program = images.resolve(uri, script=True).program("train")
        assert program.environment["PIP_FIND_LINKS"] == f"{tmp_path}/wheels"
        assert (f"{tmp_path}/wheels", f"{tmp_path}/wheels") in program.mounts


@pytest.mark.skipif(shutil.which("pip") is None, reason="pip is not on PATH")
def test_pip_reads_the_same(machine, tmp_path):
    machine("site", "[global]\nindex-url = https://site/\nfind-links = /a\n  /b\n[install]\nretries = 4\n")
    machine("user", "[global]\nindex_url = https://user/\nRetries = 5\n")
    pip = [shutil.which("pip"), "config", "list"]

    def listed(environment):
        done = subprocess.run(pip, env=environment, capture_output=True, text=True, check=True)
        return dict(line.split("=", 1) for line in done.stdout.splitlines())

    base = {"PATH": os.environ["PATH"], **machine.environment}
    read = listed(base)
    assert read["global.index-url"] == "'https://user/'"
    told = machine.read().variables
    assert told == {"PIP_INDEX_URL": "https://user/", "PIP_FIND_LINKS": "/a /b", "PIP_RETRIES": "4"}
    given = listed({"PATH": os.environ["PATH"], "HOME": "/", "PIP_CONFIG_FILE": os.devnull, **told})
    assert given[":env:.index-url"] == read["global.index-url"]
    assert given[":env:.retries"] == read["install.retries"]
