"""``smspark-submit`` on one machine: the options of AWS's Spark containers, a local Spark behind them.

Source: the command line of aws/sagemaker-spark-container, and "Configure applications" (EMR Release Guide) for
``configuration.json``. There is no YARN and no HDFS: the driver does all the work, in as many threads as the job
has processors.
"""

import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from wildsage.toolkit.errors import SPARK_FAILED
from wildsage.toolkit.script_mode.commands import KEPT_LINES, passed_on, signals_passed_on
from wildsage.toolkit.script_mode.errors import TRACEBACK, ClientError, essence
from wildsage.toolkit.script_mode.paths import base_folder, located
from wildsage.toolkit.script_mode.spark_configuration import Configuration, read_configuration
from wildsage.toolkit.script_mode.storage import download

_FOLDER = ".wildsage-spark"
_IN_PROGRESS = ".inprogress"
_COPY_SECONDS = 20.0  # as AWS's container
_SMALLEST_DRIVER = 1 << 30
_DRAIN_SECONDS = 5.0
_LOGGED = re.compile(r"\d\d/\d\d/\d\d \d\d:\d\d:\d\d [A-Z]+ ")
"""How a line of Spark's log begins."""
_JAVA_FAILED = "Exception in thread"
_ERROR_LINES = 10
"""A failure reason is made of a log's last lines: all of these have to be among them."""
_LISTS = ("jars", "py_files", "files")


@dataclass(frozen=True, slots=True)
class Submission:
    """What is to run, and with what.

    Attributes
    ----------
    options
        For ``spark-submit``.
    events
        Where the event log is wanted; None: nowhere.
    """

    application: str
    arguments: Sequence[str]
    options: Sequence[str]
    events: Path | None


def submit(words: Sequence[str]) -> int:
    """Run an application as ``smspark-submit`` does; returns its exit code."""
    folder = base_folder() / _FOLDER
    try:
        submission = _parsed(words, folder / "downloads")
        configuration = read_configuration(base_folder() / "processing/input/conf/configuration.json")
    except ClientError as error:
        sys.stderr.write(f"smspark-submit: {error}\n")
        return 2
    for said in configuration.ignored:
        sys.stderr.write(f"smspark-submit: the configuration {said} has no meaning here and is not used\n")
    work, conf, events = folder / "work", folder / "conf", folder / "events"
    for path in (work, conf, events):
        path.mkdir(parents=True, exist_ok=True)
    usual = _properties(work, events if submission.events else None)
    properties = {**usual, **configuration.properties}
    _write(conf / "spark-defaults.conf", "".join(f"{name} {value}\n" for name, value in properties.items()))
    for name, text in configuration.files.items():
        _write(conf / name, text)
    home = Path(importlib.import_module("pyspark").__file__ or "").parent
    command = [str(home / "bin/spark-submit"), *submission.options, submission.application]
    environment = _environment(home, conf, configuration)
    return _carried([*command, *submission.arguments], work, environment, events, submission.events)


def _parsed(words: Sequence[str], downloads: Path) -> Submission:
    parser = argparse.ArgumentParser("smspark-submit", allow_abbrev=False)
    parser.add_argument("--class", dest="class_")
    for name in _LISTS:
        parser.add_argument(f"--{name.replace('_', '-')}")
    parser.add_argument("--local-spark-event-logs-dir")
    parser.add_argument("--spark-event-logs-s3-uri")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("application")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    found = parser.parse_args(words)
    if found.spark_event_logs_s3_uri:
        raise ClientError(
            "--spark-event-logs-s3-uri is not possible here: give --local-spark-event-logs-dir, a folder that"
            " is an output of the job"
        )
    options = ["--verbose"] if found.verbose else []
    if found.class_:
        options += ["--class", found.class_]
    for name in _LISTS:
        given = getattr(found, name)
        if given:
            options += [f"--{name.replace('_', '-')}", ",".join(_files(given, downloads / name))]
    events = found.local_spark_event_logs_dir
    (application,) = _files(found.application, downloads)
    return Submission(application, found.arguments, options, located(events) if events else None)


