"""Shorter waits: the SageMaker SDKs and boto3's waiters look for an end every quarter of a second.

The SDKs sleep 5 to 30 seconds before each look at a job or an endpoint, which here is ready in less. What is
changed is the clock of the modules listed in `_SLEEPERS`, and boto3's waiters, which keep their patience: they
look more often, not less long. `time.sleep` itself stays, and so does everything of a version that is not
built like those that are known; that is said once.

This file also runs in the user's own interpreter (`wildsage run --fast-waits`), which may not have Wildsage:
it imports the standard library only.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import importlib.util
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

INTERVAL_SECONDS = 0.25

_SLEEPERS = (
    # SDK v2
    "sagemaker.session",
    "sagemaker.predictor_async",
    "sagemaker.aws_batch.training_queued_job",
    "sagemaker.remote_function.client",
    "sagemaker_core.main.resources",
    # SDK v3
    "sagemaker.core.resources",
    "sagemaker.core.helper.session_helper",
    "sagemaker.core.processing",
    "sagemaker.core.remote_function.client",
    "sagemaker.core.remote_function.job",
    "sagemaker.core.transformer",
    "sagemaker.mlops.feature_store.feature_utils",
    "sagemaker.serve.deployment_progress",
    "sagemaker.serve.predictor_async",
    "sagemaker.train.aws_batch.training_queued_job",
    "sagemaker.train.common_utils.job_wait",
    "sagemaker.train.common_utils.log_streamer",
    "sagemaker.train.common_utils.trainer_wait",
    "sagemaker.train.evaluate.execution",
)
"""Modules that sleep in their wait loops, and in nothing else, by ``time.sleep`` of a module-wide ``time``."""
_LAST_LOOK = "last_describe_job_call"
"""A variable of the loops that print a job's log: they look at the job itself every 30 s only, by ``time.time``."""
_WAITERS = "botocore.waiter"

Undo = Callable[[], None]


class Clock:
    """Stands for the module ``time`` in a module with wait loops: sleeps are short."""

    def __init__(self) -> None:
        self._skipped = threading.local()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than `INTERVAL_SECONDS`."""
        time.sleep(min(seconds, INTERVAL_SECONDS))
        self._skipped.seconds = self._seconds() + max(0.0, seconds - INTERVAL_SECONDS)

    def time(self) -> float:
        """Return the time; to a loop that prints logs, as if it had slept as long as it meant to.

        With a timeout it gets the true time: its patience counts, and the job has to wait for its look.
        """
        caller = sys._getframe(1)  # noqa: SLF001 - who asks decides what time it is
        if _LAST_LOOK in caller.f_code.co_varnames and not caller.f_locals.get("timeout"):
            return time.time() + self._seconds()
        return time.time()

    def _seconds(self) -> float:
        return getattr(self._skipped, "seconds", 0.0)

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


class _Finder(importlib.abc.MetaPathFinder):
    """Shortens the waits of a module when it is imported. Finds nothing by itself."""

    def __init__(self, undo: list[Undo]) -> None:
        self._undo = undo

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in _SLEEPERS and fullname != _WAITERS:
            return None
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    self._extend(spec)
                    return spec
        return None

    def _extend(self, spec: importlib.machinery.ModuleSpec) -> None:
        loader: Any = spec.loader
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self._undo += _shorten(module)

        loader.exec_module = exec_module


def install() -> Undo:
    """Shorten the waits of what is imported and of what will be; returns what takes that back."""
    undo: list[Undo] = []
    finder = _Finder(undo)
    sys.meta_path.insert(0, finder)
    for name in (*_SLEEPERS, _WAITERS):
        if name in sys.modules:
            undo += _shorten(sys.modules[name])

    def uninstall() -> None:
        sys.meta_path.remove(finder)
        for step in undo:
            step()

    return uninstall


@contextlib.contextmanager
def fast_waits() -> Iterator[None]:
    """Shorten the waits until the block ends."""
    uninstall = install()
    try:
        yield
    finally:
        uninstall()


def _shorten(module: ModuleType) -> list[Undo]:
    if module.__name__ == _WAITERS:
        return _shorten_waiters(module)
    if getattr(module, "time", None) is not time:
        _say_unknown(module.__name__.partition(".")[0])
        return []
    module.time = Clock()  # type: ignore[attr-defined]  # checked above
    return [lambda: setattr(module, "time", time)]


def _shorten_waiters(module: ModuleType) -> list[Undo]:
    """Let boto3's waiters look more often, and as much more often as they would wait longer."""
    waiter = getattr(module, "Waiter", None)
    wait = getattr(waiter, "wait", None)
    if waiter is None or wait is None:
        _say_unknown(module.__name__.partition(".")[0])
        return []

    @functools.wraps(wait)
    def often(self: Any, **options: Any) -> Any:
        config = dict(options.get("WaiterConfig") or {})
        delay = config.get("Delay", self.config.delay)
        attempts = config.get("MaxAttempts", self.config.max_attempts)
        if delay > INTERVAL_SECONDS:
            config["Delay"] = INTERVAL_SECONDS
            config["MaxAttempts"] = math.ceil(attempts * delay / INTERVAL_SECONDS)
        return wait(self, **{**options, "WaiterConfig": config})

    waiter.wait = often
    return [lambda: setattr(waiter, "wait", wait)]


@functools.cache
def _say_unknown(package: str) -> None:
    sys.stderr.write(
        f"wildsage: this version of {package} waits in a way that is not known here: its waits stay as long as they are\n"
    )
