"""`wildsage run`: a real child process, its environment, its signals and its exit code."""

import json
import os
import pty
import signal
import subprocess
import sys

import pytest
from tests.clients.support import free_port, say_server

COMMAND = """
import argparse, sys
from pathlib import Path
from wildsage.cli import run
from wildsage.cli.console import CommandError
parser = argparse.ArgumentParser()
subparsers = parser.add_subparsers()
run.add_parser(subparsers)
subparsers.choices["run"].add_argument("--data-dir", type=Path)
arguments = parser.parse_args()
try:
    sys.exit(arguments.execute(arguments))
except CommandError as error:
    sys.exit(f"wildsage: {error}")
"""


def command(layout, *program):
    return [sys.executable, "-c", COMMAND, "run", "--data-dir", str(layout.root), "--", *program]


def run(layout, *program, **options):
    return subprocess.run(
        command(layout, *program), capture_output=True, text=True, timeout=60, check=False, **options
    )


def test_an_unmodified_script_comes_here(layout, server, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import boto3\n"
        "for url in (None, 'https://sts.us-west-2.amazonaws.com'):\n"
        "    sts = boto3.client('sts', region_name='us-west-2', endpoint_url=url)\n"
        "    print(sts.get_caller_identity()['Account'])\n"
    )
    real = {"AWS_PROFILE": "prod", "AWS_SESSION_TOKEN": "real", "HOME": str(tmp_path)}
    done = run(layout, sys.executable, str(script), env={**os.environ, **real})
    # Nothing of our own on either stream.
    assert (done.returncode, done.stdout, done.stderr) == (0, "123456789012\n" * 2, "")
    assert [seen.headers["host"].partition(":")[0] for seen in server.seen] == [
        "127.0.0.1",
        "sts.us-west-2.amazonaws.com",
    ]
    assert "real" not in repr(server.seen)


def test_a_service_that_is_not_here_is_said_on_stderr(layout, server):
    done = run(layout, "curl", "-s", "https://dynamodb.us-east-1.amazonaws.com/")
    assert "wildsage: refused dynamodb.us-east-1.amazonaws.com" in done.stderr
    assert json.loads(done.stdout)["__type"] == "ServiceNotImplemented"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "kill -9 $$"], 137),
        (["does-not-exist-anywhere"], 127),
        (["/dev/null"], 126),
        (["sh", "-c", "cat; exit 3"], 3),
    ],
)
def test_the_exit_code_is_the_programs(layout, server, program, code):
    done = run(layout, *program, input="through stdin")
    assert done.returncode == code
    assert done.stdout == ("through stdin" if "cat" in program[-1] else "")


def test_options_of_the_program_are_its_own(layout, server):
    done = run(layout, "echo", "--data-dir", "x", "--", "-h")
    assert done.stdout == "--data-dir x -- -h\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_the_wrapper_reaches_the_program(layout, server, number):
    program = (
        "import signal, sys\n"
        "assert not signal.pthread_sigmask(signal.SIG_BLOCK, [])\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(42))\n"
        "print('ready', flush=True)\n"
        "while True: signal.pause()\n"
    )
    process = subprocess.Popen(
        command(layout, sys.executable, "-c", program),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == 42


def test_ctrl_c_at_a_terminal_reaches_the_program_once(layout, server):
    program = (
        "import signal\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n"
        "print('ready', flush=True)\n"
        "signal.sigwait([signal.SIGINT])\n"
        "twice = signal.sigtimedwait([signal.SIGINT], 0.5)\n"
        "raise SystemExit(3 if twice else 42)\n"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        arguments = command(layout, sys.executable, "-c", program)
        os.execv(arguments[0], arguments)
    shown = b""
    while b"ready" not in shown:
        shown += os.read(terminal, 1000)
    os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 42


def test_without_a_server_it_says_how_to_start_one(layout):
    say_server(layout, free_port())
    done = run(layout, "echo", "never")
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"no server is running on {layout.root}: start it with `wildsage up -d" in done.stderr


def test_without_a_program_it_says_what_is_missing(layout, server):
    assert "say what to run" in run(layout).stderr


def test_shorter_waits_are_for_the_program_and_leave_its_own_start_up_file(layout, server, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.own = 'the users'\n")
    program = (
        "import time, builtins, sys, botocore.waiter\n"
        "from botocore.waiter import Waiter\n"
        "print(builtins.own, time.sleep.__module__, Waiter.wait.__code__.co_filename.rsplit('/', 1)[-1])\n"
    )
    done = [
        subprocess.run(
            [*command(layout)[:-1], *options, "--", sys.executable, "-c", program],
            stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONPATH": str(tmp_path)},
        ).stdout
        for options in ([], ["--fast-waits"])
    ]  # fmt: skip
    assert done[0].split()[:3] == ["the", "users", "time"]
    assert "fast_waits.py" not in done[0]
    assert done[1] == "the users time fast_waits.py\n"
