"""What the end of a container, or a failure beside it, makes of its run, and the words for it."""

import errno
from dataclasses import dataclass

from wildsage.supervisor.artifacts import is_text
from wildsage.supervisor.contract import JobFile, Outcome, StopReason
from wildsage.supervisor.download import InputError, TroubleError
from wildsage.supervisor.environment import ML_TARGET
from wildsage.supervisor.upload import UploadError

NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_INSUFFICIENT_STORAGE = 507


@dataclass(frozen=True, slots=True)
class Ended:
    """How the container ended; `at` in epoch seconds."""

    exit_code: int
    stop_reason: StopReason | None
    seconds: float
    out_of_memory: bool
    log_tail: tuple[str, ...]
    at: float

    @property
    def is_own_failure(self) -> bool:
        """Whether it failed by itself."""
        return self.exit_code != 0 and self.stop_reason is None


def outcome_of_end(ended: Ended, job: JobFile, said: bytes) -> tuple[Outcome, str]:
    """Return outcome and message of a run whose container has ended, and beside which nothing failed.

    Parameters
    ----------
    said
        What the container left in the file for its message.
    """
    if ended.stop_reason is not None:
        return "stopped", ""
    if ended.is_own_failure:
        limit = f"out of memory: the container is limited to {job.limits.memory_bytes} bytes"
        return "failed", limit if ended.out_of_memory else ""
    if job.purpose == "process" and not is_text(said):
        return "bad_message", f"{ML_TARGET}/{job.message_path} must be UTF-8 text, and is not"
    return "completed", ""


def outcome_of(failure: Exception) -> tuple[Outcome, str]:
    """Return outcome and message of a run whose inputs or checkpoints could not go on."""
    if isinstance(failure, InputError):
        return "input_error", str(failure)
    if isinstance(failure, UploadError):
        return "checkpoint_error", f"ClientError: Checkpoint upload failed: {failure}"
    cause = failure.__cause__
    if isinstance(cause, TroubleError) and cause.status == _INSUFFICIENT_STORAGE:
        return "disk_full", f"the machine's disk is full: the checkpoints could not be stored ({cause})"
    if isinstance(failure, OSError) and failure.errno in NO_SPACE:
        return "disk_full", full_disk(failure, "the run could not go on")
    return "platform_error", f"{type(failure).__name__}: {failure}"


def full_disk(error: OSError, what: str) -> str:
    """Say what became impossible."""
    return f"the machine's disk is full ({error.strerror}): {what}"
