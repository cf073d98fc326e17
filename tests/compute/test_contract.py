"""What every backend owes a container. Runs over all that work on this machine."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.compute.conftest import MACHINE_MOUNTS

from wildsage.compute.base import LaunchError, Limits, Mount, UnavailableError
from wildsage.compute.capabilities import KEPT_CAPABILITIES

DAEMON = "setsid sh -c 'trap \"\" TERM HUP INT; echo up; while :; do sleep 0.1; done' &"


# The command


@pytest.mark.parametrize(
    ("script", "code"), [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -15 $$", 143)]
)
def test_the_exit_code_is_the_commands(bench, script, code):
    if bench.image and "kill" in script:
        pytest.skip("an image's command is process 1, which the kernel spares its own signals")
    assert bench.run(script)[0] == code


@pytest.mark.parametrize(("argv", "code"), [(("absent",), 127), (("/etc/hostname",), 126)])
def test_a_command_that_cannot_run_ends_as_in_a_shell(bench, argv, code):
    if not Path("/etc/hostname").exists():
        pytest.skip("no such file here")
    exit_code, said = bench.run("", argv=argv)
    assert exit_code == code
    assert argv[0] in said


def test_wait_gives_up_after_its_timeout(bench):
    launched = bench.start("echo up; sleep 60")
    launched.read_until(b"up")
    assert launched.process.wait(0.01) is None


def test_the_environment_is_the_containers_alone(bench, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_SERVER", "x")
    environment = {"PATH": "/usr/bin:/bin", "A": "one two\nthree=ä", "LD_PRELOAD": ""}
    code, said = bench.run("env; exit 5", environment=environment)
    assert code == 5
    assert "SECRET_OF_THE_SERVER" not in said
    assert "A=one two\nthree=ä\n" in said


def test_what_a_user_preloads_does_not_act_outside(private):
    """The library exists outside only: a launcher that tried to load it would say so."""
    outside = private.folder / "outside.so"
    outside.write_bytes(b"not a library")
    code, said = private.run(
        "unset LD_PRELOAD; echo fine", environment={"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(outside)}
    )
    assert code == 0
    assert said.endswith("fine\n")
    assert "invalid ELF header" not in said


def test_input_is_empty(bench):
    assert bench.run("cat; echo end") == (0, "end\n")


def test_no_descriptor_leaks_in(bench):
    code, said = bench.run("ls /proc/self/fd")
    assert code == 0
    assert set(said.split()) <= {"0", "1", "2", "3"}  # 3 is what ls reads


def test_signals_have_their_default_effect(bench):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as under nohup
    try:
        code, said = bench.run("yes | head -n 1; grep SigIgn /proc/self/status")
    finally:
        signal.signal(signal.SIGHUP, before)
    assert code == 0
    # 32 and 33 belong to the C library: nobody else can set them, and make passes them on ignored.
    assert int(said.split()[-1], 16) & ~0x1_8000_0000 == 0


# Its end


def test_terminate_reaches_the_whole_group(bench):
    child = "sh -c 'trap \"echo child; exit\" TERM; echo c-up; while :; do sleep 0.05; done' &"
    launched = bench.start(f"trap 'wait; echo parent; exit 7' TERM; {child} echo p-up; wait")
    launched.read_until(b"c-up")
    launched.read_until(b"p-up")
    launched.process.terminate()
    assert launched.wait() == 7
    assert set(launched.read_until().split()) >= {"c-up", "p-up", "child", "parent"}


@pytest.mark.parametrize("number", range(5))
def test_terminate_is_not_lost_on_the_way_to_the_command(bench, number):
    """The process that prepares a container's file system takes no notice of signals."""
    launched = bench.start("trap 'exit 7' TERM; while :; do sleep 0.05; done")
    launched.process.wait(number * 0.004)
    while not launched.process.terminate():
        pass
    assert launched.wait() in (7, 143)


def test_terminate_and_kill_after_the_end_do_nothing(bench):
    launched = bench.start("exit 4")
    assert launched.wait() == 4
    launched.process.terminate()
    launched.process.kill()
    assert launched.wait() == 4


def test_kill_ends_daemons_too(bench):
    launched = bench.start(f"{DAEMON} sleep 600")
    launched.read_until(b"up")
    launched.process.kill()
    assert launched.wait() == 137
    launched.read_until()  # ends only when nobody holds the pipe


def test_daemons_end_with_the_command(bench):
    launched = bench.start(f"{DAEMON} sleep 0.3; exit 6")
    assert launched.wait() == 6
    launched.read_until()


