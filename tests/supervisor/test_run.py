"""Whole runs: a real supervisor process around real containers."""

import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from wildsage.compute.select import BACKENDS
from wildsage.supervisor.contract import Channel, CheckpointPlace, Limits, Mount, Program
from wildsage.supervisor.summary import summarize

from .conftest import IMAGES, eventually
from .object_server import REGION


def test_a_run_that_does_nothing_completes(run):
    record = run.carry("noop")
    assert (record.outcome, record.exit_code, record.stop_reason) == ("completed", 0, None)
    assert not (run.folder.path / "root").exists()
    assert run.kinds()[0] == "started"
    assert run.kinds().index("launched") < run.kinds().index("exited")
    assert [event.sequence for event in run.folder.events()] == list(range(1, len(run.kinds()) + 1))
    assert run.lines() == []
    assert (run.folder.path / "supervisor.log").read_text() == ""


def test_output_goes_to_the_log_and_files_to_the_model(run):
    record = run.carry("echo", config_files={"input/config/hyperparameters.json": '{"a": "1"}\n'})
    assert record.outcome == "completed"
    assert run.lines() == ['{"a": "1"}', "hello from algo-1"]
    assert record.log_tail == tuple(run.lines())


def test_a_crash_reports_code_failure_file_and_last_lines(run):
    record = run.carry("crash")
    assert (record.outcome, record.exit_code) == ("failed", 2)
    assert record.failure == "ValueError: the learning rate is negative"
    assert record.log_tail == ("Traceback: something broke",)


def test_a_command_that_is_not_there_ends_with_127(run):
    record = run.carry("noop", command="absent")
    assert (record.outcome, record.exit_code) == ("failed", 127)
    assert "absent" in record.log_tail[-1]


def test_a_container_that_ignores_sigterm_is_killed_after_the_grace(run):
    run.start("hang")
    run.wait_for("launched")
    run.folder.request_stop()
    record = run.wait()
    assert (record.outcome, record.exit_code, record.stop_reason) == ("stopped", 137, "requested")
    assert "SIGTERM? no." in run.lines()


def test_the_longest_runtime_ends_a_run(run):
    record = run.carry("hang", max_runtime_seconds=0.3)
    assert (record.outcome, record.stop_reason) == ("stopped", "max_runtime")
    assert 0.3 <= record.billable_seconds < 5


@pytest.mark.parametrize("reason", ["max_wait", "interrupted"])
def test_a_time_that_the_server_gave_ends_a_run(run, reason):
    limit = "max_wait_seconds" if reason == "max_wait" else "interrupt_after_seconds"
    record = run.carry("hang", **{limit: 0.3})
    assert (record.outcome, record.stop_reason) == ("stopped", reason)
    # The instance of an interrupted run is gone with all that was on it.
    assert ("uploading" in run.kinds()) == (reason == "max_wait")


def test_who_is_interrupted_may_be_stopped_for_good_meanwhile(run):
    run.start("hang", stop_grace_seconds=2)
    run.wait_for("launched")
    run.folder.request_stop("interrupted")
    run.wait_for("stopping")
    run.folder.request_stop()
    record = run.wait()
    assert (record.outcome, record.stop_reason) == ("stopped", "requested")
    assert "uploading" in run.kinds()


@pytest.fixture
def checkpointed(store, tmp_path):
    """What a run needs to have one checkpoint, and a program that replaces it and waits."""
    program = tmp_path / "checkpointing"
    program.mkdir()
    (program / "train").write_text(CHECKPOINTING)
    (program / "train").chmod(0o755)

    def options(local):
        item = store.put("b", "p/step-1", b"1", "step-1")
        return {
            "image": program,
            "checkpoints": CheckpointPlace("b", "p/", local, (item,)),
            "environment": {"CHECKPOINTS": local},
            "endpoint_url": store.url,
            "credentials_url": f"{store.url}/credentials",
            "region": REGION,
            "stop_grace_seconds": 20,
            "needs_opt_ml": False,
        }

    return options


