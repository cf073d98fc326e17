"""Keep one container of podman or docker: a script that an isolated interpreter runs, ``python -I -S keeper.py FD``.

It stands alone, because every container's start waits for it. Engines hand a container to a process that is nobody's
child; the keeper stands in for it: it lives as long as the container and reports its end, and it ends the container
when the launcher is gone. The launcher holds the other end of *lifeline*: ``T`` asks for SIGTERM, ``K`` or its end for
the end of the container.

The specification is a marshalled mapping on the given descriptor; `wildsage.compute.containers` writes it.
"""

import json
import marshal
import os
import select
import signal
import subprocess
import sys

_LOOK_MILLISECONDS = 100
_FIRST_LOOK_MILLISECONDS = 10
_NEVER = "0001-01-01"  # what engines say of a time that has not come
_CANNOT_RUN = (126, 127)
_KILLED = 137
_RUNTIMES = ("runc", "crun")  # and "runc:[2:INIT]", which waits to become the command
_ENDED = (b"Z", b"X")  # whom nobody has waited for yet


class State:
    """What an engine says of a container: nothing of one that it does not know."""

    def __init__(self, said: bytes) -> None:
        fields = json.loads(said) if said.strip() else {}
        self.known: bool = bool(fields)
        self.process: int = fields.get("Pid", 0)
        self.has_run: bool = self.known and not fields["StartedAt"].startswith(_NEVER)
        self.exit_code: int = fields.get("ExitCode", 0)
        self.out_of_memory: bool = fields.get("OOMKilled", False)


