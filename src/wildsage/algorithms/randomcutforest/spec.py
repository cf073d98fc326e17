"""What Random Cut Forest declares: hyperparameters, channels, metrics."""

from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.toolkit.hyperparameters import HIDDEN, Boolean, ChoiceList, Integer, Tunable
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

_DATA = (RECORDIO_PROTOBUF, CSV)
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")


def _pattern(name: str) -> str:
    return rf"#quality_metric: host=\S+, test {name} <score>=(\S+)"


SPEC = AlgorithmSpec(
    name="randomcutforest",
    module="wildsage.algorithms.randomcutforest",
    title="Random Cut Forest",
    log_name="RandomCutForest",
    images=(Image("randomcutforest"),),
    train="wildsage.algorithms.randomcutforest.train:train",
    serve="wildsage.algorithms.randomcutforest.serve:load",
    request_types=(RECORDIO_PROTOBUF, CSV, JSON, JSON_LINES),
    response_types=(JSON, JSON_LINES, RECORDIO_PROTOBUF),
    response_root="scores",
    sample=Sample({"feature_dim": "4", "num_trees": "50", "num_samples_per_tree": "32"}),
    answer={"score": 0.75},
    channels=(
        Channel(
            name="train",
            required=True,
            content_types=_DATA,
            modes=_MODES,
            distribution="ShardedByS3Key",
            description="Rows of which most are ordinary",
        ),
        Channel(
            name="test",
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            distribution="FullyReplicated",
            description="Rows with a label, 1 for an anomaly and 0 for none, to measure the scores with",
        ),
    ),
    metrics=(
        Metric("test:accuracy", _pattern("accuracy")),
        Metric("test:f1", _pattern("f1"), "Maximize"),
        Metric("test:precision", _pattern("precision")),
        Metric("test:recall", _pattern("recall")),
        Metric("train:progress", PROGRESS_PATTERN),
        Metric("train:throughput", THROUGHPUT_PATTERN),
    ),
    hyperparameters=(
        Integer(name="feature_dim", low=1, high=10000, required=True, description="Columns of the input"),
        ChoiceList(
            name="eval_metrics",
            choices=("accuracy", "precision_recall_fscore"),
            default=["accuracy", "precision_recall_fscore"],
            description="What is measured on the test channel, where a score above mean + 3 standard deviations "
            "means an anomaly",
        ),
        Integer(
            name="num_samples_per_tree",
            low=1,
            high=2048,
            default=256,
            tunable=Tunable(1, 2048),
            description="Rows of each tree; 1 / num_samples_per_tree is about the share of anomalies",
        ),
        Integer(
            name="num_trees",
            low=50,
            high=1000,
            default=100,
            tunable=Tunable(50, 1000),
            description="Trees: more give steadier scores and take longer",
        ),
        Integer(
            name="mini_batch_size",
            low=1,
            default=1000,
            description="Rows a step; the result does not depend on it",
        ),
        Boolean(name="force_dense", hidden=True, default=True),
        *HIDDEN,
    ),
)
