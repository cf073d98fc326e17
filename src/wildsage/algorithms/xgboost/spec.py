"""What XGBoost declares: hyperparameters, channels, metrics."""

from typing import Literal

from wildsage.algorithms.xgboost.metric_names import MAXIMIZED, MINIMIZED, PARAMETRIZED
from wildsage.algorithms.xgboost.objectives import OBJECTIVES
from wildsage.algorithms.xgboost.rules import check
from wildsage.algorithms.xgboost.versions import LEGACY_TAGS, PROMISED
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, LIBSVM, PARQUET, RECORDIO_PROTOBUF
from wildsage.toolkit.hyperparameters import (
    Boolean,
    Categorical,
    ChoiceList,
    Continuous,
    Hyperparameter,
    Integer,
    IntegerTuple,
    Tunable,
)
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

X_LIBSVM = "text/x-libsvm"
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")
_DATA = (LIBSVM, X_LIBSVM, CSV, PARQUET, RECORDIO_PROTOBUF, "libsvm", "csv", "parquet", "recordio-protobuf")

_UPDATERS = (
    "grow_colmaker",
    "distcol",
    "grow_histmaker",
    "grow_skmaker",
    "sync",
    "refresh",
    "prune",
    "grow_quantile_histmaker",
    "shotgun",
    "coord_descent",
)
_NAMES = tuple(sorted((*MAXIMIZED, *MINIMIZED)))


def _share(name: str, description: str, low: float) -> Hyperparameter:
    """Declare a share of rows or columns."""
    return Continuous(
        name=name,
        low=0,
        high=1,
        low_open=True,
        library_default="1",
        tunable=Tunable(low, 1),
        description=description,
    )


def _metrics(name: str, goal: Literal["Minimize", "Maximize"]) -> tuple[Metric, Metric]:
    """Return the metric of both channels; only that of the validation channel can be an objective."""
    # Syslog shows a tab as #011; both spellings are found.
    line = r".*\[[0-9]+\].*(?:#011|\t)"
    return (
        Metric(f"validation:{name}", rf"{line}validation-{name}:(\S+)", goal),
        Metric(f"train:{name}", rf"{line}train-{name}:(\S+)"),
    )


def _job(objective: str, metrics: str, **others: str) -> dict[str, str]:
    """Return a sample job that shows some metrics."""
    return {"num_round": "1", "objective": objective, "eval_metric": metrics, **others}


_LEARNING: tuple[Hyperparameter, ...] = (
    Integer(
        name="num_round", low=1, required=True, tunable=Tunable(1, 4000), description="Rounds of boosting"
    ),
    Categorical(
        name="objective", choices=OBJECTIVES, library_default="reg:squarederror", description="Learning task"
    ),
    Integer(name="num_class", low=2, description="Classes; required for multi:softmax and multi:softprob"),
    ChoiceList(
        name="eval_metric",
        choices=_NAMES,
        prefixes=PARAMETRIZED,
        library_default="by objective",
        description="Metrics of each round",
    ),
    Integer(
        name="early_stopping_rounds", low=1, description="Stop after this many rounds without improvement"
    ),
    Categorical(
        name="booster", choices=("gbtree", "gblinear", "dart"), library_default="gbtree", description="Model"
    ),
    Continuous(
        name="eta",
        aliases=("learning_rate",),
        low=0,
        high=1,
        library_default="0.3",
        tunable=Tunable(0.1, 0.5),
        description="Shrinkage of each step",
    ),
    Continuous(
        name="base_score", low=0, library_default="estimated", description="First prediction of all instances"
    ),
    Integer(
        name="seed", low=1 - (1 << 31), high=(1 << 31) - 2, library_default="0", description="Random seed"
    ),
    Integer(name="nthread", low=1, library_default="the slot's cores", description="Threads"),
    Integer(name="verbosity", low=0, high=3, library_default="1", description="Messages of the library"),
    Integer(name="silent", low=0, high=1, hidden=True),
    Integer(
        name="csv_weights", low=0, high=1, default=0, description="1: the second CSV column holds weights"
    ),
    Boolean(
        name="save_model_on_termination", default=False, description="Keep the model when the job is stopped"
    ),
)

