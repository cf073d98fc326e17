"""What a training script is told: the SM_* variables and its command line.

Meant to equal what AWS's training toolkit gives, which scripts are written against
(https://github.com/aws/sagemaker-training-toolkit/blob/master/ENVIRONMENT_VARIABLES.md).
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wildsage.toolkit.script_mode.distribution import refuse_unavailable
from wildsage.toolkit.script_mode.errors import ClientError

Facts = dict[str, Any]

_OWN_PREFIX = "sagemaker_"
_TUNED = "_tuning_objective_metric"
_OWN_NAMES = frozenset({_TUNED, "default_user_module_name"})
_TENSORFLOW = "sagemaker_tensorflow_container."
_NAMED = frozenset(
    {
        "sagemaker_program", "sagemaker_submit_directory", "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region", "sagemaker_container_log_level", "sagemaker_job_name", "sagemaker_s3_output",
        *_OWN_NAMES,
    }
)  # fmt: skip
_HOMOGENEOUS = "homogeneousCluster"
_MODULE = "SAGEMAKER_TRAINING_MODULE"


@dataclass(frozen=True, slots=True)
class TrainingEnvironment:
    """A training job as its script sees it.

    Attributes
    ----------
    program
        The entry point, relative to the code folder.
    submit_directory
        Where the code comes from; empty: the code folder.
    hyperparameters
        The user's own, decoded.
    facts
        What ``SM_TRAINING_ENV`` holds, by its names there.
    own_job_name
        What the hyperparameter ``sagemaker_job_name`` says.
    """

    program: str
    submit_directory: str
    hyperparameters: Facts
    facts: Facts
    own_job_name: str = ""

    @classmethod
    def read(cls, base: Path) -> "TrainingEnvironment":
        """Read the configuration files below `base`.

        Raises
        ------
        ClientError
            If no script is named, or a launcher is asked for that this image does not have.
        """
        config = base / "input" / "config"
        everything = {name: decoded(text) for name, text in _read(config / "hyperparameters.json").items()}
        own = {n: v for n, v in everything.items() if n.startswith(_OWN_PREFIX) or n in _OWN_NAMES}
        users = {name: value for name, value in everything.items() if name not in own}
        refuse_unavailable(own)
        program = str(own.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM") or "")
        if not program:
            raise ClientError(
                "no script is named: this image runs a user's script, so the job needs the hyperparameter "
                "sagemaker_program (entry_point in the SDK)"
            )
        submit = str(
            own.get("sagemaker_submit_directory") or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY") or ""
        )
        if _TUNED in own and (os.environ.get(_MODULE) or "").startswith(_TENSORFLOW):
            users = _with_model_dir_of_trial(users, _job_name(own))
        resources = _read(config / "resourceconfig.json")
        inputs = _read(config / "inputdataconfig.json")
        facts = _facts(base, own, users, resources, inputs)
        facts |= {
            "module_dir": submit or str(base / "code"),
            "module_name": program.removesuffix(".py"),
            "user_entry_point": program,
        }
        return cls(program, submit, users, facts, str(own.get("sagemaker_job_name") or ""))

    def arguments(self) -> list[str]:
        """Return the hyperparameters as ``--name value`` (``-n value``), in the order of their names."""
        words: list[str] = []
        for name, value in sorted(self.hyperparameters.items()):
            words += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(value)]
        return words

    def variables(self) -> dict[str, str]:
        """Return the SM_* variables, and two without the prefix that AWS's toolkit sets too."""
        facts = self.facts
        values = {
            **{name: facts[name] for name in _AS_VARIABLES},
            "hps": self.hyperparameters,
            "channels": sorted(facts["channel_input_dirs"]),
            "framework_params": facts["additional_framework_parameters"],
            "training_env": facts,
            "user_args": self.arguments(),
            **{f"channel_{name}": path for name, path in facts["channel_input_dirs"].items()},
            **{f"hp_{name}": value for name, value in self.hyperparameters.items()},
        }
        return {
            **{f"SM_{name.upper()}": _variable(value) for name, value in values.items()},
            "CURRENT_HOST": facts["current_host"],
            "SAGEMAKER_JOB_NAME": self.own_job_name,
        }

    def log_level(self) -> int:
        """Return the level that ``container_log_level`` asked for."""
        level = self.facts["log_level"]
        return level if isinstance(level, int) else logging.INFO


