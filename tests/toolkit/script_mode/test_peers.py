"""Commands on another host, which is a process with an address of its own here."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from wildsage.toolkit.local import loopback_addresses
from wildsage.toolkit.script_mode import peers
from wildsage.toolkit.script_mode.distribution import port_of_job
from wildsage.toolkit.script_mode.errors import DistributionError

HOST = loopback_addresses(7)[-1]
SERVE = """
import os, pathlib, sys
from wildsage.toolkit.script_mode.peers import PeerServer
PeerServer(sys.argv[1], pathlib.Path(sys.argv[2]), {**os.environ, "WHERE": "there"}).serve()
"""
CALL = """
import os, sys
from wildsage.toolkit.script_mode.peers import run_on
sys.exit(run_on(sys.argv[1], sys.argv[2], os.environ))
"""


def eventually(check, seconds=20):
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def secret(tmp_path):
    """The environment of the job's hosts."""
    place = tmp_path / "peers"
    place.write_text("the secret")
    return {**os.environ, peers.SECRET_VARIABLE: str(place)}


@pytest.fixture
def host(tmp_path, secret):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, HOST, str(tmp_path)], env=secret, stderr=subprocess.PIPE, text=True
    )
    peers.wait_for(HOST, secret)
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


def call(command, environment):
    return subprocess.Popen(
        [sys.executable, "-c", CALL, HOST, command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("host")
def test_a_command_runs_there_and_its_output_comes_here(secret, tmp_path):
    process = call("echo $WHERE; pwd; echo bad >&2; exit 3", {**secret, "WHERE": "here"})
    assert process.communicate() == (f"there\n{tmp_path}\n", "bad\n")
    assert process.returncode == 3


@pytest.mark.usefixtures("host")
def test_a_command_that_a_signal_ends_has_the_shells_code(secret):
    assert call("kill -9 $$", secret).wait() == 128 + signal.SIGKILL


def test_a_host_goes_when_the_job_is_done(host, secret):
    peers.say_done(HOST, secret)
    assert host.wait(20) == 0


def test_a_command_ends_with_the_peer_that_asked_for_it(host, secret, tmp_path):
    pid = tmp_path / "pid"
    process = call("sleep 600 & echo $$ $! > pid; wait", secret)
    eventually(lambda: pid.is_file() and len(pid.read_text().split()) == 2)
    process.kill()
    process.communicate()
    for number in pid.read_text().split():
        eventually(lambda number=number: not is_alive(int(number)))
    assert host.poll() is None


def test_a_peer_hears_of_the_hosts_end(host, secret, tmp_path):
    process = call("touch began; sleep 600", secret)
    eventually((tmp_path / "began").exists)
    host.kill()
    assert process.communicate()[1] == f"the connection to {HOST} was lost\n"
    assert process.returncode == peers.LOST


def test_a_host_that_is_to_stop_waits_for_what_runs(host, secret, tmp_path):
    """Whoever launched the ranks of all ends them: this host does not do it twice."""
    process = call("trap 'exit 9' TERM; touch began; until test -e go; do sleep 0.02; done; exit 4", secret)
    eventually((tmp_path / "began").exists)
    host.send_signal(signal.SIGTERM)
    with pytest.raises(subprocess.TimeoutExpired):
        host.wait(0.5)
    (tmp_path / "go").touch()
    assert process.wait(20) == 4
    assert "stopped while it served the other hosts" in host.communicate()[1]
    assert host.returncode == 1


def test_nobody_else_is_served(host, secret, tmp_path):
    other = tmp_path / "other"
    other.write_text("another secret")
    stranger = {**secret, peers.SECRET_VARIABLE: str(other)}
    with pytest.raises(DistributionError, match="is not a host of this job"):
        peers.wait_for(HOST, stranger)
    process = call("touch stolen", stranger)
    process.communicate()
    assert process.returncode != 0
    silent = socket.create_connection((HOST, port_of_job(HOST, 22)))
    with closing(silent):
        assert call("echo still here", secret).communicate()[0] == "still here\n"
    assert not (tmp_path / "stolen").exists()


def test_an_impostor_does_not_learn_the_secret(secret):
    """One that listens in a host's place sees digests of numbers that it did not choose alone."""
    heard = []

    def listen(server):
        peer, _ = server.accept()
        with peer:
            peer.sendall(b"\x00\x00\x00\x1f#CHALLENGE#" + b"x" * 20)
            heard.append(peer.recv(1000))

    with socket.create_server((HOST, port_of_job(HOST, 22))) as server:
        thread = threading.Thread(target=listen, args=(server,))
        thread.start()
        assert call("echo hello", secret).wait() != 0
        thread.join()
    assert heard
    assert b"the secret" not in heard[0]
    assert b"hello" not in heard[0]


def test_a_port_that_is_taken_is_named(secret, tmp_path):
    with socket.create_server((HOST, port_of_job(HOST, 22))) as server:
        port = server.getsockname()[1]
        with pytest.raises(
            DistributionError, match=f"cannot listen at {HOST}:{port}: Address already in use"
        ):
            peers.PeerServer(HOST, tmp_path, secret)


def test_a_host_without_its_peers_says_so():
    with pytest.raises(DistributionError, match="runs alone"):
        peers.shared_secret({})
    with pytest.raises(DistributionError, match="runs alone"):
        peers.shared_secret({peers.SECRET_VARIABLE: "/no/such/file"})
