"""A run's folder as the server sees it: write the job, launch the supervisor, follow it, stop it."""

import json
import os
import subprocess
import sys
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from wildsage.supervisor.contract import (
    EXIT_FILE,
    JOB_FILE,
    JOURNAL_FILE,
    ML_FOLDER,
    OUT_FOLDER,
    PEERS_FILE,
    RUN_FOLDER,
    SENT_FOLDER,
    SERVE_SOCKET,
    STOP_FILE,
    TOKEN_FILE,
    Event,
    ExitRecord,
    JobFile,
    StopReason,
    StopRequest,
)
from wildsage.supervisor.durable import write_durably
from wildsage.supervisor.liveness import LOCK_FILE, is_alive, living, take_lock

SUPERVISOR_LOG = "supervisor.log"
"""What the supervisor itself says: empty unless something went wrong with Wildsage."""

_MODULE = "wildsage.supervisor"


def living_runs(folder: Path) -> "list[RunFolder]":
    """Return the runs below `folder` that a supervisor carries now."""
    return [RunFolder(run) for run in living(folder)]


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The server's side of one run. Safe to use from any thread; every method may be repeated.

    Attributes
    ----------
    path
        The folder. Its parent must exist before `write_job`.
    """

    path: Path

    @property
    def ml(self) -> Path:
        """The container's ``/opt/ml``."""
        return self.path / ML_FOLDER

    @property
    def out(self) -> Path:
        """What was made, when the container has ended."""
        return self.path / OUT_FOLDER

    @property
    def sent(self) -> Path:
        """What was made while the container runs."""
        return self.path / SENT_FOLDER

    @property
    def socket(self) -> Path:
        """Where a serving container listens. The path may be too long for `connect`."""
        return self.path / RUN_FOLDER / SERVE_SOCKET

    def write_job(self, job: JobFile, token: str, shared_secret: str = "") -> None:
        """Make the folder and put the job in place; ``job.json`` comes last.

        Parameters
        ----------
        shared_secret
            By which the hosts of the job know each other; empty: it has one.
        """
        self.path.mkdir(mode=0o700, exist_ok=True)
        for name in (ML_FOLDER, RUN_FOLDER, OUT_FOLDER):
            (self.path / name).mkdir(mode=0o755, exist_ok=True)
        write_durably(self.path / TOKEN_FILE, token)
        if shared_secret:
            write_durably(self.path / RUN_FOLDER / PEERS_FILE, shared_secret)
        write_durably(self.path / JOB_FILE, job.to_json())

    def job(self) -> JobFile:
        """Read the job back."""
        return JobFile.from_json((self.path / JOB_FILE).read_text(encoding="utf-8"))

    def launch(self, python: str = sys.executable) -> None:
        """Start a supervisor in a session of its own; it outlives this process.

        The lock is taken here and handed over: `is_alive` is true from the return of this method until
        the supervisor's end, without a gap. The supervisor is nobody's child, so nobody has to wait for it.

        Raises
        ------
        RunInUseError
            If a supervisor carries this run already.
        """
        lock = take_lock(self.path / LOCK_FILE)
        log = os.open(
            self.path / SUPERVISOR_LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        try:
            subprocess.run(
                ["/bin/sh", "-c", '"$@" &', "sh", python, "-m", _MODULE, str(self.path), str(lock)],
                check=True,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
            )
        finally:
            os.close(log)
            os.close(lock)

    def is_alive(self) -> bool:
        """Tell whether a supervisor carries this run now."""
        return is_alive(self.path)

    def events(self, after_sequence: int = 0) -> list[Event]:
        """Return the journal behind `after_sequence`. A line that a crash tore off is no event."""
        try:
            content = (self.path / JOURNAL_FILE).read_bytes()
        except FileNotFoundError:
            return []
        events = []
        for line in content.split(b"\n")[:-1]:
            try:
                event = Event(**json.loads(line))
            except (ValueError, TypeError):
                break
            if event.sequence > after_sequence:
                events.append(event)
        return events

    def exit_record(self) -> ExitRecord | None:
        """Return how the run ended; None while it has not (or was lost: see `is_alive`)."""
        try:
            return ExitRecord.from_json((self.path / EXIT_FILE).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def request_stop(self, reason: StopReason = "requested") -> None:
        """Ask the supervisor to end the container. The first reason stays, unless it was an interruption.

        Where the folder is gone, so is whom to ask.
        """
        stop = self.path / STOP_FILE
        try:
            is_asked = json.loads(stop.read_text(encoding="utf-8"))["reason"] != "interrupted"
        except FileNotFoundError:
            is_asked = False
        if not is_asked:
            with suppress(FileNotFoundError):
                write_durably(stop, json.dumps(asdict(StopRequest(reason))))

    def delete(self) -> None:
        """Remove the folder, whatever modes the container gave its files. Nothing there: nothing done."""
        remove_tree(self.path)


def remove_tree(path: Path) -> None:
    """Remove a folder, whatever modes are in it and however deep it is; nothing there: nothing done.

    Inner folders are moved to the top one by one: a job may nest them deeper than a path, a recursion or the
    number of open files can go.
    """
    folders = [path]
    while folders:
        folder = folders.pop()
        with suppress(FileNotFoundError):
            folder.chmod(0o700)
            for entry in list(os.scandir(folder)):
                inner = Path(entry.path)
                if not entry.is_dir(follow_symlinks=False):
                    inner.unlink(missing_ok=True)
                    continue
                inner.chmod(0o700)
                folders.append(inner if folder == path else inner.rename(path / f".{uuid.uuid4().hex}"))
            if folder != path:
                folder.rmdir()
    with suppress(FileNotFoundError):
        path.rmdir()
