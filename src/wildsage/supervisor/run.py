"""Carry one run from its job file to its exit record."""

import errno
import json
import os
import resource
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from wildsage.compute.base import Container, LaunchError, Mount, Process, UnavailableError
from wildsage.compute.select import choose
from wildsage.formats.archives import ArchiveError, extract
from wildsage.supervisor.artifacts import failure_text, pack_artifacts
from wildsage.supervisor.contract import (
    EXIT_FILE,
    JOB_FILE,
    JOURNAL_FILE,
    ML_FOLDER,
    OUT_FOLDER,
    RUN_FOLDER,
    STOP_FILE,
    TOKEN_FILE,
    ExitRecord,
    JobFile,
    Outcome,
    StopReason,
)
from wildsage.supervisor.download import Credentials, InputError, ObjectReader
from wildsage.supervisor.durable import write_durably
from wildsage.supervisor.environment import ML_TARGET, RUN_TARGET, container_environment
from wildsage.supervisor.feeder import Pause
from wildsage.supervisor.folder import remove_tree
from wildsage.supervisor.inputs import SHOWN_FOLDER, Inputs
from wildsage.supervisor.journal import Journal
from wildsage.supervisor.logs import LogFile, LogPump
from wildsage.supervisor.staging import Placed, Staging, place

ROOT_FOLDER = "root"
"""In the run's folder: the container's own files outside its mounts."""

STAGE_FOLDER = "stage"
"""In the run's folder: archives on their way."""

CHECKPOINT_CONFIG = "checkpointconfig.json"

_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 5.0
_FULL_DISK_SECONDS = 0.5
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, slots=True)
class Ended:
    """How the container ended."""

    exit_code: int
    stop_reason: StopReason | None
    seconds: float
    out_of_memory: bool
    log_tail: tuple[str, ...]


class StoppedEarlyError(Exception):
    """The run was asked to stop before its container was launched."""