_TREES: tuple[Hyperparameter, ...] = (
    Continuous(
        name="gamma",
        aliases=("min_split_loss",),
        low=0,
        library_default="0",
        tunable=Tunable(0, 5),
        description="Least reduction of the loss that justifies a split",
    ),
    Integer(
        name="max_depth", low=0, library_default="6", tunable=Tunable(0, 10), description="Depth of a tree"
    ),
    Continuous(
        name="min_child_weight",
        low=0,
        library_default="1",
        tunable=Tunable(0, 120),
        description="Least weight of a leaf",
    ),
    Continuous(
        name="max_delta_step",
        low=0,
        library_default="0",
        tunable=Tunable(0, 10),
        description="Bound on a leaf's step; 0: none",
    ),
    _share("subsample", "Share of rows a round sees", 0.5),
    _share("colsample_bytree", "Share of columns a tree sees", 0.5),
    _share("colsample_bylevel", "Share of columns a level sees", 0.1),
    _share("colsample_bynode", "Share of columns a split sees", 0.1),
    Continuous(
        name="lambda",
        aliases=("reg_lambda",),
        low=0,
        library_default="1",
        tunable=Tunable(0, 1000),
        description="L2 regularization",
    ),
    Continuous(
        name="alpha",
        aliases=("reg_alpha",),
        low=0,
        library_default="0",
        tunable=Tunable(0, 1000),
        description="L1 regularization",
    ),
    Categorical(
        name="tree_method",
        choices=("auto", "exact", "approx", "hist", "gpu_hist"),
        library_default="auto",
        description="How trees are built",
    ),
    Continuous(
        name="sketch_eps",
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        description="Of older versions: precision of the sketch",
    ),
    Continuous(
        name="scale_pos_weight",
        low=0,
        low_open=True,
        library_default="1",
        description="Weight of positive rows",
    ),
    ChoiceList(name="updater", choices=_UPDATERS, description="Steps of building trees"),
    Categorical(name="dsplit", choices=("row", "col"), description="Of older versions: split of the data"),
    Integer(
        name="refresh_leaf", low=0, high=1, library_default="1", description="Updater refresh renews leaves"
    ),
    Categorical(
        name="process_type",
        choices=("default", "update"),
        library_default="default",
        description="Build or update",
    ),
    Categorical(
        name="grow_policy",
        choices=("depthwise", "lossguide"),
        library_default="depthwise",
        description="Where a tree grows next",
    ),
    Integer(name="max_leaves", low=0, library_default="0", description="Leaves of a tree; 0: no bound"),
    Integer(name="max_bin", low=0, library_default="256", description="Bins of a feature"),
    Categorical(
        name="predictor",
        choices=("auto", "cpu_predictor", "gpu_predictor"),
        description="Of older versions: device of prediction",
    ),
    IntegerTuple(name="monotone_constraints", choices=(-1, 0, 1), description="Direction of each feature"),
    IntegerTuple(name="interaction_constraints", nested=True, description="Features that may meet in a tree"),
    Integer(name="num_parallel_tree", low=1, library_default="1", description="Trees of a round"),
    Categorical(
        name="sampling_method",
        choices=("uniform", "gradient_based"),
        library_default="uniform",
        description="How rows are drawn",
    ),
    Boolean(name="deterministic_histogram", description="Of older versions: exact sums on a GPU"),
    Boolean(name="single_precision_histogram", description="Of older versions: sums in single precision"),
    Integer(name="prob_buffer_row", low=2, description="Of older versions: buffer of a thread"),
    Boolean(name="use_dask_gpu_training", description="Train on several GPUs: must be false, there is none"),
)

