"""What to do about a failure: the one place that knows the next step of each cause.

A ``FailureReason`` is a cause in AWS's words, then one step. Clients match on how it begins, and SageMaker
shows 1,024 characters: where it is too long, the cause gives way.
"""

import re
from dataclasses import dataclass
from typing import Final

LONGEST_REASON: Final = 1024
_LONGEST_WORD = 120
"""Of a name that a step repeats: the step must leave room for its cause."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One kind of failure.

    Attributes
    ----------
    name
        For tests and for ``wildsage explain --json``.
    pattern
        Found in the reason's text. Its groups fill the step's ``{0}``, ``{1}`` …
    step
        What to do; ``{name}`` is the job or endpoint.
    """

    name: str
    pattern: str
    step: str


_WHO = r"assumed-role/([^/\s]+)/\S+ is not authorized to perform: (\S+) on resource: (\S+)"

CAUSES: Final = (
    # Of many jobs: why each of them failed is theirs to say
    Cause("tuning", r"^No training job succeeded after", "run `wildsage explain {name}`: it shows why they failed"),
    # Permissions
    Cause("explicit-deny", _WHO + " with an explicit deny", "remove the Deny of {1} on {2} from the policies of role {0}"),
    Cause("permission", _WHO, "grant {1} on {2} to role {0} (aws iam put-role-policy)"),
    Cause("unreadable-input", r"S3 key: (s3://\S+) cannot be read: access denied", "grant s3:GetObject on {0} to the job's role"),
    # The image's packages, before the user's: what pip says is the same
    Cause("environment", r"the environment (\S+) could not be prepared", "let pip reach a package index, then try `wildsage images prepare IMAGE`"),
    # The user's packages
    Cause("pip-package", r"No matching distribution found for ([^\s\"']+)", "pip package {0} not found: check requirements.txt"),
    Cause("pip", r"InstallRequirementsError", "correct requirements.txt; `wildsage logs {name}` shows what pip said"),
    Cause("client-python", r"Python version found in the container is '([\d.]+)' which does not match python version", "run the client with Python {0}, which Wildsage runs on here"),
    Cause("horovod", r"No module named 'horovod", "horovod has no wheel: use mpi4py, or torch_distributed for PyTorch; or bring an image that has it"),
    Cause("module", r"No module named '?([\w.]+)", "add {0} to requirements.txt beside the script, or correct the import"),
    # Inputs and outputs
    Cause("changed-input", r"has changed since the job was created", "run the job again: it reads the object as it is now"),
    Cause("absent-input", r"(s3://[^\s,]+)(?:, named by \S+)?,? does not exist", "upload {0} (aws s3 cp) or correct the job's inputs, then run it again"),
    Cause("empty-channel", r"no objects found under (\S+)", "upload data below {0} (`aws s3 ls {0}` lists it), then run the job again"),
    Cause("manifest", r"the manifest (\S+) (?:cannot be read|is not|does not|names no)", "correct the manifest {0}, then run the job again"),
    Cause("input-key", r"S3 key: (s3://\S+) (?:has an illegal|would become|has a part|goes to the same|is a file where)", "rename the object {0} (aws s3 mv), then run the job again"),
    Cause("input-download", r"Data download failed", "look at the channels in `wildsage explain {name}`, then run the job again"),
    Cause("output-bucket", r"the output bucket (\S+) does not exist", "run `aws s3 mb s3://{0}`, then the job again"),
    Cause("checkpoint-bucket", r"the bucket (\S+) of CheckpointConfig|Checkpoint upload failed: s3://([^/]+)/\S+ cannot be \w+ \(NoSuchBucket", "create the bucket that CheckpointConfig.S3Uri names (aws s3 mb), then run the job again"),
    Cause("checkpoint", r"Checkpoint upload failed", "correct what the message names; `wildsage explain {name}` shows what was stored"),
    Cause("upload", r"Artifact upload failed", "grant s3:PutObject on the job's output location to its role"),
    # Archives
    Cause("code-archive", r"the code archive (.{1,200}?) cannot be extracted", "pack the code again (tar czf sourcedir.tar.gz -C DIR .) and upload it"),
    Cause("model-archive", r"Failed to extract model data archive", "pack the model again (tar czf model.tar.gz -C DIR .) and upload it"),
    Cause("model-data", r"Could not find model data at (\S+?)\.?(?:\s|$)", "upload the model to {0}, or correct ModelDataUrl and create the model again"),
    # Images
    Cause("java", r"Spark needs Java", "install Java (e.g. apt install openjdk-17-jre-headless), or set JAVA_HOME, and start the server again"),
    Cause("engine", r"does not start containers here", "do what `wildsage doctor` says of podman and docker, then run it again"),
    Cause("image", r"does not exist or cannot run on this machine|cannot run here: |has no executable `", "choose an image of `wildsage images ls`, or register one with `wildsage images add`"),
    # The machine
    Cause("spark-s3", r"S3AFileSystem not found|No FileSystem for scheme \"?s3", "read the files of a ProcessingInput and write below a ProcessingOutput: the Spark here has no S3 client"),
    Cause("full-disk", r"No space left on device|Disk quota exceeded|InsufficientStorage|database or disk is full", "free space (`wildsage du` shows what takes it, `wildsage gc` removes what nobody needs), then run it again"),
    Cause("sandbox", r"install the package 'bubblewrap'|sandbox could not be set up|containers see: put the data", "do what `wildsage doctor` says of sandboxes, then run it again"),
    Cause("memory", r"(?i)out of memory|MemoryError|Cannot allocate memory", "use an instance type with more memory, or smaller batches; `wildsage explain {name}` shows the peak"),
    # Time
    Cause("max-runtime", r"MaxRuntimeExceeded|exceeded MaxRuntimeInSeconds", "raise StoppingCondition.MaxRuntimeInSeconds, or save checkpoints and go on from them"),
    Cause("max-wait", r"MaxWaitTimeExceeded", "raise StoppingCondition.MaxWaitTimeInSeconds, or save checkpoints so that an interruption costs less"),
    Cause("model-download-time", r"ModelDataDownloadTimeoutInSeconds", "raise ModelDataDownloadTimeoutInSeconds of the variant"),
    Cause("startup-time", r"not answered with 200 within", "make the container answer GET /ping with 200, or raise ContainerStartupHealthCheckTimeoutInSeconds"),
    # How the container ended
    Cause("hyperparameters", r"(?is)^ClientError: .*hyperparameter", "correct HyperParameters and create the job again"),
    Cause("no-command", r"exit code:? 127", "check that the program and what its first line names exist: `wildsage explain {name}` shows the image"),
    Cause("not-executable", r"exit code:? 126", "make the program executable (chmod +x), then run it again"),
    Cause("killed", r"exit code:? 137", "look for the memory's peak in `wildsage explain {name}`: something killed the process (SIGKILL)"),
    Cause("crash", r"exit code:? 139", "find the crash in native code (SIGSEGV) with `wildsage logs {name}`"),
    Cause("lost", r"the process that carried the \w+ is gone|was lost: ", "run it again; if that repeats, see `wildsage doctor` and the server's log"),
    Cause("endpoint", r"production variant", "see what the container said: `wildsage logs {name}`, then `wildsage explain {name}`"),
    Cause("platform", r"^InternalServerError: ", "run it again; `wildsage explain {name}` shows what to report if that repeats"),
    Cause("client", r"^ClientError: ", "correct what the message names, then run it again; `wildsage explain {name}` shows more"),
    Cause("script", r"ExecuteUserScriptError", "correct the script; `wildsage replay {name}` runs it again on the same inputs"),
    Cause("other", r"", "run `wildsage explain {name}`"),
)  # fmt: skip
"""The first that is found counts."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do, and about which cause."""

    cause: str
    step: str

    @property
    def ending(self) -> str:
        """How a reason ends that has this step."""
        return f"Next step: {self.step}."


