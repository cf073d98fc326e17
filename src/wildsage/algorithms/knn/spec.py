"""What k-NN declares: hyperparameters, channels, metrics."""

from collections.abc import Mapping
from typing import Any

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.hyperparameters import HIDDEN, Categorical, Integer, Tunable
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

_DATA = (RECORDIO_PROTOBUF, CSV)
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")
_PARTS = (1, 2, 3, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 96)


def multiple_of(parts: int, size: int) -> int:
    """Return the smallest multiple of `parts` that is no less than `size`."""
    return -(-size // parts) * parts


def _check(values: Mapping[str, Any]) -> None:
    _check_reduction(values)
    if values["index_type"] != "faiss.IVFPQ":
        return
    if values["index_metric"] != "L2":
        raise UserError(
            f"index_metric is {values['index_metric']}, but index_type faiss.IVFPQ knows L2 only: "
            "use faiss.Flat or faiss.IVFFlat"
        )
    if "faiss_index_pq_m" not in values:
        raise UserError("No value(s) were specified for 'faiss_index_pq_m': index_type faiss.IVFPQ needs it")
    if values["faiss_index_pq_m"] not in _PARTS:
        raise UserError(
            f"The value '{values['faiss_index_pq_m']}' is not valid for the 'faiss_index_pq_m' hyperparameter "
            f"which accepts one of the following: {', '.join(map(str, _PARTS))}"
        )
    _check_raised_target(values)


def _check_reduction(values: Mapping[str, Any]) -> None:
    if "dimension_reduction_type" not in values:
        return
    target = values.get("dimension_reduction_target")
    if target is None:
        raise UserError(
            "No value(s) were specified for 'dimension_reduction_target': dimension_reduction_type needs it"
        )
    if target >= values["feature_dim"]:
        raise UserError(
            f"dimension_reduction_target is {target}, but has to be less than the {values['feature_dim']} "
            "features of the rows (feature_dim): give a smaller one, or leave dimension_reduction_type out"
        )


def _check_raised_target(values: Mapping[str, Any]) -> None:
    if "dimension_reduction_type" not in values:
        return
    target, parts = values["dimension_reduction_target"], values["faiss_index_pq_m"]
    raised = multiple_of(parts, target)
    if raised > values["feature_dim"]:
        raise UserError(
            f"dimension_reduction_target {target}, raised to a multiple of faiss_index_pq_m {parts}, is {raised}: "
            f"more than the {values['feature_dim']} features of the rows (feature_dim). Give a smaller one"
        )


SPEC = AlgorithmSpec(
    name="knn",
    module="wildsage.algorithms.knn",
    title="k-NN",
    log_name="AWS/KNN",
    images=(Image("knn"),),
    train="wildsage.algorithms.knn.train:train",
    serve="wildsage.algorithms.knn.serve:load",
    request_types=(RECORDIO_PROTOBUF, CSV, JSON, JSON_LINES),
    response_types=(JSON, JSON_LINES, RECORDIO_PROTOBUF),
    largest=1e16,
    sample=Sample(
        {"feature_dim": "4", "k": "5", "predictor_type": "classifier", "sample_size": "80"},
        label_column=True,
        more=({"feature_dim": "4", "k": "5", "predictor_type": "regressor", "sample_size": "80"},),
    ),
    answer={"predicted_label": 1.0},
    check=_check,
    only_with={
        "dimension_reduction_target": ("dimension_reduction_type", ()),
        "faiss_index_ivf_nlists": ("index_type", ("faiss.IVFFlat", "faiss.IVFPQ")),
        "faiss_index_pq_m": ("index_type", ("faiss.IVFPQ",)),
    },
    channels=(
        Channel(
            name="train",
            required=True,
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows and labels to look among",
        ),
        Channel(
            name="test",
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows and labels to score the model with",
        ),
    ),
    metrics=(
        Metric(
            "test:accuracy",
            r"#quality_metric: host=\S+, test accuracy <score>=(\S+)",
            "Maximize",
            "classifier",
        ),
        Metric("test:mse", r"#quality_metric: host=\S+, test mse <loss>=(\S+)", "Minimize", "regressor"),
        Metric("train:progress", PROGRESS_PATTERN),
        Metric("train:throughput", THROUGHPUT_PATTERN),
    ),
    hyperparameters=(
        Integer(name="feature_dim", low=1, required=True, description="Columns of the input"),
        Integer(
            name="k", low=1, required=True, tunable=Tunable(1, 1024), description="Neighbours that are asked"
        ),
        Categorical(
            name="predictor_type",
            choices=("classifier", "regressor"),
            required=True,
            description="classifier: the label that most neighbours have; regressor: the mean of their labels",
        ),
        Integer(
            name="sample_size",
            low=1,
            required=True,
            tunable=Tunable(256, 20_000_000),
            description="Rows drawn from the data, over all instances; all rows, if there are fewer",
        ),
        Categorical(
            name="dimension_reduction_type",
            choices=("sign", "fjlt"),
            description="sign: random projection; fjlt: fast Johnson-Lindenstrauss transform, for large targets",
            library_default="no reduction",
        ),
        Integer(
            name="dimension_reduction_target",
            low=1,
            description="Columns to reduce to: less than feature_dim; required with dimension_reduction_type",
        ),
        Categorical(
            name="index_type",
            choices=("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"),
            default="faiss.Flat",
            description="faiss.Flat: exact; faiss.IVFFlat: looks into the nearest lists only; "
            "faiss.IVFPQ: does that on compressed rows",
        ),
        Categorical(
            name="index_metric",
            choices=("L2", "INNER_PRODUCT", "COSINE"),
            default="L2",
            description="What near means; with faiss.IVFPQ L2 only",
        ),
        Integer(
            name="faiss_index_ivf_nlists",
            low=1,
            automatic=True,
            default="auto",
            description="Lists of faiss.IVFFlat and faiss.IVFPQ; auto: the root of the count of sampled rows",
        ),
        Integer(
            name="faiss_index_pq_m",
            low=1,
            high=96,
            description=f"Bytes that faiss.IVFPQ keeps of a row: one of {', '.join(map(str, _PARTS))}",
        ),
        Integer(
            name="mini_batch_size",
            low=1,
            default=5000,
            description="Rows a step; the result does not depend on it",
        ),
        *HIDDEN,
    ),
)
