"""What PCA declares: hyperparameters, channels, metrics."""

from collections.abc import Mapping
from typing import Any

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import HIDDEN, Boolean, Categorical, Integer
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

_DATA = (RECORDIO_PROTOBUF, CSV)
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")


def _check(values: Mapping[str, Any]) -> None:
    if values["num_components"] > values["feature_dim"]:
        raise UserError(
            f"num_components is {values['num_components']}, but the rows have only {values['feature_dim']} features "
            "(feature_dim): give a smaller num_components"
        )


SPEC = AlgorithmSpec(
    name="pca",
    module="wildsage.algorithms.pca",
    title="PCA",
    log_name="PCA",
    images=(Image("pca"),),
    train="wildsage.algorithms.pca.train:train",
    serve="wildsage.algorithms.pca.serve:load",
    request_types=(RECORDIO_PROTOBUF, CSV, JSON, JSON_LINES),
    response_types=(JSON, JSON_LINES, RECORDIO_PROTOBUF),
    response_root="projections",
    answer={"projection": [-0.25, 1.5]},
    inline_bytes=1 << 16,
    largest=1e15,
    sample=Sample({"feature_dim": "4", "num_components": "2", "mini_batch_size": "20"}),
    check=_check,
    only_with={"extra_components": ("algorithm_mode", ("randomized",))},
    channels=(
        Channel(name="train", required=True, content_types=_DATA, modes=_MODES, description="Rows"),
        Channel(
            name="test",
            content_types=_DATA,
            modes=_MODES,
            description="Rows to score the components with: what is lost of them",
        ),
    ),
    metrics=(
        Metric("train:progress", PROGRESS_PATTERN),
        Metric("train:throughput", THROUGHPUT_PATTERN),
        Metric(
            "test:reconstruction_mse",
            r"#quality_metric: host=\S+, test reconstruction_mse <loss>=(\S+)",
            "Minimize",
        ),
    ),
    hyperparameters=(
        Integer(name="feature_dim", low=1, required=True, description="Columns of the input"),
        Integer(
            name="mini_batch_size",
            low=1,
            required=True,
            description="Rows a step; the result does not depend on it",
        ),
        Integer(name="num_components", low=1, required=True, description="Components: at most feature_dim"),
        Categorical(
            name="algorithm_mode",
            choices=("regular", "randomized"),
            default="regular",
            description="regular: exact, with memory for feature_dim² numbers; randomized: close to it, "
            "for many features",
        ),
        Integer(
            name="extra_components",
            low=-1,
            default=-1,
            description="Directions that randomized looks at beyond num_components; -1: as many again, 10 at least",
        ),
        Boolean(
            name="subtract_mean",
            default=True,
            description="Take the mean from the rows, in training and in predictions",
        ),
        Boolean(name="force_dense", hidden=True, default=True),
        Integer(name="epochs", hidden=True, low=1, default=1),
        *HIDDEN,
    ),
)