def test_the_container_dies_with_its_launcher(bench):
    reader, writer = os.pipe()
    mounts = MACHINE_MOUNTS if bench.image else ()
    script = f"""
        import sys, time
        from pathlib import Path
        from wildsage.compute.base import Container, Mount
        from wildsage.core.engine_images import Calling, EngineImage
        from wildsage.compute.select import choose
        root = Path({str(bench.folder / "root")!r})
        root.mkdir()
        container = Container(("/bin/sh", "-c", {DAEMON + " sleep 600"!r}), {{"PATH": "/usr/bin:/bin"}}, root, {mounts}, image={bench.image})
        process = choose({bench.sandbox.name!r}).launch(container, {writer}, {writer})
        time.sleep(600)
    """
    launcher = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], pass_fds=(writer,))
    os.close(writer)
    assert os.read(reader, 3) == b"up\n"
    launcher.kill()
    launcher.wait()
    # The end comes when nothing of the container holds the pipe; before it an engine may say there what it lost.
    last_words = b"".join(iter(lambda: os.read(reader, 4096), b""))
    assert last_words == b"" or (bench.image and last_words.startswith(b"time="))
    os.close(reader)


def test_a_working_directory_that_is_not_there_is_a_failure_of_the_container(bench):
    if bench.image:
        pytest.skip("engines make it")
    code, said = bench.run("exit 0", working_directory="/opt/ml/absent")
    assert code == 127
    assert "absent" in said or "No such file" in said


def test_a_sandbox_that_cannot_be_set_up_is_no_failure_of_the_container(private):
    launched = private.start("exit 0", mounts=(Mount("/does/not/exist", "/x"),))
    with pytest.raises(LaunchError):
        launched.wait()
    assert "/does/not/exist" in launched.read_until()


# Limits


def test_memory_is_bounded(bench):
    launched = bench.start(
        "dd if=/dev/zero of=/dev/null bs=400M count=1; echo code $?; sleep 0.5",
        limits=Limits(memory_bytes=100 << 20),
    )
    said = launched.read_until()
    assert "code 0" not in said
    assert launched.wait() == 0
    if launched.process.limits["memory"].startswith("cgroup"):
        assert launched.process.out_of_memory()


def test_a_fork_bomb_is_bounded(bench):
    """Three hundred children want to live at once; the bound is 40."""
    launched = bench.start(
        "i=0; while [ $i -lt 300 ]; do (sleep 30; :) & i=$((i+1)); done; echo survived",
        limits=Limits(processes=40),
    )
    if not launched.process.limits["processes"].startswith("cgroup") and os.geteuid() == 0:
        pytest.skip("the kernel lets root pass its rlimits")
    said = launched.read_until(b"fork")
    assert "survived" not in said


def test_each_limit_names_its_mechanism(bench):
    launched = bench.start("exit 0", limits=Limits(cpus=0.5, memory_bytes=1 << 30, processes=100))
    assert set(launched.process.limits) == {"cpus", "memory", "processes"}
    assert all(launched.process.limits.values())


def test_no_control_group_stays_behind(bench):
    launched = bench.start("exit 0", limits=Limits(memory_bytes=1 << 30))
    groups = launched.process._confinement._groups
    assert all(group.is_dir() for group in groups)
    launched.wait()
    launched.process.release()
    assert not any(group.exists() for group in groups)


# Its files


def test_a_writable_mount_takes_files(bench):
    assert bench.run('echo content > "$ML/file"')[0] == 0
    assert (bench.folder / "ml" / "file").read_text() == "content\n"


def test_the_working_directory_and_arguments_are_the_containers(bench):
    (bench.folder / "ml").mkdir()
    (bench.folder / "ml" / "script").write_text("cat file")
    (bench.folder / "ml" / "file").write_text("here")
    argv = ("/bin/sh", "/opt/ml/script")
    assert bench.run("", argv=argv, working_directory="/opt/ml") == (0, "here")


def test_a_read_only_mount_takes_none(private):
    (private.folder / "code").mkdir()
    mount = Mount(str(private.folder / "code"), "/opt/program")
    code, said = private.run("touch /opt/program/file", mounts=(mount,))
    assert code != 0
    assert "Read-only" in said


def test_the_system_is_read_only_and_the_rest_is_private(private):
    script = "touch /usr/x; touch /bin/x; touch /lib/x; echo a > /tmp/a; echo b > /file; echo c >> /etc/hosts; ls /tmp"
    code, said = private.run(script)
    assert code == 0
    assert said.count("Read-only") == 3
    assert said.endswith("a\n")
    assert not Path("/file").exists()


def test_homes_and_other_data_do_not_exist(private):
    secret = private.folder / "secret"
    secret.write_text("x")
    home = Path.home() if Path.home().is_dir() else Path("/home")
    _, said = private.run(f"cat {secret}; ls -A {home} /home /root /mnt /srv 2>/dev/null")
    names = {word for word in said.split() if not word.endswith(":")}
    assert "No such file" in said
    assert not names & {entry.name for entry in home.iterdir()}


def test_two_containers_do_not_share_files(private):
    first = private.start("echo mine > /opt/ml/a; echo mine > /tmp/a; echo up; sleep 60")
    first.read_until(b"up")
    other = private.folder / "other"
    other.mkdir()
    mount = Mount(str(other), "/opt/ml", writable=True)
    assert private.run("ls -A /opt/ml /tmp", mounts=(mount,))[1] == "/opt/ml:\n\n/tmp:\n"