_AS_VARIABLES = (
    "current_host", "current_instance_group", "current_instance_group_hosts", "current_instance_type",
    "distribution_hosts", "distribution_instance_groups", "framework_module", "hosts", "input_config_dir",
    "input_data_config", "input_dir", "instance_groups", "instance_groups_dict", "is_hetero", "job_name",
    "log_level", "master_hostname", "is_master", "model_dir", "module_dir", "module_name",
    "network_interface_name", "num_cpus", "num_gpus", "num_neurons", "output_data_dir", "output_dir",
    "output_intermediate_dir", "resource_config", "user_entry_point",
)  # fmt: skip


def decoded(text: Any) -> Any:
    """Decode a hyperparameter: JSON as SDK v2 quotes it, else the text itself."""
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _read(path: Path) -> Facts:
    if not path.is_file():
        return {}
    content = json.loads(path.read_text() or "{}")
    return content if isinstance(content, dict) else {}


def _facts(base: Path, own: Facts, users: Facts, resources: Facts, inputs: Facts) -> Facts:
    hosts = resources.get("hosts") or [resources.get("current_host", "algo-1")]
    current = resources.get("current_host", hosts[0])
    return {
        **_places(base, inputs),
        **_instance_groups(resources),
        "additional_framework_parameters": {n: v for n, v in own.items() if n not in _NAMED},
        "current_host": current,
        "current_instance_type": resources.get("current_instance_type", "local"),
        **_distribution(own, resources, hosts),
        "framework_module": os.environ.get(_MODULE),
        "hosts": hosts,
        "hyperparameters": users,
        "input_data_config": inputs,
        "is_master": current == hosts[0],
        "is_modelparallel_enabled": None,
        "job_name": _job_name(own),
        "log_level": own.get("sagemaker_container_log_level", logging.INFO),
        "master_hostname": hosts[0],
        "network_interface_name": resources.get("network_interface_name", "eth0"),
        "num_cpus": int(os.environ.get("SM_NUM_CPUS") or len(os.sched_getaffinity(0))),
        "num_gpus": int(os.environ.get("SM_NUM_GPUS") or len(list(Path("/dev").glob("nvidia[0-9]*")))),
        "num_neurons": 0,
        "resource_config": resources,
    }


def _job_name(own: Facts) -> str | None:
    return os.environ.get("TRAINING_JOB_NAME") or own.get("sagemaker_job_name")


def _with_model_dir_of_trial(users: Facts, job_name: str | None) -> Facts:
    """Return hyperparameters with a ``model_dir`` of the training job's own, as AWS's TensorFlow images give it.

    SDK v2 makes one S3 location for all training jobs of a tuning job: they would overwrite each other's checkpoints.
    Source: github.com/aws/sagemaker-tensorflow-training-toolkit, ``training.py``. Without ``model_dir`` nothing is
    added, where AWS's image makes one of the word None.
    """
    place = users.get("model_dir")
    if not place or str(place).startswith("/opt/ml"):
        return users
    return {**users, "model_dir": f"{place}/{job_name}/model"}


def _places(base: Path, inputs: Mapping[str, Any]) -> Facts:
    return {
        "channel_input_dirs": {channel: str(base / "input" / "data" / channel) for channel in inputs},
        "input_config_dir": str(base / "input" / "config"),
        "input_dir": str(base / "input"),
        "model_dir": str(base / "model"),
        "output_data_dir": str(base / "output" / "data"),
        "output_dir": str(base / "output"),
        "output_intermediate_dir": str(base / "output" / "intermediate"),
    }


def _instance_groups(resources: Facts) -> Facts:
    groups = {group["instance_group_name"]: group for group in resources.get("instance_groups", [])}
    current = resources.get("current_group_name", _HOMOGENEOUS)
    return {
        "current_instance_group": current,
        "current_instance_group_hosts": groups.get(current, {}).get("hosts", []),
        "instance_groups": list(groups),
        "instance_groups_dict": groups,
        "is_hetero": len(groups) > 1,
    }


def _distribution(own: Facts, resources: Facts, hosts: list[str]) -> Facts:
    """Return for which hosts a launcher is: those of the groups that the SDK names, else all."""
    names = own.get("sagemaker_distribution_instance_groups") or []
    those = [
        host
        for group in resources.get("instance_groups", [])
        if group["instance_group_name"] in names
        for host in group["hosts"]
    ]
    return {"distribution_instance_groups": names, "distribution_hosts": sorted(those) if names else hosts}


def _argument(value: Any) -> str:
    if isinstance(value, dict):
        return ",".join(f"{name}={item}" for name, item in sorted(value.items()))
    return "" if value is None else str(value)


def _variable(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
