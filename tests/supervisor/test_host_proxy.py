"""The proxy of one container: it is there when somebody asks, and gone when its run is."""

import socket
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from wildsage.supervisor.contract import JobFile
from wildsage.supervisor.environment import container_environment
from wildsage.supervisor.host_proxy import HostProxy
from wildsage.supervisor.surroundings import HostProxyCommand

# Says its own number to whoever comes, twice; ends with its input.
PROGRAM = """
import os, socket, sys, threading
def answer():
    listener = socket.socket(fileno=int(sys.argv[1]))
    for _ in range(2):
        client, _ = listener.accept()
        client.sendall(str(os.getpid()).encode())
        client.close()
    os._exit(1)
threading.Thread(target=answer, daemon=True).start()
sys.stdin.read()
"""


@pytest.fixture
def command(tmp_path):
    (tmp_path / "bundle.pem").write_text("certificates\n")
    return HostProxyCommand((sys.executable, "-c", PROGRAM), str(tmp_path / "bundle.pem"), ("HTTPS",))


@pytest.fixture
def proxy(command, tmp_path):
    (tmp_path / "run").mkdir()
    made = HostProxy(command, tmp_path)
    yield made
    made.close()


def ask(proxy, url):
    """Return what the proxy answers, looking for those who wait as a supervisor does."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=0.1) as client:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            proxy.look()
            try:
                return int(client.recv(100))
            except TimeoutError:
                continue
    raise AssertionError("no answer")


def is_alive(process):
    return Path(f"/proc/{process}").exists()


def test_it_starts_for_the_first_who_comes_serves_the_next_and_comes_back_after_its_death(proxy):
    url = proxy.open(())["HTTPS_PROXY"]
    proxy.look()
    first = ask(proxy, url)
    assert ask(proxy, url) == first  # and with this the program has had enough
    assert ask(proxy, url) != first


def test_its_end_is_the_end_of_both(proxy):
    url = proxy.open(())["HTTPS_PROXY"]
    process = ask(proxy, url)
    proxy.close()
    assert not is_alive(process)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((urlsplit(url).hostname, urlsplit(url).port))
    proxy.look()
    proxy.close()


def test_the_variables_name_it_in_both_spellings_and_leave_the_peers_out(proxy, tmp_path):
    said = proxy.open(("algo-1", "algo-2", "127.3.4.1"))
    assert said == proxy.open(("algo-1", "algo-2", "127.3.4.1"))
    assert said["HTTPS_PROXY"] == said["https_proxy"]
    assert said["NO_PROXY"] == said["no_proxy"] == "localhost,127.0.0.1,::1,algo-1,algo-2,127.3.4.1"
    assert "HTTP_PROXY" not in said
    assert said["AWS_CA_BUNDLE"] == "/run/wildsage/aws-hosts.pem"
    assert (tmp_path / "run" / "aws-hosts.pem").read_text() == "certificates\n"


def test_without_a_command_there_is_nothing(tmp_path):
    none = HostProxy(None, tmp_path)
    assert none.open(()) == {}
    none.look()
    none.close()


@pytest.mark.parametrize("own", ["HTTPS_PROXY", "https_proxy"])
def test_a_proxy_of_the_users_own_counts_in_both_spellings(run, own):
    job = run.job("noop", environment={own: "http://mine:1"})
    ours = {"HTTPS_PROXY": "http://ours:2", "https_proxy": "http://ours:2", "AWS_CA_BUNDLE": "/bundle"}
    made = container_environment(job, ours)
    assert [made.get(name) for name in ("HTTPS_PROXY", "https_proxy")].count("http://mine:1") == 1
    assert "http://ours:2" not in made.values()
    assert made["AWS_CA_BUNDLE"] == "/bundle"


def test_a_job_file_says_it_and_an_earlier_one_does_not(run, command):
    job = run.job("noop", host_proxy=command)
    assert JobFile.from_json(job.to_json()) == job
    assert JobFile.from_json(run.job("noop").to_json()).host_proxy is None
