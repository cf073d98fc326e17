"""What Linear Learner declares: hyperparameters, channels, metrics."""

from collections.abc import Mapping
from typing import Any

from wildsage.algorithms.linear_learner.parameters import (
    BINARY,
    HYPERPARAMETERS,
    LOSSES,
    MULTICLASS,
    REGRESSOR,
)
from wildsage.formats.content_types import CSV, JSON, JSON_LINES, RECORDIO_PROTOBUF
from wildsage.toolkit.errors import UserError
from wildsage.toolkit.metrics import PROGRESS_PATTERN, THROUGHPUT_PATTERN
from wildsage.toolkit.spec import AlgorithmSpec, Channel, Image, InputMode, Metric, Sample

_DATA = (RECORDIO_PROTOBUF, CSV)
_MODES: tuple[InputMode, ...] = ("File", "Pipe", "FastFile")

_REGRESSION_LOSSES = ("mse", "absolute_loss")
_BINARY_SCORES = (
    ("binary_classification_accuracy", "binary_classification_accuracy"),
    ("binary_f_beta", r"binary_f_\S+"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("roc_auc_score", "roc_auc_score"),
)
_MULTICLASS_SCORES = (
    ("dcg", "dcg"),
    ("macro_f_beta", r"macro_f_\S+"),
    ("macro_precision", "macro_precision"),
    ("macro_recall", "macro_recall"),
    ("multiclass_accuracy", "multiclass_accuracy"),
    ("multiclass_top_k_accuracy", r"multiclass_top_k_accuracy_\S+"),
)
_EPOCH = r"#quality_metric: host=\S+, epoch=\S+, "
_FINAL = r"#quality_metric: host=\S+, "


def _metrics_of(phase: str) -> list[Metric]:
    """Declare what is known of a data set once the model is chosen; only held-out data may be an objective."""
    held_out = phase != "train"
    scores = ((BINARY, _BINARY_SCORES), (MULTICLASS, _MULTICLASS_SCORES))
    return [
        *(
            Metric(
                f"{phase}:{name}",
                rf"{_FINAL}{phase} {name} <loss>=(\S+)",
                "Minimize" if held_out else None,
                REGRESSOR,
            )
            for name in _REGRESSION_LOSSES
        ),
        *(
            Metric(
                f"{phase}:{name}",
                rf"{_FINAL}{phase} {logged} <score>=(\S+)",
                "Maximize" if held_out else None,
                predictor,
            )
            for predictor, named in scores
            for name, logged in named
        ),
    ]


_METRICS = (
    Metric("train:progress", PROGRESS_PATTERN),
    Metric("train:throughput", THROUGHPUT_PATTERN),
    Metric("train:objective_loss", rf"{_EPOCH}train \S+_objective <loss>=(\S+)"),
    Metric("train:objective_loss:final", rf"{_FINAL}train \S+_objective <loss>=(\S+)"),
    Metric("validation:objective_loss", rf"{_EPOCH}validation \S+_objective <loss>=(\S+)", "Minimize"),
    Metric("validation:objective_loss:final", rf"{_FINAL}validation \S+_objective <loss>=(\S+)"),
    Metric("test:objective_loss", rf"{_FINAL}test \S+_objective <loss>=(\S+)", "Minimize"),
    Metric("validation:rmse", rf"{_FINAL}validation rmse <loss>=(\S+)", "Minimize", REGRESSOR),
    *_metrics_of("train"),
    *_metrics_of("validation"),
    *_metrics_of("test"),
)

_ONLY_WITH = {
    "num_classes": ("predictor_type", (MULTICLASS,)),
    "accuracy_top_k": ("predictor_type", (MULTICLASS,)),
    "balance_multiclass_weights": ("predictor_type", (MULTICLASS,)),
    "f_beta": ("predictor_type", (BINARY, MULTICLASS)),
    "positive_example_weight_mult": ("predictor_type", (BINARY,)),
    "binary_classifier_model_selection_criteria": ("predictor_type", (BINARY,)),
    "num_calibration_samples": ("predictor_type", (BINARY,)),
    "normalize_label": ("predictor_type", (REGRESSOR,)),
    "unbias_label": ("predictor_type", (REGRESSOR,)),
    "target_precision": ("binary_classifier_model_selection_criteria", ("recall_at_target_precision",)),
    "target_recall": ("binary_classifier_model_selection_criteria", ("precision_at_target_recall",)),
    "margin": ("loss", ("hinge_loss",)),
    "huber_delta": ("loss", ("huber_loss",)),
    "quantile": ("loss", ("quantile_loss",)),
    "loss_insensitivity": ("loss", ("eps_insensitive_squared_loss", "eps_insensitive_absolute_loss")),
    "momentum": ("optimizer", ("sgd",)),
    "beta_1": ("optimizer", ("auto", "adam")),
    "beta_2": ("optimizer", ("auto", "adam")),
    "init_scale": ("init_method", ("uniform",)),
    "init_sigma": ("init_method", ("normal",)),
    "bias_lr_mult": ("use_bias", ("true",)),
    "bias_wd_mult": ("use_bias", ("true",)),
    "lr_scheduler_step": ("use_lr_scheduler", ("true",)),
    "lr_scheduler_factor": ("use_lr_scheduler", ("true",)),
    "lr_scheduler_minimum_lr": ("use_lr_scheduler", ("true",)),
}
"""Which hyperparameters are for some predictors, losses, optimizers and initialisers only."""


def _check(values: Mapping[str, Any]) -> None:
    predictor = values["predictor_type"]
    offered = ("auto", *LOSSES[predictor])
    if values["loss"] not in offered:
        raise UserError(
            f"The loss '{values['loss']}' is not one of a {predictor}: use one of {', '.join(offered)}"
        )
    if predictor == MULTICLASS and values["num_classes"] < 3:
        raise UserError(
            f"num_classes is {values['num_classes']}, but predictor_type {MULTICLASS} requires an integer from "
            f"3 to 1000000: give the number of classes (for two classes use {BINARY})"
        )
    if predictor != REGRESSOR and values["normalize_label"] is True:
        raise UserError(
            f"normalize_label is true, but the labels of a {predictor} are classes: it is for a {REGRESSOR}"
        )


SPEC = AlgorithmSpec(
    name="linear-learner",
    module="wildsage.algorithms.linear_learner",
    title="Linear Learner",
    log_name="Linear Learner",
    images=(Image("linear-learner"),),
    train="wildsage.algorithms.linear_learner.train:train",
    serve="wildsage.algorithms.linear_learner.serve:load",
    request_types=(RECORDIO_PROTOBUF, CSV, JSON, JSON_LINES),
    response_types=(JSON, JSON_LINES, CSV, RECORDIO_PROTOBUF),
    inline_bytes=1 << 16,
    largest=1e30,
    sample=Sample(
        {"predictor_type": "binary_classifier", "mini_batch_size": "20"},
        label_column=True,
        more=(
            {"predictor_type": "regressor", "mini_batch_size": "20"},
            {"predictor_type": "multiclass_classifier", "num_classes": "3", "mini_batch_size": "20"},
        ),
    ),
    answer={"score": 0.75, "predicted_label": 1},
    check=_check,
    only_with=_ONLY_WITH,
    saves_checkpoints=True,
    fixed_by_tuning={"num_models": "1"},
    early_stopping_metrics=("validation:objective_loss",),
    channels=(
        Channel(
            name="train",
            required=True,
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows and their labels",
        ),
        Channel(
            name="validation",
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows that the model, its threshold and the time to stop are chosen by",
        ),
        Channel(
            name="test",
            content_types=_DATA,
            label_sizes=(1,),
            modes=_MODES,
            description="Rows to score the final model with",
        ),
    ),
    metrics=_METRICS,
    hyperparameters=HYPERPARAMETERS,
)