CHECKPOINTING = """#!/bin/sh
cd "$CHECKPOINTS" || exit 3
trap 'echo last > on-term; exit 0' TERM
cat step-1 > seen; echo 2 > step-2; rm step-1
while :; do sleep 0.05; done
"""


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("local", ["/opt/ml/checkpoints", "/else/where"])
def test_checkpoints_come_and_go_with_the_container(run, store, checkpointed, backend, local):
    if not backend.probe().available:
        pytest.skip(backend.probe().reason)
    wanted = {"/b/p/seen": b"1", "/b/p/step-2": b"2\n"}
    run.start(**checkpointed(local), sandbox=backend.name)
    eventually(lambda: store.objects == wanted)
    run.folder.request_stop("interrupted")
    record = run.wait()
    assert (record.outcome, record.exit_code, record.stop_reason) == ("stopped", 0, "interrupted")
    assert store.objects == {**wanted, "/b/p/on-term": b"last\n"}
    synced = next(event for event in run.folder.events() if event.kind == "synced")
    assert {name: synced.detail[name] for name in ("restored", "uploaded", "deleted")} == {
        "restored": 1, "uploaded": 3, "deleted": 1,
    }  # fmt: skip
    assert summarize(run.folder)["checkpoints"] == synced.detail


@pytest.mark.parametrize(
    "backend", [backend for backend in BACKENDS if backend.private], ids=lambda one: one.name
)
@pytest.mark.parametrize("local", ["/opt/ml/checkpoints", "/else/where"])
def test_checkpoints_of_a_container_without_a_network_come_and_go_too(
    run, store, checkpointed, backend, local
):
    if not backend.probe().available:
        pytest.skip(backend.probe().reason)
    options = checkpointed(local)
    port = store.url.rpartition(":")[2]
    program = options["image"] / "train"
    reach = f"(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo reached; ls /run/wildsage"
    program.write_text(
        program.read_text().replace("#!/bin/sh", "#!/bin/bash").replace("cat step-1", f"{reach}; cat step-1")
    )
    run.start(**options, sandbox=backend.name, isolated=True)
    eventually(lambda: store.objects == {"/b/p/seen": b"1", "/b/p/step-2": b"2\n"})
    run.folder.request_stop("interrupted")
    assert run.wait().stop_reason == "interrupted"
    assert store.objects["/b/p/on-term"] == b"last\n"
    assert set(run.lines()) <= {"Terminated"}, "it reaches nobody and has no token"


def test_a_checkpoint_that_may_not_be_stored_ends_the_run(run, store, checkpointed):
    store.forbidden.add("/b/p/step-2")
    record = run.carry(**checkpointed("/opt/ml/checkpoints"))
    assert (record.outcome, record.stop_reason) == ("checkpoint_error", "bad_checkpoint")
    assert record.message.startswith(
        "ClientError: Checkpoint upload failed: s3://b/p/step-2 cannot be written"
    )
    assert store.objects["/b/p/step-1"] == b"1"


def test_the_exit_record_is_written_once_the_lock_is_still_held(run):
    """Who sees an exit record sees the end of the run: artifacts lie in place."""
    run.start("echo")
    record = eventually(run.folder.exit_record)
    assert set(record.artifacts) == {path.name for path in run.folder.out.iterdir()}


# Input


def test_channels_are_brought_in_before_the_start(run, store):
    run.endpoint_url = store.url
    objects = (
        store.put("b", "p/one.csv", b"1,2\n", "one.csv"),
        store.put("b", "p/d/two.csv", b"", "d/two.csv"),
    )
    record = run.carry("echo", channels=(Channel("train", objects),))
    assert record.outcome == "completed"
    assert run.lines()[:2] == [
        "/opt/ml/input/data/train/d/two.csv: 0 bytes",
        "/opt/ml/input/data/train/one.csv: 4 bytes",
    ]
    assert run.kinds()[:3] == ["started", "downloading", "launched"]


def test_an_input_that_is_gone_ends_the_run_before_the_start(run, store):
    run.endpoint_url = store.url
    gone = store.put("b", "p/one.csv", b"1,2\n", "one.csv")
    store.objects.clear()
    record = run.carry("echo", channels=(Channel("train", (gone,)),))
    assert (record.outcome, record.exit_code, record.artifacts) == ("input_error", None, {})
    assert "s3://b/p/one.csv does not exist" in record.message
    assert "launched" not in run.kinds()


def test_a_stop_while_inputs_come_ends_the_run_without_artifacts(run, store):
    run.endpoint_url = store.url
    store.faults = [(503, "SlowDown")] * 10_000
    run.start("echo", channels=(Channel("train", (store.put("b", "k", b"x"),)),))
    eventually(lambda: store.requests)
    run.folder.request_stop()
    record = run.wait()
    assert (record.outcome, record.stop_reason, record.artifacts) == ("stopped", "requested", {})


