"""What K-Means declares: hyperparameters, channels, metrics."""

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.toolkit.hyperparameters import (
    HIDDEN,
    Boolean,
    Categorical,
    ChoiceList,
    Continuous,
    Integer,
    Tunable,
)
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

_DATA = (RECORDIO_PROTOBUF, CSV)
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")

SPEC = AlgorithmSpec(
    name="kmeans",
    module="wildsage.algorithms.kmeans",
    title="K-Means",
    log_name="AWS/KMeansWebscale",
    images=(Image("kmeans"),),
    train="wildsage.algorithms.kmeans.train:train",
    serve="wildsage.algorithms.kmeans.serve:load",
    request_types=(RECORDIO_PROTOBUF, CSV, JSON, JSON_LINES),
    response_types=(JSON, JSON_LINES, CSV, RECORDIO_PROTOBUF),
    answer={"closest_cluster": 1.0, "distance_to_cluster": 0.5},
    inline_bytes=1 << 16,
    largest=1e16,
    sample=Sample({"feature_dim": "4", "k": "3", "eval_metrics": '["msd", "ssd"]'}),
    channels=(
        Channel(
            name="train", required=True, content_types=_DATA, modes=_MODES, description="Rows to cluster"
        ),
        Channel(
            name="test", content_types=_DATA, modes=_MODES, description="Rows to score the final centres with"
        ),
    ),
    metrics=(
        Metric("test:msd", r"#quality_metric: host=\S+, test msd <loss>=(\S+)", "Minimize"),
        Metric("test:ssd", r"#quality_metric: host=\S+, test ssd <loss>=(\S+)", "Minimize"),
        Metric("train:msd", r"#quality_metric: host=\S+, epoch=\S+, train msd <loss>=(\S+)"),
        Metric("train:progress", PROGRESS_PATTERN),
        Metric("train:throughput", THROUGHPUT_PATTERN),
    ),
    hyperparameters=(
        Integer(name="feature_dim", low=1, required=True, description="Columns of the input"),
        Integer(name="k", low=1, required=True, description="Clusters"),
        Integer(name="epochs", low=1, default=1, tunable=Tunable(1, 10), description="Passes over the data"),
        ChoiceList(
            name="eval_metrics",
            choices=("msd", "ssd"),
            default=["msd"],
            description="Scores on the test channel: mean or sum of squared distances",
        ),
        Integer(
            name="extra_center_factor",
            low=1,
            automatic=True,
            default="auto",
            tunable=Tunable(4, 10),
            description="k times this many centres are kept during the passes",
        ),
        Integer(
            name="half_life_time_size",
            low=0,
            default=0,
            description="After this many points a point's weight is halved; 0: never",
        ),
        Categorical(
            name="init_method",
            choices=("random", "kmeans++"),
            default="random",
            tunable=Tunable(),
            description="How the first centres are chosen from the first batch",
        ),
        Categorical(
            name="local_lloyd_init_method",
            choices=("kmeans++", "random"),
            default="kmeans++",
            description="How the final step chooses its first centres",
        ),
        Integer(name="local_lloyd_max_iter", low=1, default=300, description="Iterations of the final step"),
        Integer(
            name="local_lloyd_num_trials",
            low=1,
            automatic=True,
            default="auto",
            description="Repetitions of the final step; the best counts",
        ),
        Continuous(
            name="local_lloyd_tol",
            low=0,
            high=1,
            default=0.0001,
            description="Relative change of the loss at which the final step ends",
        ),
        Integer(
            name="mini_batch_size",
            low=1,
            default=5000,
            tunable=Tunable(3000, 15000),
            description="Rows a step",
        ),
        Boolean(name="force_dense", hidden=True, default=True),
        *HIDDEN,
    ),
)