_OTHERS: tuple[Hyperparameter, ...] = (
    Categorical(
        name="sample_type",
        choices=("uniform", "weighted"),
        library_default="uniform",
        description="dart: how trees are dropped",
    ),
    Categorical(
        name="normalize_type",
        choices=("tree", "forest"),
        library_default="tree",
        description="dart: weight of new trees",
    ),
    Continuous(
        name="rate_drop", low=0, high=1, library_default="0", description="dart: share of trees dropped"
    ),
    Integer(name="one_drop", low=0, high=1, library_default="0", description="dart: drop at least one tree"),
    Continuous(name="skip_drop", low=0, high=1, library_default="0", description="dart: chance to drop none"),
    Continuous(
        name="lambda_bias", low=0, high=1, library_default="0", description="gblinear: L2 of the bias"
    ),
    Continuous(
        name="tweedie_variance_power",
        low=1,
        high=2,
        low_open=True,
        high_open=True,
        library_default="1.5",
        description="Variance of the Tweedie distribution",
    ),
    Categorical(
        name="aft_loss_distribution",
        choices=("normal", "logistic", "extreme"),
        library_default="normal",
        description="survival:aft: noise",
    ),
    Continuous(
        name="aft_loss_distribution_scale",
        low=0,
        library_default="1",
        description="survival:aft: scale of the noise",
    ),
    Integer(name="_kfold", low=2, hidden=True, description="Parts of a cross validation"),
    Integer(name="_num_cv_round", low=1, hidden=True, default=1, description="Rounds of cross validation"),
    Categorical(
        name="_tuning_objective_metric", choices=("", *(f"validation:{name}" for name in _NAMES)), hidden=True
    ),
)

SPEC = AlgorithmSpec(
    name="xgboost",
    module="wildsage.algorithms.xgboost",
    title="XGBoost",
    log_name="XGBoost",
    images=(Image("sagemaker-xgboost", tuple(PROMISED)), Image("xgboost", LEGACY_TAGS)),
    requires={"xgboost": "pip install 'wildsage[xgboost]'"},
    leaves_out=("sklearn",),
    train="wildsage.algorithms.xgboost.train:train",
    serve="wildsage.algorithms.xgboost.serve:load",
    request_types=(LIBSVM, X_LIBSVM, CSV, RECORDIO_PROTOBUF, "libsvm", "csv", "recordio-protobuf"),
    response_types=(CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF),
    inline_bytes=1 << 14,
    saves_checkpoints=True,
    splits_by="_kfold",
    sample=Sample(
        {"num_round": "5", "objective": "binary:logistic", "eval_metric": "logloss,accuracy"},
        label_column=True,
        more=(
            _job(
                "binary:logistic", "auc,aucpr,error,f1,f1_binary,f1_macro,balanced_accuracy,precision,recall"
            ),
            _job("binary:logistic", "map,ndcg"),
            _job("multi:softprob", "merror,mlogloss", num_class="2"),
            _job(
                "multi:softprob", "precision_macro,precision_micro,recall_macro,recall_micro", num_class="2"
            ),
            _job("reg:squarederror", "mae,mape,mphe,mse,r2,rmse,rmsle"),
            _job("count:poisson", "poisson-nloglik"),
            _job("reg:tweedie", "gamma-deviance,gamma-nloglik,tweedie-nloglik@1.5"),
            _job("survival:cox", "cox-nloglik"),
            _job("survival:aft", "aft-nloglik,interval-regression-accuracy"),
        ),
    ),
    answer={"score": 0.25},
    check=check,
    channels=(
        Channel(
            name="train",
            required=True,
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows to learn from",
        ),
        Channel(
            name="validation",
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows to evaluate each round with",
        ),
    ),
    metrics=(
        *(metric for name in MAXIMIZED for metric in _metrics(name, "Maximize")),
        *(metric for name in MINIMIZED for metric in _metrics(name, "Minimize")),
    ),
    hyperparameters=(*_LEARNING, *_TREES, *_OTHERS),
)
