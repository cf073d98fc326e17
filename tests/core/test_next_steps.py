"""Each cause is known by its text and ends a reason with its own step."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wildsage.core.next_steps import CAUSES, LONGEST_REASON, next_step, with_next_step

DENIED = (
    "AccessDenied: User: arn:aws:sts::123456789012:assumed-role/Role/SageMaker is not authorized to perform:"
    " s3:GetObject on resource: arn:aws:s3:::b/k"
)
CLIENT_DOWNLOAD = "ClientError: Data download failed:Failed to download data. S3 key: s3://b/k"
EXAMPLES = {
    "tuning": ("No training job succeeded after 5 attempts. The first one failed with: AlgorithmError: x, exit code: 137", "`wildsage explain it`"),
    "explicit-deny": (f"ClientError: {DENIED} with an explicit deny in an identity-based policy", "remove the Deny of s3:GetObject on arn:aws:s3:::b/k from the policies of role Role"),
    "permission": (f"ClientError: {DENIED} because no identity-based policy allows it", "grant s3:GetObject on arn:aws:s3:::b/k to role Role"),
    "unreadable-input": (f"{CLIENT_DOWNLOAD} cannot be read: access denied to the job's role", "grant s3:GetObject on s3://b/k"),
    "pip-package": ('AlgorithmError: InstallRequirementsError:\nExitCode 1\nErrorMessage "ERROR: No matching distribution found for nosuch==1.0"', "pip package nosuch==1.0 not found: check requirements.txt"),
    "pip": ('AlgorithmError: InstallRequirementsError:\nExitCode 2\nErrorMessage "ERROR: Invalid requirement"', "`wildsage logs it`"),
    "client-python": ("AlgorithmError: RuntimeEnvironmentError: Python version found in the container is '3.11' which does not match python version '3.10' on the local client.", "run the client with Python 3.11, which"),
    "horovod": ("AlgorithmError: ExecuteUserScriptError:\nModuleNotFoundError: No module named 'horovod'", "horovod has no wheel: use mpi4py, or torch_distributed for PyTorch; or bring an image that has it"),
    "module": ("AlgorithmError: ExecuteUserScriptError:\nModuleNotFoundError: No module named 'lightgbm'", "add lightgbm to requirements.txt"),
    "changed-input": (f"{CLIENT_DOWNLOAD} has changed since the job was created", "run the job again"),
    "absent-input": ("ClientError: s3://b/gone.csv, named by s3://b/manifest, does not exist", "upload s3://b/gone.csv "),
    "empty-channel": ("ClientError: no objects found under s3://b/train/", "upload data below s3://b/train/"),
    "manifest": ("ClientError: the manifest s3://b/m cannot be read: too large", "correct the manifest s3://b/m"),
    "input-key": (f"{CLIENT_DOWNLOAD} would become '../x', outside its channel", "rename the object s3://b/k"),
    "input-download": (f"{CLIENT_DOWNLOAD} is larger than the 3 bytes it had", "`wildsage explain it`"),
    "output-bucket": ("ClientError: the output bucket out does not exist; artifacts could not be stored", "`aws s3 mb s3://out`"),
    "checkpoint-bucket": (
        "ClientError: the bucket b of CheckpointConfig.S3Uri does not exist",
        "create the bucket that CheckpointConfig.S3Uri names",
    ),
    "checkpoint": ("ClientError: Checkpoint upload failed: /opt/ml/checkpoints: it is not a folder any more", "wildsage explain it"),
    "max-wait": ("MaxWaitTimeExceeded", "raise StoppingCondition.MaxWaitTimeInSeconds"),
    "upload": ("ClientError: Artifact upload failed:NoSuchBucket: gone", "s3:PutObject"),
    "code-archive": ("AlgorithmError: the code archive s3://b/s.tar.gz cannot be extracted: bad", "tar czf sourcedir.tar.gz"),
    "model-archive": ('ClientError: Failed to extract model data archive from URL "s3://b/m": bad', "tar czf model.tar.gz"),
    "model-data": ("Failed to download model data for container container_1. Could not find model data at s3://b/m.tar.gz. Please", "upload the model to s3://b/m.tar.gz,"),
    "environment": ("ClientError: the environment sklearn-1.2 could not be prepared: python -m venv", "wildsage images prepare"),
    "java": ("ClientError: the image sagemaker-spark-processing:3.5-cpu cannot run here: Spark needs Java, and there is none", "apt install openjdk-17-jre-headless"),
    "spark-s3": ("AlgorithmError: java.lang.ClassNotFoundException: Class org.apache.hadoop.fs.s3a.S3AFileSystem not found, exit code: 1", "read the files of a ProcessingInput"),
    "engine": ("ClientError: the image x:1 cannot run here: podman does not start containers here: no runtime", "wildsage doctor"),
    "image": ("ClientError: The image x does not exist or cannot run on this machine; known", "wildsage images add"),
    "full-disk": ("InternalServerError: OSError: [Errno 28] No space left on device", "free space"),
    "sandbox": ("InternalServerError: UnavailableError: install the package 'bubblewrap' (apt-get)", "wildsage doctor"),
    "memory": ("AlgorithmError: out of memory: the container is limited to 5 bytes", "more memory"),
    "max-runtime": ("Training job runtime exceeded MaxRuntimeInSeconds provided", "raise StoppingCondition.MaxRuntimeInSeconds"),
    "model-download-time": ("the model data was not there within 5 s (ModelDataDownloadTimeoutInSeconds)", "raise ModelDataDownloadTimeoutInSeconds"),
    "startup-time": ("production variant v did not pass: GET /ping was not answered with 200 within 5 s", "GET /ping"),
    "hyperparameters": ("ClientError: Additional hyperparameters are not allowed, exit code: 2", "correct HyperParameters"),
    "no-command": ("AlgorithmError: cannot run train: No such file, exit code: 127", "the program"),
    "not-executable": ("AlgorithmError: cannot run train: Permission denied, exit code: 126", "chmod +x"),
    "killed": ("AlgorithmError: , exit code: 137", "SIGKILL"),
    "crash": ("AlgorithmError: , exit code: 139", "SIGSEGV"),
    "lost": ("InternalServerError: the process that carried the job is gone. Please try again.", "run it again"),
    "endpoint": ("The primary container for production variant v did not pass. The container ended with exit code 3", "`wildsage logs it`"),
    "platform": ("InternalServerError: ValueError: strange", "run it again"),
    "client": ("ClientError: line 3 of bad.csv has 4 columns", "correct what the message names"),
    "script": ("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nValueError: boo", "`wildsage replay it`"),
    "other": ("AlgorithmError: hmm, exit code: 1", "run `wildsage explain it`"),
}  # fmt: skip


def test_every_cause_has_an_example():
    assert EXAMPLES.keys() == {cause.name for cause in CAUSES}


@pytest.mark.parametrize("cause", EXAMPLES)
def test_a_cause_is_known_and_its_step_ends_the_reason(cause):
    text, step = EXAMPLES[cause]
    found = next_step(text, "it")
    assert found.cause == cause
    assert step in found.step
    reason = with_next_step(text, "it")
    assert reason.startswith(text)
    assert reason.endswith(f"Next step: {found.step}.")


def test_of_a_message_the_start_stays_and_of_a_log_the_end():
    message = with_next_step("ClientError: " + "x" * 5000, "it")
    log = with_next_step(
        "AlgorithmError: " + "x" * 5000 + "end", "it", tail=", exit code: 1", keep_start=False
    )
    assert len(message) == len(log) == LONGEST_REASON
    assert message.startswith("ClientError: xxx")
    assert log.startswith("AlgorithmError: xxx")
    assert "xend, exit code: 1. Next step: " in log


def test_a_cause_behind_the_cut_still_gives_its_step():
    reason = with_next_step("AlgorithmError: " + "x" * 5000 + "No module named 'here'", "it")
    assert reason.endswith(
        "Next step: add here to requirements.txt beside the script, or correct the import."
    )


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(EXAMPLES)), st.text(max_size=1500), st.booleans())
def test_no_reason_is_too_long_or_without_a_whole_step(cause, noise, keep_start):
    text = EXAMPLES[cause][0] + noise
    reason = with_next_step(text, "n" * 63, tail=", exit code: 1", keep_start=keep_start)
    assert len(reason) <= LONGEST_REASON
    assert re.search(r"Next step: .+\.$", reason)
    assert reason.endswith(next_step(text + ", exit code: 1", "n" * 63).ending)


def test_a_word_of_the_user_does_not_push_the_cause_out():
    reason = with_next_step(f"AlgorithmError: No matching distribution found for {'p' * 5000}", "it")
    assert len(reason) <= LONGEST_REASON
    assert reason.startswith("AlgorithmError: No matching distribution")