def next_step(reason: str, name: str) -> NextStep:
    """Return what to do about a failure.

    Parameters
    ----------
    reason
        The whole text that is known, before anything is cut off.
    name
        Of the job or endpoint.
    """
    for cause in CAUSES:
        found = re.search(cause.pattern, reason)
        if found is not None:
            words = [_shortened(word or "") for word in found.groups()]
            return NextStep(cause.name, cause.step.format(*words, name=name))
    raise AssertionError("the last cause matches every text")


def with_next_step(reason: str, name: str, *, tail: str = "", keep_start: bool = True) -> str:
    """Return a reason that ends with its next step, within the longest.

    Parameters
    ----------
    tail
        Belongs to the reason and is never cut off, e.g. ``, exit code: 1``.
    keep_start
        What of too long a reason is kept: the start of a message, behind its class the end of a log.
    """
    ending = next_step(reason + tail, name).ending
    separator = " " if (reason + tail).endswith((".", "!", "?", "\n")) else ". "
    closing = tail + separator + ending if reason + tail else ending
    room = LONGEST_REASON - len(closing)
    if len(reason) <= room:
        return reason + closing
    if keep_start:
        return reason[:room] + closing
    kind, colon, log = reason.partition(": ")
    start = kind + colon
    return start + log[-(room - len(start)) :] + closing


def _shortened(word: str) -> str:
    return word if len(word) <= _LONGEST_WORD else f"{word[:_LONGEST_WORD]}…"
