"""The control plane of tuning jobs on a real store; nothing runs."""

import asyncio
import copy
import sys
from pathlib import Path

from wildsage.algorithms.registry import MODULES, REPOSITORIES
from wildsage.images.catalogue import ImageCatalogue
from wildsage.images.environments import Environments
from wildsage.images.registered import RegisteredImages
from wildsage.services.operation import operations_of
from wildsage.services.sagemaker.training_job import TrainingJobRules, TrainingJobs
from wildsage.services.sagemaker.tuning_job import TuningJobs
from wildsage.services.sagemaker.tuning_plan import TuningPlanner, TuningRules
from wildsage.services.sagemaker.tuning_warm_start import WarmStart
from wildsage.store.resources import Key, Resources
from wildsage.store.tuning_trials import TUNING_JOB, TuningTrials
from wildsage.toolkit.resolve import load_spec

KEY = Key("123456789012", "us-west-2", TUNING_JOB, "tune")
CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
ROLE = "arn:aws:iam::123456789012:role/Execution"
CURVE = Path(__file__).parents[2] / "containers" / "curve" / "train.py"
REGISTRY = "433757028032.dkr.ecr.us-west-2.amazonaws.com"

_SHARED = {
    "RoleArn": ROLE,
    "OutputDataConfig": {"S3OutputPath": "s3://out/models"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}

REQUESTS = {
    "curve": {
        "HyperParameterTuningJobName": "tune",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "10"}],
                "CategoricalParameterRanges": [{"Name": "colour", "Values": ["red", "green"]}],
            },
            "RandomSeed": 7,
        },
        "TrainingJobDefinition": {
            **_SHARED,
            "AlgorithmSpecification": {
                "TrainingImage": "curve:1",
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(.*?);"}],
            },
            "StaticHyperParameters": {"epochs": "3"},
        },
    },
    "kmeans": {
        "HyperParameterTuningJobName": "tune",
        "HyperParameterTuningJobConfig": {
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "test:msd"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {
                "IntegerParameterRanges": [{"Name": "mini_batch_size", "MinValue": "10", "MaxValue": "100"}],
            },
        },
        "TrainingJobDefinition": {
            **_SHARED,
            "AlgorithmSpecification": {
                "TrainingImage": f"{REGISTRY}/kmeans:1",
                "TrainingInputMode": "File",
            },
            "StaticHyperParameters": {"k": "3", "feature_dim": "4"},
        },
    },
}

REQUESTS["linear-learner"] = {
    "HyperParameterTuningJobName": "tune",
    "HyperParameterTuningJobConfig": {
        "Strategy": "Random",
        "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "validation:objective_loss"},
        "ResourceLimits": {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {
            "ContinuousParameterRanges": [
                {"Name": "wd", "MinValue": "0.0001", "MaxValue": "1", "ScalingType": "Logarithmic"}
            ],
        },
        "TrainingJobEarlyStoppingType": "Auto",
    },
    "TrainingJobDefinition": {
        **_SHARED,
        "AlgorithmSpecification": {
            "TrainingImage": f"{REGISTRY}/linear-learner:1",
            "TrainingInputMode": "File",
        },
        "StaticHyperParameters": {"predictor_type": "regressor"},
    },
}


def several(**first):
    """Return a request with two definitions, the first of them changed."""
    request = copy.deepcopy(REQUESTS["curve"])
    config, one = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    objective = config.pop("HyperParameterTuningJobObjective")
    ranges = config.pop("ParameterRanges")
    request["TrainingJobDefinitions"] = [
        copy.deepcopy(
            {**one, "DefinitionName": name, "TuningObjective": objective, "HyperParameterRanges": ranges}
        )
        for name in ("a", "b")
    ]
    request["TrainingJobDefinitions"][0].update(first)
    return request


def changed(request, changes):
    """Return a request with the members at some paths (``A.B.0.C``) replaced; None: removed."""
    request = copy.deepcopy(request)
    for path, value in changes.items():
        *steps, last = [int(step) if step.isdecimal() else step for step in path.split(".")]
        inner = request
        for step in steps:
            inner = inner[step] if isinstance(step, int) else inner.setdefault(step, {})
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return request


class Tuning:
    """Calls operations by their names, as the gateway does after its checks."""

    def __init__(self, state, context, root, training_jobs=None):
        registered = RegisteredImages(root / "images")
        registered.add_command("curve:1", [sys.executable, "-S", "-u", str(CURVE)])
        builtin = {repository: MODULES[name] for repository, name in REPOSITORIES.items()}
        images = ImageCatalogue(builtin, registered, Environments(root / "cache"), account="123456789012")
        self.context = context
        self.resources, self.trials = Resources(state), TuningTrials(state)
        rules = TrainingJobRules(
            images,
            None,
            self._passable,
            True,
            lambda module: load_spec(module).metric_definitions(),
            lambda module: load_spec(module).saves_checkpoints,
            lambda _types: None,
            None,
        )
        self.training_jobs = training_jobs or TrainingJobs(self.resources, rules)
        warm_start = WarmStart(self.resources, self.trials)
        planner = TuningPlanner(TuningRules(images, load_spec, self.training_jobs, warm_start))
        self.handlers = operations_of(TuningJobs(self.resources, self.trials, planner))

    async def _passable(self, _context, _role):
        return None

    def call(self, operation, **request):
        return asyncio.run(self.handlers[operation](self.context, request))

    def create(self, request):
        return self.call("CreateHyperParameterTuningJob", **copy.deepcopy(request))

    def describe(self, name="tune"):
        return self.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
