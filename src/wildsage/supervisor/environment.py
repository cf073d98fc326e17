"""The environment of a container: what its image sets, and what Wildsage owes it."""

import os
from collections.abc import Mapping

from wildsage.supervisor.contract import PEERS_FILE, RUN_FOLDER, SERVE_SOCKET, TOKEN_FILE, JobFile

ML_TARGET = "/opt/ml"
RUN_TARGET = f"/{RUN_FOLDER}/wildsage"
# An image's own variables and its user's home come from the image.
_OF_NO_IMAGE = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


def container_environment(job: JobFile, proxies: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the job's container, in the container's own paths.

    What the image or the user sets wins over what is added here.

    Parameters
    ----------
    proxies
        The variables that lead to the container's proxy, if it has one.
    """
    is_image = job.program.image is not None
    added = {
        **({} if is_image else _OF_NO_IMAGE),
        "HOSTNAME": job.hostname,
        "PYTHONUNBUFFERED": "1",
        "SAGEMAKER_BASE_DIR": ML_TARGET,
        "AWS_REGION": job.region,
        "AWS_DEFAULT_REGION": job.region,
    }
    if not job.isolated:
        added["AWS_ENDPOINT_URL"] = job.endpoint_url
        added["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = job.credentials_url
        added["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = f"{RUN_TARGET}/{TOKEN_FILE}"
        # Programs prefer one spelling or the other: of a variable that is set, none of ours is added.
        own = {name.upper() for name in job.program.environment}
        added.update({name: value for name, value in proxies.items() if name.upper() not in own})
    if len(job.hosts) > 1:
        added["WILDSAGE_PEERS_FILE"] = f"{RUN_TARGET}/{PEERS_FILE}"
    if job.purpose == "serve" and job.program.port is None:
        added["WILDSAGE_BIND_SOCKET"] = f"{RUN_TARGET}/{SERVE_SOCKET}"
    if job.limits.cpus is not None:
        threads = max(1, min(int(job.limits.cpus), os.cpu_count() or 1))
        added.update(dict.fromkeys(_THREAD_VARIABLES, str(threads)))
    return {**added, **job.program.environment}
