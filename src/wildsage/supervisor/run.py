"""Carry one run from its job file to its exit record."""

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from urllib.parse import urlsplit

from wildsage.compute.base import Container, Door, LaunchError, Mount, Process, UnavailableError
from wildsage.compute.orphans import usage_of_children
from wildsage.compute.select import choose
from wildsage.compute.shared_network import receive, start_holder
from wildsage.formats.archives import ArchiveError, extract
from wildsage.supervisor.artifacts import message_of, take, text_of
from wildsage.supervisor.checkpoints import Checkpoints
from wildsage.supervisor.continuous import Continuous
from wildsage.supervisor.contract import (
    EXIT_FILE,
    JOB_FILE,
    JOURNAL_FILE,
    ML_FOLDER,
    OUT_FOLDER,
    RUN_FOLDER,
    SERVE_SOCKET,
    STOP_FILE,
    TOKEN_FILE,
    ExitRecord,
    JobFile,
    StopReason,
)
from wildsage.supervisor.download import Credentials, InputError, ObjectReader
from wildsage.supervisor.durable import write_durably
from wildsage.supervisor.environment import ML_TARGET, RUN_TARGET, container_environment
from wildsage.supervisor.feeder import Pause
from wildsage.supervisor.folder import remove_tree
from wildsage.supervisor.host_proxy import HostProxy
from wildsage.supervisor.inputs import SHOWN_FOLDER, Inputs
from wildsage.supervisor.journal import Journal
from wildsage.supervisor.logs import LogFile, LogPump
from wildsage.supervisor.staging import Placed, Staging, place
from wildsage.supervisor.surroundings import HostProxyCommand
from wildsage.supervisor.upload import ObjectWriter
from wildsage.supervisor.verdict import NO_SPACE, Ended, full_disk, outcome_of, outcome_of_end

ROOT_FOLDER = "root"
"""In the run's folder: the container's own files outside its mounts."""

STAGE_FOLDER = "stage"
"""In the run's folder: archives on their way."""

