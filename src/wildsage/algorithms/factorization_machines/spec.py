"""What Factorization Machines declare: hyperparameters, channels, metrics."""

from collections.abc import Mapping
from typing import Any, Literal

from wildsage.formats.content_types import JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import (
    HIDDEN,
    Categorical,
    Continuous,
    Hyperparameter,
    Integer,
    Tunable,
)
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

_DATA = (RECORDIO_PROTOBUF,)
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")
_RANGE = Tunable(1e-8, 512)
_TERMS = ("bias", "linear", "factors")
_METHODS = {"normal": "sigma", "uniform": "scale", "constant": "value"}
"""What each initialiser asks for, which has no default but the sigma."""


def _terms(name: str, what: str, rate: float, decay: float, sigma: float) -> tuple[Hyperparameter, ...]:
    """Declare what the bias, the linear terms and the factors have alike."""
    return (
        Continuous(
            name=f"{name}_lr",
            low=0,
            default=rate,
            tunable=_RANGE,
            description=f"Learning rate of {what}; 0: as it is at the start",
        ),
        Continuous(
            name=f"{name}_wd",
            low=0,
            default=decay,
            tunable=_RANGE,
            description=f"Weight decay (L2) of {what}, added to the gradient of a batch",
        ),
        Categorical(
            name=f"{name}_init_method",
            choices=("normal", "uniform", "constant"),
            default="normal",
            description=f"How {what} start",
        ),
        Continuous(
            name=f"{name}_init_sigma",
            low=0,
            default=sigma,
            tunable=_RANGE,
            description="normal: the standard deviation",
        ),
        Continuous(
            name=f"{name}_init_scale",
            low=0,
            tunable=_RANGE,
            description="uniform: drawn from -scale to scale; it has to be given then",
        ),
        Continuous(
            name=f"{name}_init_value",
            tunable=_RANGE,
            description="constant: the value; it has to be given then",
        ),
    )


def _check(values: Mapping[str, Any]) -> None:
    """Refuse an initialiser without its parameter."""
    for term in _TERMS:
        method = values[f"{term}_init_method"]
        parameter = f"{term}_init_{_METHODS[method]}"
        if parameter not in values:
            raise UserError(f"{term}_init_method is {method}, which needs {parameter}: give it a value")


def _quality(
    name: str, kind: Literal["loss", "score"], predictor: str, *, tuned: bool = True
) -> tuple[Metric, Metric]:
    """Declare a measure of the test channel, and of each epoch's training."""
    logged = name.replace("f_beta", r"f_\S+")  # the line gives the beta: binary_f_1.000
    pattern = rf"{logged} <{kind}>=(\S+)"
    goal: Literal["Minimize", "Maximize"] = "Minimize" if kind == "loss" else "Maximize"
    return (
        Metric(
            f"test:{name}", rf"#quality_metric: host=\S+, test {pattern}", goal if tuned else None, predictor
        ),
        Metric(
            f"train:{name}",
            rf"#quality_metric: host=\S+, epoch=\S+, train {pattern}",
            predictor_type=predictor,
        ),
    )


SPEC = AlgorithmSpec(
    name="factorization-machines",
    module="wildsage.algorithms.factorization_machines",
    title="Factorization Machines",
    log_name="factorization-machines",
    images=(Image("factorization-machines"),),
    train="wildsage.algorithms.factorization_machines.train:train",
    serve="wildsage.algorithms.factorization_machines.serve:load",
    request_types=(RECORDIO_PROTOBUF, JSON, JSON_LINES),
    response_types=(JSON, JSON_LINES, RECORDIO_PROTOBUF),
    kernels="wildsage.algorithms.factorization_machines.compiled:load_kernels",
    inline_bytes=1 << 16,
    requires={"scipy": "pip install 'wildsage[sparse]'"},
    largest=1e9,
    sample=Sample(
        {"feature_dim": "4", "num_factors": "2", "predictor_type": "binary_classifier"},
        label_column=True,
        more=({"feature_dim": "4", "num_factors": "2", "predictor_type": "regressor"},),
    ),
    answer={"score": 0.75, "predicted_label": 1},
    check=_check,
    only_with={
        f"{term}_init_{parameter}": (f"{term}_init_method", (method,))
        for term in _TERMS
        for method, parameter in _METHODS.items()
    },
    channels=(
        Channel(
            name="train",
            required=True,
            content_types=_DATA,
            modes=_MODES,
            description="Rows with a label, mostly sparse",
        ),
        Channel(name="test", content_types=_DATA, modes=_MODES, description="Rows to score the model with"),
    ),
    metrics=(
        *_quality("rmse", "loss", "regressor"),
        *_quality("mse", "loss", "regressor", tuned=False),
        *_quality("absolute_loss", "loss", "regressor", tuned=False),
        *_quality("binary_classification_accuracy", "score", "binary_classifier"),
        *_quality("binary_classification_cross_entropy", "loss", "binary_classifier"),
        *_quality("binary_f_beta", "score", "binary_classifier"),
        Metric("train:progress", PROGRESS_PATTERN),
        Metric("train:throughput", THROUGHPUT_PATTERN),
    ),
    hyperparameters=(
        Integer(name="feature_dim", low=1, required=True, description="Columns of the input"),
        Integer(
            name="num_factors", low=1, required=True, description="Factors of a feature: 64 is a good start"
        ),
        Categorical(
            name="predictor_type",
            choices=("binary_classifier", "regressor"),
            required=True,
            description="binary_classifier: labels 0 and 1, logistic loss; regressor: squared loss",
        ),
        Integer(
            name="epochs", low=1, default=1, tunable=Tunable(1, 1000), description="Passes over the data"
        ),
        Integer(
            name="mini_batch_size",
            low=1,
            default=1000,
            tunable=Tunable(100, 10000),
            description="Rows a step, of all hosts together; fewer where a job would have less than 100 steps",
        ),
        Continuous(
            name="clip_gradient",
            low=0,
            description="Each number of the gradient is brought into the range from -clip_gradient to it",
        ),
        Continuous(name="eps", low=0, library_default="1e-8", description="Keeps a step from dividing by 0"),
        Continuous(
            name="rescale_grad",
            library_default="1: the gradient is the sum over a batch",
            description="The gradient is multiplied by it; often 1 / mini_batch_size",
        ),
        *_terms("bias", "the bias", 0.1, 0.01, 0.01),
        *_terms("linear", "the linear terms", 0.001, 0.001, 0.01),
        *_terms("factors", "the factors", 0.0001, 0.00001, 0.001),
        *HIDDEN,
    ),
)
