"""Runs of images of podman and docker: what goes wrong in a container, and what goes wrong around it."""

import os
import signal
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from tests.clients.support import echo_server
from tests.engines import compiled, imported, machine_image, packed

from wildsage.clients.run_proxies import RunProxies
from wildsage.compute.engine import ENGINES
from wildsage.core.engine_images import EngineImage
from wildsage.store.layout import Layout
from wildsage.supervisor.contract import Channel, Limits, Mount, Program

from .conftest import IMAGES, eventually
from .test_replay import carry

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    content = compiled(IMAGES / "scratch" / "program.c", tmp_path_factory.mktemp("scratch"))
    if content is None:
        pytest.skip("no C compiler here makes static programs")
    return content


@pytest.fixture(scope="module", params=[pytest.param(engine, id=engine.name) for engine in ENGINES])
def engine(request):
    if not request.param.probe().available:
        pytest.skip(f"{request.param.name}: {request.param.probe().reason}")
    return request.param


@pytest.fixture(scope="module")
def image(engine, program):
    with imported(engine.name, packed({"program": program})) as name:
        yield EngineImage(engine.name, engine.image(name).id, engine.calling())


@pytest.fixture
def contained(run, image):
    """A run of the program in its image."""
    whole_job = run.job

    def job(mode, own_image=image, port=None, **changes):
        environment = {"MODE": mode, **changes.pop("environment", {})}
        program = Program(("/program", "train"), environment, image=own_image, port=port)
        return whole_job("scratch", program=program, **changes)

    run.job = job
    return run


@pytest.fixture(scope="module")
def machine(engine):
    """An image without programs: a run brings this machine's."""
    with machine_image(engine.name) as name:
        yield EngineImage(engine.name, engine.image(name).id, engine.calling())


def shell_program(machine, *argv):
    return Program(argv, {}, (Mount("/usr", "/usr"),), image=machine)


def test_channels_are_streamed_shown_and_brought_in(run, machine, store, tmp_path):
    """What the supervisor would show by a mount of its own is brought in: an engine does not see that."""
    run.endpoint_url = store.url
    (tmp_path / "content").write_bytes(b"linked\n")
    (tmp_path / "content").chmod(0o600)
    linked = replace(store.put("b", "l", b"linked\n"), files=(str(tmp_path / "content"),))
    channels = (
        Channel("file", (store.put("b", "k", b"copied\n"),)),
        Channel("shown", (linked,), "FastFile"),
        Channel("far", (store.put("b", "f", b"fetched\n"),), "FastFile"),
        Channel("pipe", (store.put("b", "p", b"streamed\n"),), "Pipe"),
    )
    script = "cd /opt/ml/input/data; cat file/k shown/l far/f pipe_0; echo x > shown/l || echo read-only; rm -f shown/l far/f"
    record = run.carry("scratch", program=shell_program(machine, "/bin/sh", "-c", script), channels=channels)
    assert record.outcome == "failed"  # of rm
    assert run.lines()[:4] == ["copied", "linked", "fetched", "streamed"]
    assert "read-only" in run.lines()
    assert (tmp_path / "content").read_bytes() == b"linked\n"


def test_a_client_that_names_an_aws_host_reaches_the_server(run, machine, tmp_path):
    layout = Layout(tmp_path / "data")
    layout.make()
    fetch = "import urllib.request as r; print(r.urlopen('https://sts.eu-west-1.amazonaws.com/me').read())"
    with echo_server() as server:
        record = run.carry(
            "scratch",
            program=shell_program(
                machine, "/bin/sh", "-c", f'SSL_CERT_FILE=$AWS_CA_BUNDLE exec python3 -I -c "{fetch}"'
            ),
            host_proxy=RunProxies(layout, server.url, {}).command(),
        )
    assert record.outcome == "completed", run.lines()
    assert run.lines() == ["b'{\"ok\": true}'"]
    assert [seen.headers["host"] for seen in server.seen] == ["sts.eu-west-1.amazonaws.com"]


def test_a_shell_is_the_images_own_on_a_terminal(run, machine):
    keys = 'test -t 0 && echo "a-terminal"; ls input; echo left > model/w; sleep 0.01 & jobs; exit 5\n'
    done = carry(run, "shell", keys, program=shell_program(machine, "/absent"))
    assert done.returncode == 5, done.stderr + done.stdout
    shown = done.stdout.replace("\r", "").splitlines()
    assert any(line.endswith("a-terminal") and "echo" not in line for line in shown)
    assert any("config" in line and "data" in line for line in shown)
    assert "job control" not in done.stdout
    assert (run.folder.ml / "model/w").read_text() == "left\n"


def test_a_rerun_ends_with_the_containers_exit_code(run, machine):
    program = shell_program(machine, "/bin/sh", "-c", "echo out; echo error >&2; exit 7")
    done = carry(run, "rerun", program=program)
    assert (done.returncode, done.stdout) == (7, "out\n"), done.stderr
    assert "error" in done.stderr


def containers(engine):
    return set(engine._call("ps", "--all", "--format", "{{.Names}}").decode().split())


def container_of(run, engine):
    """The name of a run's container."""
    journal_pid = next(event.detail["pid"] for event in run.folder.events() if event.kind == "started")
    return next((name for name in containers(engine) if f"-{journal_pid}-" in name), None)