class Run:
    """One run. The thread that calls `carry` must be the process's main thread: the container dies with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ml = folder / ML_FOLDER
        self.job = JobFile.from_json((folder / JOB_FILE).read_text(encoding="utf-8"))
        self.journal = Journal(folder / JOURNAL_FILE)
        self.inputs = self._inputs()

    def carry(self) -> ExitRecord:
        """Do everything and write the exit record."""
        self.journal.write("started", pid=os.getpid())
        record = self._record()
        self.inputs.close()
        # Before the exit record, because whoever reads that owns the folder, and because the container may
        # have filled the disk.
        self._tidy()
        text = json.dumps(asdict(record), ensure_ascii=False)
        while not self._written(text):
            time.sleep(_FULL_DISK_SECONDS)
        return record

    def _written(self, exit_record: str) -> bool:
        """Put the exit record in place. False: the disk is full; a run that ended well must not run again."""
        try:
            self.journal.flush()
            write_durably(self.folder / EXIT_FILE, exit_record)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            return False
        return True

    def _tidy(self) -> None:
        for name in (ROOT_FOLDER, STAGE_FOLDER, SHOWN_FOLDER):
            with suppress(OSError):
                remove_tree(self.folder / name)

    def _record(self) -> ExitRecord:
        try:
            self.stage()
            record = self._judge(self._contain())
            return record if record.outcome == "input_error" else self._packed(record)
        except StoppedEarlyError:
            return ExitRecord("stopped", _now(), stop_reason=self._stop_requested())
        except InputError as error:
            return ExitRecord("input_error", _now(), message=str(error))
        # RecursionError: folders nested deeper than they can be packed.
        except (LaunchError, UnavailableError, OSError, RecursionError) as error:
            if isinstance(error, OSError) and error.errno in _NO_SPACE:
                return ExitRecord("disk_full", _now(), message=_full(error, "the run could not be prepared"))
            return ExitRecord("platform_error", _now(), message=f"{type(error).__name__}: {error}")

    # Before the launch

    def stage(self) -> None:
        """Make ``/opt/ml``: its folders, what the container reads of its job, the inputs."""
        job = self.job
        folders = ["input/config", "input/data", "model", "output/data"]
        if CHECKPOINT_CONFIG in job.config_files:
            folders.append("checkpoints")
        for name in folders:
            (self.ml / name).mkdir(parents=True, exist_ok=True)
        for name, content in job.config_files.items():
            (self.ml / "input/config" / name).write_text(content, encoding="utf-8")
        self.inputs = self._inputs()  # of the folders as they are now: a replay has others
        placed = self.inputs.place()
        models = [
            Placed(item, self.folder / STAGE_FOLDER / str(number)) for number, item in enumerate(job.model)
        ]
        if placed or models:
            self.journal.write("downloading", objects=len(placed) + len(models))
            self._fetch([*placed, *models])
        for model in models:
            self._unpack(model)

    def _fetch(self, placed: list[Placed]) -> None:
        (self.folder / STAGE_FOLDER).mkdir(exist_ok=True)
        Staging(self.job.endpoint_url, self.job.region, self._credentials(), self._check).fetch(placed)

    def _credentials(self) -> Credentials:
        token = (self.folder / TOKEN_FILE).read_text(encoding="utf-8")
        return Credentials(self.job.credentials_url, token)

    def _inputs(self) -> Inputs:
        def open_reader(pause: Pause) -> ObjectReader:
            return ObjectReader(self.job.endpoint_url, self.job.region, self._credentials(), pause)

        def is_private() -> bool:
            return choose(self.job.sandbox).private

        return Inputs(self.job.channels, self.folder, self.ml, is_private, open_reader)

    def _unpack(self, model: Placed) -> None:
        """Put a downloaded model into ``/opt/ml/model``: an archive's content, or the object as it is."""
        item, target = model.item, self.ml / "model"
        if item.is_archive:
            try:
                extract(model.path, target)
            except ArchiveError as error:
                raise InputError(
                    f'ClientError: Failed to extract model data archive from URL "s3://{item.bucket}/{item.key}":'
                    f" {error}. Please ensure that the object located at the URL is a valid tar.gz archive"
                ) from error
            model.path.unlink()
        else:
            for one in place([item], target):
                model.path.rename(one.path)

    def _check(self) -> None:
        if self._stop_requested() is not None:
            raise StoppedEarlyError

    # The container

    def _contain(self) -> Ended:
        sandbox = choose(self.job.sandbox)
        container = self.container()
        reader, writer = os.pipe()
        pump = LogPump(reader, LogFile(Path(self.job.log_path)))
        try:
            process = sandbox.launch(container, writer, writer)
        finally:
            os.close(writer)
        launched_at = time.monotonic()
        pump.start()
        self.inputs.start()
        self.journal.write("launched", sandbox=sandbox.name, level=sandbox.level, limits=dict(process.limits))
        try:
            exit_code, stop_reason = self.watch(process, launched_at)
            seconds = time.monotonic() - launched_at
            pump.join(_DRAIN_SECONDS)
            self.journal.write(
                "exited", exit_code=exit_code, out_of_memory=process.out_of_memory(), **_usage()
            )
            return Ended(exit_code, stop_reason, seconds, process.out_of_memory(), pump.tail)
        except LaunchError as error:
            pump.join(_DRAIN_SECONDS)
            raise LaunchError("\n".join((str(error), *pump.tail))) from error
        finally:
            process.kill()
            process.release()
            with suppress(FileNotFoundError):
                (self.folder / RUN_FOLDER / TOKEN_FILE).unlink()

    def container(self) -> Container:
        """Describe the container; its token is put where it looks for it."""
        job = self.job
        if not job.isolated:
            token = (self.folder / TOKEN_FILE).read_text(encoding="utf-8")
            write_durably(self.folder / RUN_FOLDER / TOKEN_FILE, token)
        root = self.folder / ROOT_FOLDER
        root.mkdir(exist_ok=True)
        own = (
            Mount(str(self.ml), ML_TARGET, writable=True),
            Mount(str(self.folder / RUN_FOLDER), RUN_TARGET, writable=True),
        )
        return Container(
            argv=job.program.argv,
            environment=container_environment(job),
            root=root,
            mounts=(*own, *self.inputs.mounts(), *job.program.mounts),
            working_directory=job.program.working_directory,
            hostname=job.hostname,
            hosts=job.hosts,
            limits=job.limits,
            isolated=job.isolated,
            needs_opt_ml=job.program.needs_opt_ml,
        )

    def watch(self, process: Process, launched_at: float) -> tuple[int, StopReason | None]:
        """Wait for the container's end; bring it about when it is asked for or due."""
        limit = self.job.max_runtime_seconds
        while (exit_code := process.wait(_POLL_SECONDS)) is None:
            self.journal.flush()
            reason = self._stop_requested()
            if reason is None and limit is not None and time.monotonic() - launched_at >= limit:
                reason = "max_runtime"
            if reason is None and self.inputs.failure is not None:
                reason = "bad_input"
            if reason is not None:
                return self._end(process, reason), reason
        return exit_code, None

    def _end(self, process: Process, reason: StopReason) -> int:
        self.journal.write("stopping", reason=reason)
        process.terminate()
        exit_code = process.wait(self.job.stop_grace_seconds)
        if exit_code is None:
            process.kill()
            exit_code = process.wait()
        assert exit_code is not None  # without a timeout, wait returns at the end only
        return exit_code

    def _stop_requested(self) -> StopReason | None:
        try:
            content = (self.folder / STOP_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            # Without its folder nobody could ever stop this run: its data directory was removed.
            return None if self.folder.is_dir() else "requested"
        reason: StopReason = json.loads(content)["reason"]
        return reason

    # After it

    def _judge(self, ended: Ended) -> ExitRecord:
        outcome: Outcome = "completed" if ended.exit_code == 0 else "failed"
        message = ""
        failure = self.inputs.failure
        if failure is not None:  # whatever the container made of half an epoch
            is_input = isinstance(failure, InputError)
            outcome = "input_error" if is_input else "platform_error"
            message = str(failure) if is_input else f"{type(failure).__name__}: {failure}"
        elif ended.stop_reason is not None:
            outcome = "stopped"
        elif outcome == "failed" and ended.out_of_memory:
            message = f"out of memory: the container is limited to {self.job.limits.memory_bytes} bytes"
        return ExitRecord(
            outcome,
            _now(),
            exit_code=ended.exit_code,
            stop_reason=ended.stop_reason,
            message=message,
            failure=failure_text(self.ml),
            log_tail=ended.log_tail,
            billable_seconds=round(ended.seconds, 3),
        )

    def _packed(self, record: ExitRecord) -> ExitRecord:
        """Pack the artifacts. A full disk ends the run: another one would fill it again."""
        try:
            return replace(record, artifacts=self._pack())
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            with suppress(OSError):
                remove_tree(self.folder / OUT_FOLDER)
            if record.outcome == "failed":  # why the container failed matters more
                return record
            message = _full(error, "the artifacts could not be packed")
            return replace(record, outcome="disk_full", message=message)

    def _pack(self) -> dict[str, int]:
        if self.job.purpose != "train":
            return {}
        self.journal.write("uploading")
        out = self.folder / OUT_FOLDER
        out.mkdir(exist_ok=True)
        return pack_artifacts(self.ml, out, compress=self.job.compress_output)


def _full(error: OSError, what: str) -> str:
    return f"the machine's disk is full ({error.strerror}): {what}"


def _usage() -> dict[str, float]:
    """Return the peak memory of the container's largest process, and the processor time of all of them.

    Of those that somebody waited for, as `orphans` does; what is killed with the container is not counted.
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "peak_memory_bytes": used.ru_maxrss * 1024,
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 3),
    }


def _now() -> float:
    return round(time.time(), 3)