def model_archive(**files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def test_a_model_is_extracted_for_serving(run, store):
    run.endpoint_url = store.url
    model = store.put("b", "m/model.tar.gz", model_archive(weights=b"w"), "model.tar.gz")
    plain = store.put("b", "m/extra/file", b"plain", "extra/file")
    run.start("hang", purpose="serve", model=(model, plain), command="train")
    run.wait_for("launched")
    assert (run.folder.ml / "model" / "weights").read_bytes() == b"w"
    assert (run.folder.ml / "model" / "extra" / "file").read_bytes() == b"plain"
    run.folder.request_stop()
    record = run.wait()
    assert (record.outcome, record.artifacts) == ("stopped", {})


def test_a_hostile_model_is_an_input_error(run, store):
    run.endpoint_url = store.url
    content = model_archive(**{"../../evil": b"x"})
    model = store.put("b", "m/model.tar.gz", content, "model.tar.gz")
    record = run.carry("noop", purpose="serve", model=(model,))
    assert record.outcome == "input_error"
    assert 'from URL "s3://b/m/model.tar.gz"' in record.message
    assert "leaves the target" in record.message
    assert not list(run.folder.path.rglob("evil"))


# Environment


def test_the_container_gets_what_its_clients_need(run):
    run.carry(
        "echo", environment={"MINE": "1", "AWS_REGION": "us-west-2"}, limits=Limits(cpus=1, processes=200)
    )
    with tarfile.open(run.folder.out / "model.tar.gz") as tar:
        text = tar.extractfile("environment.txt").read().decode()
    environment = dict(line.split("=", 1) for line in text.splitlines())
    assert environment["MINE"] == "1"
    assert environment["AWS_REGION"] == "us-west-2"
    assert environment["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert environment["AWS_ENDPOINT_URL"] == run.endpoint_url
    assert environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == f"{run.endpoint_url}/credentials"
    assert environment["OMP_NUM_THREADS"] == "1"
    assert "the-token" not in text


def test_the_token_is_readable_inside_and_gone_afterwards(run):
    record = run_script(run, 'cat "$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"')
    assert record.log_tail == ("the-token",)
    assert not (run.folder.path / "run" / "token").exists()


def test_an_isolated_container_gets_no_credentials(run):
    record = run_script(run, "env; ls /run/wildsage", isolated=True)
    if record.outcome == "platform_error":
        assert "cut a container off from the network" in record.message
        pytest.skip("no sandbox works here")
    text = "\n".join(record.log_tail)
    assert "CREDENTIALS" not in text
    assert "ENDPOINT" not in text
    assert "token" not in text


def run_script(run, script, **changes):
    return run.carry("noop", program=Program(("/bin/sh", "-c", script), {}), **changes)


# Faults


@pytest.fixture(params=[backend.name for backend in BACKENDS])
def sandbox(request):
    probe = next(backend for backend in BACKENDS if backend.name == request.param).probe()
    if not probe.available:
        pytest.skip(probe.reason)
    return request.param


def test_every_backend_carries_a_run(run, sandbox):
    script = 'echo "$SAGEMAKER_BASE_DIR"; echo m > "$SAGEMAKER_BASE_DIR/model/m"; exit 3'
    record = run_script(run, script, sandbox=sandbox)
    assert (record.outcome, record.exit_code) == ("failed", 3)
    assert record.log_tail == (str(run.folder.ml) if sandbox == "none" else "/opt/ml",)
    with tarfile.open(run.folder.out / "model.tar.gz") as tar:
        assert tar.getnames() == ["m"]


def test_what_the_containers_processes_used_is_counted(run, sandbox):
    """Where nobody waits for the container's first process, only its launcher is counted: 15 MB, no time."""
    loop = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"
    script = f"{loop}; head -c 60000000 /dev/zero | tail -c 60000000 > /dev/null"
    record = run_script(run, script, sandbox=sandbox)
    used = next(event.detail for event in run.folder.events() if event.kind == "exited")
    assert record.outcome == "completed"
    assert 50 << 20 < used["peak_memory_bytes"] < 500 << 20
    assert 0.05 < used["cpu_seconds"] < 30


def test_a_killed_supervisor_takes_its_container_along(run, sandbox):
    """No lock and no exit record: the server knows the run is lost, and nothing goes on behind its back."""
    beat = run.folder.ml / "beat"
    script = 'while :; do date +%s%N > "$SAGEMAKER_BASE_DIR/beat"; sleep 0.02; done'
    run.folder.write_job(
        run.job("noop", program=Program(("/bin/sh", "-c", script), {}), sandbox=sandbox), "t"
    )
    run.folder.launch()
    eventually(beat.exists)
    os.kill(run.folder.events()[0].detail["pid"], signal.SIGKILL)
    eventually(lambda: not run.folder.is_alive())
    assert run.folder.exit_record() is None
    silent = [0, None]

    def stands_still():
        now = beat.read_bytes()
        silent[0] = silent[0] + 1 if now == silent[1] else 0
        silent[1] = now
        return silent[0] > 60  # polled every 5 ms: fifteen beats left out

    eventually(stands_still)


def test_a_run_whose_folder_was_removed_ends(run):
    run.start("hang")
    run.wait_for("launched")
    pid = run.folder.events()[0].detail["pid"]
    run.folder.path.rename(run.folder.path.with_name("removed"))
    eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_signals_to_the_supervisor_do_not_end_the_run(run):
    run.start("hang")
    run.wait_for("launched")
    pid = run.folder.events()[0].detail["pid"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    run.folder.request_stop()
    assert run.wait().stop_reason == "requested"


def test_a_flood_of_lines_is_bounded_and_ends_with_its_end(run):
    record = run.carry("logflood", environment={"LINES_TO_WRITE": "500000"})
    assert record.outcome == "completed"
    assert record.log_tail[-1] == "the last line"
    lines = run.lines()
    assert len(lines) < 200_000
    assert any("lines dropped" in line for line in lines)


def test_a_run_over_its_memory_says_so(run):
    record = run_script(
        run, "dd if=/dev/zero of=/dev/null bs=400M count=1", limits=Limits(memory_bytes=50 << 20)
    )
    assert record.outcome == "failed"
    limits = next(event for event in run.folder.events() if event.kind == "launched").detail["limits"]
    if limits["memory"].startswith("cgroup"):
        assert "out of memory: the container is limited to 52428800 bytes" in record.message


def test_what_the_machine_cannot_give_is_the_platforms_fault(run):
    record = run_script(run, "exit 0", sandbox="none", isolated=True)
    assert record.outcome == "platform_error"
    assert "install the package 'bubblewrap'" in record.message


def test_a_container_that_steals_by_links_gets_nothing(run):
    """It replaces its own folders by links to where the supervisor, outside, would read a secret."""
    secret = run.folder.path.parent / "secret"
    secret.mkdir()
    (secret / "failure").write_text("secret")
    (secret / "data").mkdir()
    (secret / "data" / "x").write_text("secret")
    script = f"cd /opt/ml && rm -r model output && ln -s {secret} model && ln -s {secret} output; exit 1"
    program = Program(("/bin/sh", "-c", script), {}, needs_opt_ml=True)
    record = run.carry("noop", program=program)
    assert (record.exit_code, record.failure) == (1, "")
    with tarfile.open(run.folder.out / "model.tar.gz") as tar:
        assert tar.getnames() == []
    assert not (run.folder.out / "output.tar.gz").exists()


def test_a_job_file_that_is_none_leaves_a_reason_behind(run):
    run.folder.write_job(run.job("noop"), "t")
    (run.folder.path / "job.json").write_text("{}")
    run.folder.launch()
    run.started = True
    eventually(lambda: not run.folder.is_alive())
    assert run.folder.exit_record() is None
    assert "KeyError" in (run.folder.path / "supervisor.log").read_text()


def test_a_serving_container_listens_on_the_socket_of_the_run(run):
    interpreter = [Mount(path, path) for path in {sys.prefix, sys.base_prefix} if not path.startswith("/usr")]
    program = Program(
        (sys.executable, "/opt/program/serve"),
        {},
        (Mount(str(IMAGES / "echo"), "/opt/program"), *interpreter),
    )
    run.start("echo", purpose="serve", program=program)
    eventually(lambda: "listening" in run.lines() if run.log.exists() else False)
    descriptor = os.open(run.folder.socket, os.O_PATH)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"/proc/self/fd/{descriptor}")
        client.sendall(b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        client.settimeout(20)
        answer = b""
        while not answer.endswith(b"hello"):
            answer += client.recv(4096)
    os.close(descriptor)
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_supervisor_loads_nothing_dear():
    script = "import sys, wildsage.supervisor.__main__; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert {"asyncio", "boto3", "botocore", "numpy"} & {*ran.stdout.split()} == set()