def test_it_starts_as_docker_run_image_train_does(contained, engine):
    record = contained.carry("")
    assert (record.outcome, record.exit_code) == ("completed", 0)
    assert contained.lines() == ["word 0 /program", "word 1 train", "end"]
    launched = next(event for event in contained.folder.events() if event.kind == "launched")
    assert launched.detail["sandbox"] == engine.name
    exited = next(event for event in contained.folder.events() if event.kind == "exited")
    assert "peak_memory_bytes" not in exited.detail  # the engine's own would be no figure of the container
    assert container_of(contained, engine) is None


def test_one_that_ignores_sigterm_is_killed_after_the_grace(contained):
    contained.start("deaf")
    eventually(lambda: contained.log.exists() and len(contained.lines()) == 2)
    contained.folder.request_stop()
    record = contained.wait()
    assert (record.outcome, record.exit_code, record.stop_reason) == ("stopped", 137, "requested")


def test_one_that_hears_sigterm_ends_by_itself(contained):
    contained.start("hold", stop_grace_seconds=60.0)
    eventually(lambda: contained.log.exists() and len(contained.lines()) == 2)
    contained.folder.request_stop()
    assert contained.wait().exit_code == 143


def test_the_longest_runtime_is_kept(contained):
    record = contained.carry("hold", max_runtime_seconds=0.1)
    assert (record.outcome, record.stop_reason) == ("stopped", "max_runtime")


def test_memory_is_bounded_and_the_reason_said(contained, image):
    if image.calling.limits["memory"].startswith("not held"):
        pytest.skip(image.calling.limits["memory"])
    record = contained.carry("hungry", limits=Limits(memory_bytes=64 << 20))
    assert (record.outcome, record.exit_code) == ("failed", 137)
    assert record.message == f"out of memory: the container is limited to {64 << 20} bytes"


def test_a_fork_bomb_is_bounded(contained, image):
    if image.calling.limits["processes"].startswith("not held"):
        pytest.skip(image.calling.limits["processes"])
    assert contained.carry("bomb", limits=Limits(processes=40)).outcome == "completed"
    count = int(next(line for line in contained.lines() if "processes=" in line).partition("=")[2])
    assert 20 < count < 41


def test_a_flood_of_lines_is_throttled_with_a_note(contained):
    assert contained.carry("flood").outcome == "completed"
    lines = contained.lines()
    assert len(lines) < 200_000
    assert any("lines dropped" in line for line in lines)


@pytest.mark.parametrize(("isolated", "said"), [(False, "connected"), (True, "unreachable")])
def test_an_isolated_one_has_no_network(contained, isolated, said):
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {"CALLED": str(server.getsockname()[1])}
        contained.carry("call", environment=environment, isolated=isolated)
    assert said in contained.lines()


@pytest.mark.parametrize(("isolated", "said"), [(False, "connected"), (True, "unreachable")])
def test_one_with_a_network_of_its_own_finds_the_server_unless_isolated(contained, isolated, said):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        contained.carry(
            "call",
            environment={"CALLED": str(port)},
            endpoint_url=f"http://127.0.0.1:{port}",
            purpose="serve",
            port=8080,
            isolated=isolated,
        )
    assert said in contained.lines()


def test_one_that_serves_is_reached_through_its_door_alone(contained, tmp_path):
    contained.start("serve", purpose="serve", port=8080)
    place = os.open(contained.folder.socket.parent, os.O_PATH)

    def reply():
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(f"/proc/self/fd/{place}/{contained.folder.socket.name}")
                client.sendall(b"GET /ping HTTP/1.1\r\n\r\n")
                return client.recv(65_536)
            except OSError:  # no door yet, or nobody behind it yet
                return b""

    assert eventually(reply).startswith(b"HTTP/1.1 200 OK")
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", 8080)) != 0
    os.close(place)
    contained.folder.request_stop()
    assert contained.wait().outcome == "stopped"


def test_whom_an_image_wants_to_be_may_write(contained, engine, program):
    with imported(engine.name, packed({"program": program}), "USER 12345") as name:
        found = engine.image(name)
        image = EngineImage(engine.name, found.id, engine.calling(), found.user)
        assert found.user == "12345"
        assert contained.carry("write", own_image=image).outcome == "completed"
    assert "written" in contained.lines()


def test_an_image_that_is_gone_is_a_failure_of_the_platform(contained, engine, image):
    gone = EngineImage(engine.name, "0" * 64, image.calling)
    record = contained.carry("", own_image=gone)
    assert record.outcome == "platform_error"
    assert "0" * 64 in record.message or "no such image" in record.message.lower()


def test_a_container_dies_with_its_supervisor(contained, engine):
    contained.start("hold")
    eventually(lambda: contained.log.exists() and len(contained.lines()) == 2)
    supervisor = next(event.detail["pid"] for event in contained.folder.events() if event.kind == "started")
    name = container_of(contained, engine)
    assert name is not None
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: name not in containers(engine))


def test_a_container_whose_keeper_died_too_is_removed_with_the_next(contained, engine):
    contained.start("hold")
    eventually(lambda: contained.log.exists() and len(contained.lines()) == 2)
    supervisor = next(event.detail["pid"] for event in contained.folder.events() if event.kind == "started")
    name = container_of(contained, engine)
    for pid in (keeper_of(supervisor), supervisor):
        os.kill(pid, signal.SIGKILL)
    eventually(lambda: not contained.folder.is_alive())
    # Nobody is left to end it but whoever launches next: this run once more, or another test's.
    contained.folder.launch()
    eventually(lambda: name not in containers(engine))


def keeper_of(supervisor):
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent == supervisor and b"keeper.py" in command:
                return int(folder.name)
    raise AssertionError("there is no keeper")