def test_other_processes_are_invisible(private):
    code, said = private.run(f"kill -0 {os.getpid()} || echo unreachable; ls -d /proc/[0-9]* | wc -l")
    assert code == 0
    assert "unreachable" in said
    assert int(said.split()[-1]) < 10


def test_root_in_the_container_is_not_root_of_the_machine(private):
    code, said = private.run(
        "mount -t tmpfs none /tmp; cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness; grep CapEff /proc/self/status"
    )
    assert code == 0
    assert (
        int(said.split()[-1], 16) & (1 << 21 | 1 << 19 | 1 << 17 | 1 << 12) == 0
    )  # admin, ptrace, rawio, net admin
    assert "mount: /tmp: " in said  # refused, in the words of root or of anybody
    assert "Read-only" in said


@pytest.fixture
def heritage():
    """This process hands on all it may do, as a service with AmbientCapabilities does."""
    libc = ctypes.CDLL(None)
    header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    assert libc.capget(header, sets) == 0
    before = list(sets)
    sets[2], sets[5] = sets[1], sets[4]
    assert libc.capset(header, sets) == 0
    yield
    assert libc.capset(header, (ctypes.c_uint32 * 6)(*before)) == 0


@pytest.mark.usefixtures("heritage")
def test_the_containers_capabilities_are_not_those_of_the_server(private):
    code, said = private.run("grep Cap[IPE] /proc/self/status")
    kept = sum(1 << number for number in KEPT_CAPABILITIES.values()) if os.geteuid() == 0 else 0
    held = [int(line.split()[1], 16) for line in said.splitlines()]
    assert code == 0
    assert len(held) == 3
    assert all(capabilities & ~kept == 0 for capabilities in held)


def test_private_keys_of_the_machine_do_not_exist(private):
    script = 'ls -d /etc/ssl/private /etc/pki/tls/private 2>/dev/null; test -n "$(ls /etc/ssl/certs)" && echo certificates'
    wanted = "certificates\n" if any(Path("/etc/ssl/certs").iterdir()) else ""
    assert private.run(script)[1] == wanted


def test_a_root_inside_of_what_is_mounted_is_refused(private):
    """Everything beside it, other runs and the store, would be visible."""
    with pytest.raises(UnavailableError, match="put the data directory elsewhere"):
        private.start("exit 0", mounts=(Mount(str(private.folder), "/data"),))


def test_devices_work(private):
    script = "echo x > /dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c; echo y > /dev/shm/y; cat /dev/shm/y; echo z | cat /dev/stdin; ls /dev/sd* /dev/vd* /dev/nvme* 2>/dev/null"
    assert private.run(script)[1] == "4\n4\ny\nz\n"


# Its network


def test_names_of_the_job_resolve(private):
    code, said = private.run(
        "hostname; getent hosts algo-1; getent hosts algo-2",
        hostname="algo-2",
        hosts={"algo-1": "127.0.0.11", "algo-2": "127.0.0.12"},
    )
    assert code == 0
    assert said.split() == ["algo-2", "127.0.0.11", "algo-1", "127.0.0.12", "algo-2"]


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


CONNECT = 'bash -c "exec 3<>/dev/tcp/127.0.0.1/{port}" 2>/dev/null && echo connected || echo refused'


def test_the_network_is_there(bench, port):
    assert bench.run(CONNECT.format(port=port))[1] == "connected\n"


def test_an_isolated_container_has_no_network_but_its_own(private, port):
    own = "bash -c 'exec 3<>/dev/udp/127.0.0.1/9 && echo loopback'"
    code, said = private.run(
        f"{CONNECT.format(port=port)}; tail -n +3 /proc/net/dev | cut -d: -f1; {own}", isolated=True
    )
    assert code == 0
    assert said.split() == ["refused", "lo", "loopback"]


def test_a_socket_in_a_shared_folder_reaches_out_of_isolation(private):
    path = private.folder / "ml"
    path.mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path / "s"))
        server.listen()
        server.settimeout(20)
        launched = private.start(
            f"{sys.executable} -c \"import socket; s = socket.socket(socket.AF_UNIX); s.connect('/opt/ml/s'); s.send(b'hi')\"",
            isolated=True,
            mounts=(Mount(str(path), "/opt/ml", writable=True), *interpreter()),
        )
        connection, _ = server.accept()
        with connection:
            assert connection.recv(10) == b"hi"
        assert launched.wait() == 0


def interpreter():
    return [
        Mount(prefix, prefix) for prefix in {sys.prefix, sys.base_prefix} if not prefix.startswith("/usr")
    ]


def test_without_a_sandbox_isolation_and_literal_paths_are_refused(bench):
    if bench.sandbox.private:
        pytest.skip("keeps both promises")
    for demand in ({"isolated": True}, {"needs_opt_ml": True}):
        with pytest.raises(UnavailableError, match="bubblewrap"):
            bench.start("exit 0", **demand)