def _files(given: str, downloads: Path) -> Iterator[str]:
    """Yield the files of a comma-separated list; of a folder all that are in it, of S3 what was fetched."""
    for number, item in enumerate(given.split(",")):
        if urlsplit(item).scheme in ("s3", "s3a"):
            target = downloads / str(number) / item.rpartition("/")[2]
            target.parent.mkdir(parents=True, exist_ok=True)
            download(item, target)
            yield str(target)
            continue
        path = located(item.removeprefix("file://"))
        if path.is_dir():
            yield from sorted(str(file) for file in path.iterdir() if file.is_file())
        elif path.is_file():
            yield str(path)
        else:
            raise ClientError(f"{item} is neither a file nor a folder of this container")


def _properties(work: Path, events: Path | None) -> dict[str, str]:
    """Return what Spark is told before the user's own configuration."""
    threads = os.environ.get("OMP_NUM_THREADS", "*")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    properties = {
        "spark.master": f"local[{threads}]",
        "spark.driver.memory": f"{max(_SMALLEST_DRIVER, memory // 4) >> 20}m",
        "spark.ui.enabled": "false",  # nobody sees it, and jobs side by side would ask for one port
        "spark.sql.warehouse.dir": f"file://{work}/warehouse",
    }
    if events is not None:
        properties |= {"spark.eventLog.enabled": "true", "spark.eventLog.dir": f"file://{events}"}
    return properties


def _environment(home: Path, conf: Path, configuration: Configuration) -> Mapping[str, str]:
    return {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(conf),
        "HADOOP_CONF_DIR": str(conf),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        **configuration.variables,
    }


def _carried(
    command: Sequence[str], work: Path, environment: Mapping[str, str], events: Path, wanted: Path | None
) -> int:
    """Run Spark to its end, and bring its event log where it is wanted meanwhile and at last."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        command, cwd=work, env=dict(environment), stdout=pipe, stderr=pipe, process_group=0
    )
    outputs = [_Output(process.stdout, sys.stdout.buffer), _Output(process.stderr, sys.stderr.buffer)]
    code: int | None = None
    with signals_passed_on(process.pid):
        while code is None:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(_COPY_SECONDS)
            if wanted is not None:
                _copy_events(events, wanted)
    for output in outputs:
        output.join(_DRAIN_SECONDS)  # what outlived Spark can hold it open
    if code > 0:
        sys.stderr.write(f"{SPARK_FAILED}the application failed: {_error(*map(_Output.said, outputs))}\n")
    return code if code >= 0 else 128 - code


class _Output(threading.Thread):
    """Passes an output of Spark on, and keeps the last of what is not Spark's log."""

    def __init__(self, source: IO[bytes] | None, target: IO[bytes]) -> None:
        super().__init__(daemon=True)
        assert source is not None  # it is a pipe
        self._source, self._target = source, target
        self._last: deque[str] = deque(maxlen=KEPT_LINES)
        self.start()

    def run(self) -> None:
        for line in passed_on(self._source, self._target):
            text = line.decode(errors="replace").rstrip()
            if text and not _LOGGED.match(text):
                self._last.append(text)

    def said(self) -> list[str]:
        return list(self._last.copy())


def _error(said: Sequence[str], errors: Sequence[str]) -> str:
    """Return what went wrong. What Python says as an error too, Spark prints as output."""
    starts = [number for number, line in enumerate(errors) if line.startswith(_JAVA_FAILED)]
    if any(line.startswith(TRACEBACK) for line in said):
        text = essence(said)
    else:
        text = essence(errors[starts[-1] :] if starts else errors or said)
    return "\n".join(text.splitlines()[:_ERROR_LINES])


def _copy_events(events: Path, wanted: Path) -> None:
    """Copy the event logs under the names that they have at their end: a history server reads no other."""
    wanted.mkdir(parents=True, exist_ok=True)
    for path in events.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copyfile(path, wanted / path.name.removesuffix(_IN_PROGRESS))


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
