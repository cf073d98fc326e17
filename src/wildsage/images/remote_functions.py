"""Remote functions of the SageMaker Python SDKs (``@remote``, `RemoteExecutor`): which SDK has to run one.

A remote function arrives as a training job whose entrypoint the SDK brings along in a channel. The entrypoint
runs a module of the SDK, so its container needs the SDK of the client, or one that speaks as it does.
Source: ``remote_function/job.py`` of SDK v2 2.257 and sagemaker-core 2.27.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import pairwise

DEFAULT_IMAGE = "sagemaker-base-python-310:1.0"
"""Where a remote function runs whose author names no image. The SDKs know one for Python 3.8 and 3.10 only, and
take what Studio says (``SAGEMAKER_INTERNAL_IMAGE_URI``) before that."""

_CHANNEL = "/sagemaker_remote_function_bootstrap/"
"""In the path of the entrypoint."""
_WORKSPACE_CHANNEL = "sm_rf_user_ws"
_ARCHIVE = "workspace.zip"
_FOLDER = "sagemaker_remote_function_workspace"
_SETTINGS_ARGUMENT = "--dependency_settings"
_VERSION_ARGUMENT = "--client_sagemaker_pysdk_version"
_BEFORE_VERSIONS_WERE_SAID = "2"


def is_remote_function(entrypoint: Sequence[str]) -> bool:
    """Tell whether an entrypoint is that of a remote function."""
    return any(_CHANNEL in word for word in entrypoint)


def dependencies_of(arguments: Sequence[str], channels: Mapping[str, str]) -> tuple[str, str] | None:
    """Return where the ``dependencies`` of a remote function are: an archive, and a file in it.

    Parameters
    ----------
    channels
        URIs by name.

    Returns
    -------
    None where there are none that pip installs, or the client is too old to say so.
    """
    said = dict(pairwise(arguments)).get(_SETTINGS_ARGUMENT, "")
    with suppress(ValueError, AttributeError):
        file = json.loads(said).get("dependency_file") or ""
        uri = channels.get(_WORKSPACE_CHANNEL, "").rstrip("/")
        if uri and str(file).endswith(".txt"):
            return uri if uri.endswith(_ARCHIVE) else f"{uri}/{_ARCHIVE}", f"{_FOLDER}/{file}"
    return None


def client_sdk(entrypoint: Sequence[str], arguments: Sequence[str]) -> str:
    """Return the version of the SDK that sent a remote function; empty for any other job."""
    if not is_remote_function(entrypoint):
        return ""
    said = dict(pairwise(arguments))
    return said.get(_VERSION_ARGUMENT, _BEFORE_VERSIONS_WERE_SAID)