_POLL_SECONDS = 0.1
_DRAIN_SECONDS = 5.0
_FULL_DISK_SECONDS = 0.5
_LOOPBACK = ("127.0.0.1", "localhost")


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
        self.continuous = Continuous(self.job.outputs, folder, self.ml)
        self.checkpoints = self._checkpoints()
        self.host_proxy = HostProxy(self._proxy_command(), folder)
        self._began = time.monotonic()
        self._told_at: float | None = None

    def carry(self) -> ExitRecord:
        """Do everything and write the exit record."""
        self.journal.write("started", pid=os.getpid())
        place = self.job.network
        if place is not None and Path(place.folder) == self.folder:
            start_holder(self.folder, place.hosts)
        record = self._record()
        self.inputs.close()
        self.checkpoints.close()
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
            if error.errno not in NO_SPACE:
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
            ended = self._contain()
            self._store_checkpoints(ended)
            record = self._judge(ended)
            is_kept = record.outcome != "input_error" and record.stop_reason != "interrupted"
            return self._packed(record) if is_kept else record
        except StoppedEarlyError:
            return ExitRecord("stopped", _now(), stop_reason=self._stop_requested() or "max_wait")
        except InputError as error:
            return ExitRecord("input_error", _now(), message=str(error))
        # RecursionError: folders nested deeper than they can be packed.
        except (LaunchError, UnavailableError, OSError, RecursionError) as error:
            if isinstance(error, OSError) and error.errno in NO_SPACE:
                return ExitRecord(
                    "disk_full", _now(), message=full_disk(error, "the run could not be prepared")
                )
            return ExitRecord("platform_error", _now(), message=f"{type(error).__name__}: {error}")

    # Before the launch

    def stage(self) -> None:
        """Make ``/opt/ml``: its folders, what the container reads of its job, the inputs."""
        job = self.job
        for name in (*job.folders, *(output.place for output in job.outputs)):
            (self.ml / name).mkdir(parents=True, exist_ok=True)
        for name, content in job.config_files.items():
            (self.ml / name).parent.mkdir(parents=True, exist_ok=True)
            (self.ml / name).write_text(content, encoding="utf-8")
        self.inputs = self._inputs()  # of the folders as they are now: a replay has others
        self.checkpoints = self._checkpoints()
        placed = [*self.inputs.place(), *self.checkpoints.place()]
        models = [
            Placed(item, self.folder / STAGE_FOLDER / str(number)) for number, item in enumerate(job.model)
        ]
        if placed or models:
            self.journal.write("downloading", objects=len(placed) + len(models))
            self._fetch([*placed, *models])
        self.checkpoints.remember()
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
            return choose(self.job.backend).private

        shares_mounts = self.job.program.image is None
        return Inputs(
            self.job.channels, self.folder, self.ml, is_private, open_reader, shares_mounts=shares_mounts
        )

    def _checkpoints(self) -> Checkpoints:
        def open_writer(pause: Pause) -> ObjectWriter:
            return ObjectWriter(self.job.endpoint_url, self.job.region, self._credentials(), pause)

        return Checkpoints(self.job.checkpoints, self.folder, self.ml, open_writer)

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
        limit = self.job.max_wait_seconds
        if self._stop_requested() is not None:
            raise StoppedEarlyError
        if limit is not None and time.monotonic() - self._began >= limit:
            raise StoppedEarlyError

    # The container

    def _contain(self) -> Ended:
        sandbox = choose(self.job.backend)
        container = self._in_shared_network(self.container())
        reader, writer = os.pipe()
        pump = LogPump(reader, LogFile(Path(self.job.log_path)))
        try:
            process = sandbox.launch(container, writer, writer)
        finally:
            os.close(writer)
            if container.network is not None:
                container.network.close()
        launched_at = time.monotonic()
        pump.start()
        self.inputs.start()
        self.continuous.start()
        self.checkpoints.start()
        self.journal.write("launched", sandbox=sandbox.name, level=sandbox.level, limits=dict(process.limits))
        try:
            exit_code, stop_reason = self.watch(process, launched_at)
            seconds, at = time.monotonic() - launched_at, _now()
            pump.join(_DRAIN_SECONDS)
            self.journal.write(
                "exited", exit_code=exit_code, out_of_memory=process.out_of_memory(), **self._usage()
            )
            return Ended(exit_code, stop_reason, seconds, process.out_of_memory(), pump.tail, at)
        except LaunchError as error:
            pump.join(_DRAIN_SECONDS)
            raise LaunchError("\n".join((str(error), *pump.tail))) from error
        finally:
            process.kill()
            process.release()
            self.host_proxy.close()
            self.continuous.close()
            with suppress(FileNotFoundError):
                (self.folder / RUN_FOLDER / TOKEN_FILE).unlink()

    def _in_shared_network(self, container: Container) -> Container:
        place = self.job.network
        return (
            container
            if place is None
            else replace(container, network=receive(Path(place.folder), self._check))
        )

    def _usage(self) -> dict[str, float]:
        """Return what the container used; nothing where it was an engine's and not a child of ours."""
        return usage_of_children() if self.job.program.image is None else {}

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
            environment=container_environment(job, self.host_proxy.open((*job.hosts, *job.hosts.values()))),
            root=root,
            mounts=(*own, *self.inputs.mounts(), *self.checkpoints.mounts(), *job.program.mounts),
            working_directory=job.program.working_directory,
            hostname=job.hostname,
            hosts=job.hosts,
            limits=job.limits,
            isolated=job.isolated,
            needs_opt_ml=job.program.needs_opt_ml,
            image=job.program.image,
            door=self._door(),
        )

    def _proxy_command(self) -> HostProxyCommand | None:
        """Return nothing for a container that could not reach this machine's loopback."""
        job = self.job
        return None if job.isolated or job.program.port is not None else job.host_proxy

    def _door(self) -> Door | None:
        port = self.job.program.port
        if port is None:
            return None
        server = urlsplit(self.job.endpoint_url)
        way_out = server.port if server.hostname in _LOOPBACK else None
        return Door(str(self.folder / RUN_FOLDER / SERVE_SOCKET), port, way_out)

    def watch(self, process: Process, launched_at: float) -> tuple[int, StopReason | None]:
        """Wait for the container's end; bring it about when it is asked for or due."""
        while (exit_code := process.wait(_POLL_SECONDS)) is None:
            self.journal.flush()
            self.host_proxy.look()
            self.checkpoints.look()
            reason = self._reason_to_stop(launched_at)
            if reason is not None:
                return self._end(process, reason)
        return exit_code, None

    def _reason_to_stop(self, launched_at: float) -> StopReason | None:
        job, now = self.job, time.monotonic()
        due: tuple[tuple[StopReason, float | None, float], ...] = (
            ("max_runtime", job.max_runtime_seconds, launched_at),
            ("max_wait", job.max_wait_seconds, self._began),
            ("interrupted", job.interrupt_after_seconds, launched_at),
        )
        reason = self._stop_requested()
        if reason is None:
            reason = next(
                (name for name, limit, since in due if limit is not None and now - since >= limit), None
            )
        if reason is None and self.inputs.failure is not None:
            reason = "bad_input"
        if reason is None and self.checkpoints.failure is not None:
            reason = "bad_checkpoint"
        return reason

    def _end(self, process: Process, reason: StopReason) -> tuple[int, StopReason | None]:
        """End the container; one that ended by itself while that was written down was not stopped."""
        self.journal.write("stopping", reason=reason)
        if (exit_code := process.wait(0)) is not None:
            return exit_code, None
        self._told_at = _now()
        is_told = process.terminate()
        deadline = time.monotonic() + self.job.stop_grace_seconds
        while (exit_code := process.wait(_POLL_SECONDS)) is None and time.monotonic() < deadline:
            self.host_proxy.look()
            self.checkpoints.look(may_end=True)
            is_told = is_told or process.terminate()
        if exit_code is None:
            process.kill()
            exit_code = process.wait()
        assert exit_code is not None  # without a timeout, wait returns at the end only
        return exit_code, reason

    def _store_checkpoints(self, ended: Ended) -> None:
        if self.job.checkpoints is not None and ended.stop_reason != "interrupted":
            self.journal.write("uploading")
        done = self.checkpoints.finish(
            well=ended.exit_code == 0, may_give_up=lambda: self._stop_requested() == "requested"
        )
        if done is not None:
            self.journal.write("synced", **asdict(done))

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
        said = message_of(self.ml, self.job.message_path)
        # Whatever the container made of half an epoch; why it failed by itself matters more than its checkpoints.
        failure = self.inputs.failure or (None if ended.is_own_failure else self.checkpoints.failure)
        outcome, message = outcome_of_end(ended, self.job, said) if failure is None else outcome_of(failure)
        return ExitRecord(
            outcome,
            _now(),
            exit_code=ended.exit_code,
            stop_reason=self._last_reason(ended),
            message=message,
            failure=text_of(said),
            log_tail=ended.log_tail,
            billable_seconds=round(ended.seconds, 3),
            ended_at=ended.at,
            told_at=self._told_at,
        )

    def _last_reason(self, ended: Ended) -> StopReason | None:
        """Return why the container was stopped: whoever is interrupted may be asked to stop for good meanwhile.

        Not by a host that failed meanwhile: it may have done so because this one was interrupted.
        """
        asked = self._stop_requested() if ended.stop_reason == "interrupted" else None
        return ended.stop_reason if asked in (None, "host_failed") else asked

    def _packed(self, record: ExitRecord) -> ExitRecord:
        """Pack the artifacts. A full disk ends the run: another one would fill it again."""
        try:
            return replace(record, artifacts=self._pack())
        except OSError as error:
            if error.errno not in NO_SPACE:
                raise
            with suppress(OSError):
                remove_tree(self.folder / OUT_FOLDER)
            if record.outcome == "failed":  # why the container failed matters more
                return record
            message = full_disk(error, "the artifacts could not be packed")
            return replace(record, outcome="disk_full", message=message)

    def _pack(self) -> dict[str, int]:
        if not self.job.outputs:
            return {}
        self.journal.write("uploading")
        out = self.folder / OUT_FOLDER
        out.mkdir(exist_ok=True)
        return take(self.ml, out, self.job.outputs, self.continuous.sent)


def _now() -> float:
    return round(time.time(), 3)