class Memory:
    """What the kernel does at the memory limit of a process's control group; engines miss all but the last end.

    The group is gone soon after its last process, so that it has to be looked at when something happens.
    """

    def __init__(self, process: int) -> None:
        self.exceeded = False
        self.descriptor = -1
        self.interest = select.POLLIN
        self._events = ""
        try:
            with open(f"/proc/{process}/cgroup", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 5 ms
                groups = [line.rstrip().split(":", 2) for line in file]
            for _, controllers, path in groups:
                if "memory" in controllers.split(","):
                    self._follow_v1(f"/sys/fs/cgroup/memory{path}")
                elif not controllers and self.descriptor < 0:
                    self._follow_v2(f"/sys/fs/cgroup{path}")
        except OSError:
            return  # not for us to see
        self.look()

    def _follow_v1(self, folder: str) -> None:
        self._events = f"{folder}/memory.oom_control"
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        subject = os.open(self._events, os.O_RDONLY)
        control = os.open(f"{folder}/cgroup.event_control", os.O_WRONLY)
        os.write(control, f"{self.descriptor} {subject}".encode())
        os.close(control)

    def _follow_v2(self, folder: str) -> None:
        self._events = f"{folder}/memory.events"
        self.descriptor = os.open(self._events, os.O_RDONLY)
        self.interest = select.POLLPRI

    def look(self) -> None:
        """Read what has happened so far."""
        try:
            with open(self._events, encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 5 ms
                words = file.read().split()
            killed = int(words[words.index("oom_kill") + 1]) > 0
        except (OSError, ValueError):  # the group is gone: that is an event, too
            self.descriptor = -1
            return
        self.exceeded = self.exceeded or killed or self._is_told()

    def _is_told(self) -> bool:
        """Tell whether v1 says that somebody is about to be killed; the counter follows later than the end."""
        try:
            return self.interest == select.POLLIN and os.eventfd_read(self.descriptor) > 0
        except BlockingIOError:
            return False


class Keeper:
    """One container, from its start to its removal."""

    def __init__(self, descriptor: int) -> None:
        with open(descriptor, "rb") as file:
            specification = marshal.load(file)  # noqa: S302 - written by our own parent process
        self._engine: list[str] = specification["engine"]
        self._name: str = specification["name"]
        self._run: list[str] = specification["run"]
        self._kept_open: list[int] = specification["kept_open"]
        self._gate: list[str] = specification["gate"]
        self._prefix: str = specification["prefix"]
        self._pid_file: str = specification["pid_file"]
        self._lifeline: int = specification["lifeline"]
        self._status: int = specification["status"]
        self._killing = False
        self._terminating = False
        self._deaf = False  # it was asked to end, and takes no notice so far
        self._process = 0
        self._memory: Memory | None = None
        self._door: subprocess.Popen[bytes] | None = None

    def keep(self) -> int:
        """Carry the container; 0 if it ran."""
        client = subprocess.Popen([*self._engine, *self._run], pass_fds=self._kept_open)
        self._let_go_of_output()
        self._sweep()
        try:
            while client.poll() is None:
                self._look(client)
            return self._report(client.wait())
        finally:
            if self._door is not None:
                self._door.kill()
            self._call("rm", "--force", self._name)

    def _let_go_of_output(self) -> None:
        """What the container writes to is at its end when the container is."""
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, *self._kept_open):
            os.dup2(nothing, descriptor, inheritable=False)
        if not self._gate:
            os.dup2(nothing, 2, inheritable=False)

    def _look(self, client: "subprocess.Popen[bytes]") -> None:
        """Wait for something to happen, and do what there is to do."""
        ended = os.pidfd_open(client.pid)
        happening = select.poll()
        happening.register(ended, select.POLLIN)
        if not self._killing:
            happening.register(self._lifeline, select.POLLIN)
        if self._memory is not None and self._memory.descriptor >= 0:
            happening.register(self._memory.descriptor, self._memory.interest)
        pause = _LOOK_MILLISECONDS if self._killing or self._door is not None else None
        if not self._process or self._terminating or self._deaf:
            pause = _FIRST_LOOK_MILLISECONDS if self._pid_file else _LOOK_MILLISECONDS
        try:
            happened = dict(happening.poll(pause))
        finally:
            os.close(ended)
        if self._memory is not None and self._memory.descriptor in happened:
            self._memory.look()
        if self._lifeline in happened:
            self._take_orders(os.read(self._lifeline, 64))
        if ended not in happened:
            self._act()

    def _take_orders(self, orders: bytes) -> None:
        self._killing = not orders or b"K" in orders
        self._terminating = b"T" in orders

    def _act(self) -> None:
        if not self._process:
            self._meet()
        if self._killing:
            # Again and again: an engine that is still about to start it does not know it yet.
            self._call("kill", self._name)
        elif self._terminating and self._process and is_command(self._process):
            self._terminate()
        elif self._deaf and catches_sigterm(self._process):
            self._deaf = False
            self._signal(self._process)
        elif self._door is not None and self._door.poll() is not None:
            self._killing = True  # nobody can reach it, and the gate has said why

    def _meet(self) -> None:
        """Get to know the container's first process, once there is one."""
        self._process = self._written() if self._pid_file else self._state().process
        if not self._process:
            return
        self._memory = Memory(self._process)
        if self._gate:
            self._door = subprocess.Popen([*self._gate, str(self._process)])
            os.dup2(os.open(os.devnull, os.O_RDWR), 2, inheritable=False)

    def _written(self) -> int:
        """Return what the engine has written of the first process, which is there before it starts the command."""
        try:
            with open(self._pid_file, encoding="ascii") as file:  # noqa: PTH123 - pathlib costs 5 ms
                return int(file.read() or 0)
        except FileNotFoundError:
            return 0

    def _terminate(self) -> None:
        """Send SIGTERM to the group of the container's first process.

        The kernel spares process 1 what it does not catch. It may be about to: then it is told again once it does.
        """
        self._terminating = False
        self._deaf = not catches_sigterm(self._process)
        self._signal(-self._process)

    def _signal(self, target: int) -> None:
        """Send SIGTERM to the first process, or with its negative number to its group."""
        try:
            os.kill(target, signal.SIGTERM)
        except PermissionError:  # docker's containers belong to root: only the engine may
            self._call("kill", "--signal", "TERM", self._name)
        except ProcessLookupError:
            return

    def _report(self, code: int) -> int:
        state = self._state()
        if state.has_run:
            code = state.exit_code
        elif self._killing:
            code = _KILLED
        elif code not in _CANNOT_RUN or not state.known:
            return 1  # the engine has said why, in the container's error output
        exceeded = self._memory is not None and self._memory.exceeded
        report = {"exit-code": code, "out-of-memory": exceeded or state.out_of_memory}
        os.write(self._status, json.dumps(report).encode() + b"\n")
        return 0

    def _state(self) -> State:
        return State(
            self._output("inspect", "--type", "container", "--format", "{{json .State}}", self._name)
        )

    def _sweep(self) -> None:
        """Remove the containers of launchers that were killed together with their keepers."""
        names = self._output("ps", "--all", "--format", "{{.Names}}", "--filter", f"name={self._prefix}")
        for name in names.decode().split():
            if is_abandoned(name, self._prefix):
                self._call("rm", "--force", name)

    def _call(self, *arguments: str) -> bool:
        return self._ask(*arguments).returncode == 0

    def _output(self, *arguments: str) -> bytes:
        return self._ask(*arguments).stdout

    def _ask(self, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
        nothing = subprocess.DEVNULL
        command = [*self._engine, *arguments]
        return subprocess.run(command, check=False, stdin=nothing, stdout=subprocess.PIPE, stderr=nothing)


def started_at(process: int) -> str:
    """Return when a process was started, in the kernel's ticks; empty: it has ended. Numbers come again."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:  # noqa: PTH123 - pathlib costs 5 ms
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in _ENDED else fields[19].decode()


def is_command(process: int) -> bool:
    """Tell whether a container's first process is its command yet: the runtime's own loses signals."""
    try:
        with open(f"/proc/{process}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123 - as above
            name = file.read().strip()
    except OSError:
        return True  # it has ended
    return not name.endswith(":INIT]") and name not in _RUNTIMES


def catches_sigterm(process: int) -> bool:
    """Tell whether a process has a handler for SIGTERM."""
    try:
        with open(f"/proc/{process}/status", encoding="ascii", errors="replace") as file:  # noqa: PTH123 - as above
            caught = next(line.split()[1] for line in file if line.startswith("SigCgt:"))
    except (OSError, StopIteration):
        return False  # it has ended
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


def is_abandoned(name: str, prefix: str) -> bool:
    """Tell whether the launcher that a container is named after is gone."""
    if not name.startswith(prefix):
        return False
    launcher, _, since = name.removeprefix(prefix).rpartition("-")[0].partition("-")
    return launcher.isdigit() and started_at(int(launcher)) != since


def main() -> int:
    """Keep what the specification says."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)  # a handler: what is ignored, the engine would ignore too
    return Keeper(int(sys.argv[1])).keep()


if __name__ == "__main__":
    os._exit(main())
