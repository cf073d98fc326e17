"""The hyperparameters of Linear Learner as declarations: the model, the data, the training, the choice of the model."""

from collections.abc import Mapping
from typing import Final

from wildsage.toolkit.hyperparameters import (
    HIDDEN,
    Boolean,
    Categorical,
    Continuous,
    Hyperparameter,
    Integer,
    Tunable,
)

BINARY: Final = "binary_classifier"
MULTICLASS: Final = "multiclass_classifier"
REGRESSOR: Final = "regressor"

LOSSES: Final[Mapping[str, tuple[str, ...]]] = {
    BINARY: ("logistic", "hinge_loss"),
    MULTICLASS: ("softmax_loss",),
    REGRESSOR: (
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
"""Losses of each predictor; the first is the automatic one."""

_MODEL = (
    Categorical(
        name="predictor_type",
        choices=(BINARY, MULTICLASS, REGRESSOR),
        required=True,
        description="What is predicted: one of two classes, one of several, or a number",
    ),
    Integer(
        name="num_classes",
        low=1,
        high=1_000_000,
        default=1,
        description="Classes, labelled from 0; required for a multiclass_classifier (3 or more), else ignored",
    ),
    Integer(
        name="feature_dim",
        low=1,
        automatic=True,
        default="auto",
        description="Columns of the input; auto: as many as the first row has",
    ),
    Categorical(
        name="loss",
        choices=("auto", *(loss for losses in LOSSES.values() for loss in losses)),
        default="auto",
        description="auto: logistic, softmax_loss or squared_loss, after predictor_type",
    ),
    Continuous(
        name="margin",
        low=0,
        low_open=True,
        default=1.0,
        description="Of hinge_loss",
    ),
    Continuous(
        name="huber_delta",
        low=0,
        low_open=True,
        default=1.0,
        description="Where huber_loss turns from squared to absolute; in standard deviations of the label where "
        "it is normalized",
    ),
    Continuous(
        name="loss_insensitivity",
        low=0,
        low_open=True,
        default=0.01,
        description="Errors below are none, for the eps_insensitive losses; in units as huber_delta",
    ),
    Continuous(
        name="quantile",
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        default=0.5,
        description="Of the label that quantile_loss predicts",
    ),
    Boolean(
        name="use_bias",
        default=True,
        tunable=Tunable(),
        description="The models have a constant beside the weights",
    ),
)

_DATA_TREATMENT = (
    Boolean(
        name="normalize_data",
        automatic=True,
        default=True,
        description="Divide features by their standard deviation in training; weights are folded back",
    ),
    Boolean(
        name="normalize_label",
        automatic=True,
        default="auto",
        description="Divide labels by their standard deviation in training; auto: for a regressor",
    ),
    Boolean(
        name="unbias_data",
        automatic=True,
        default="auto",
        description="Take the mean from features in training; auto: where there is a bias",
    ),
    Boolean(
        name="unbias_label",
        automatic=True,
        default="auto",
        description="Take the mean from labels in training; auto: for a regressor with a bias",
    ),
    Integer(
        name="num_point_for_scaler",
        low=1,
        default=10_000,
        description="Rows that means and standard deviations are taken from",
    ),
    Continuous(
        name="positive_example_weight_mult",
        low=0,
        low_open=True,
        automatic=True,
        words=("balanced",),
        default=1.0,
        tunable=Tunable(1e-5, 1e5, "Logarithmic"),
        description="Weight of positive rows, negative ones have 1; balanced: both classes weigh the same; "
        "auto: among the models",
    ),
    Boolean(
        name="balance_multiclass_weights", default=False, description="All classes weigh the same in the loss"
    ),
)

_TRAINING: tuple[Hyperparameter, ...] = (
    Integer(name="epochs", low=1, default=15, description="Passes over the data"),
    Integer(
        name="mini_batch_size",
        low=1,
        default=1000,
        tunable=Tunable(100, 5000),
        description="Rows a step, on each host; with fewer rows all of them are one step",
    ),
    Integer(
        name="num_models",
        low=1,
        automatic=True,
        default="auto",
        description="Models trained side by side, which differ in what is auto of learning_rate, l1, wd and "
        "positive_example_weight_mult; auto: 32, fewer of many outputs or features; 1 in a tuning job",
    ),
    Categorical(
        name="optimizer",
        choices=("auto", "adam", "sgd", "rmsprop"),
        default="auto",
        description="auto: adam, which takes at least 20 steps in an epoch, with few rows by several passes; after the "
        "epochs all rows of a smooth loss at once, by limited-memory BFGS",
    ),
    Continuous(
        name="learning_rate",
        low=0,
        low_open=True,
        automatic=True,
        default="auto",
        tunable=Tunable(1e-5, 1.0, "Logarithmic"),
        description="Of the first step; auto: after the count of steps, and other rates in other models",
    ),
    Continuous(
        name="wd",
        low=0,
        automatic=True,
        default="auto",
        tunable=Tunable(1e-7, 1.0, "Logarithmic"),
        description="Weight of the L2 penalty, wd/2 times the sum of squared weights; auto: one by the counts of "
        "rows and features, and others in other models where there is a validation channel, else by cross validation",
    ),
    Continuous(
        name="l1",
        low=0,
        automatic=True,
        default="auto",
        tunable=Tunable(1e-7, 1.0, "Logarithmic"),
        description="Weight of the L1 penalty; auto: 0, and others as for wd",
    ),
    Continuous(
        name="momentum",
        low=0,
        high=1,
        high_open=True,
        automatic=True,
        default="auto",
        description="Of sgd; auto: 0",
    ),
    Continuous(
        name="beta_1",
        low=0,
        high=1,
        high_open=True,
        automatic=True,
        default="auto",
        description="Decay of adam's mean of gradients; auto: 0.9",
    ),
    Continuous(
        name="beta_2",
        low=0,
        high=1,
        high_open=True,
        automatic=True,
        default="auto",
        description="Decay of adam's mean of squared gradients; auto: 0.99",
    ),
    Continuous(
        name="bias_lr_mult",
        low=0,
        low_open=True,
        automatic=True,
        default="auto",
        description="The bias learns this many times as fast; auto: 10, less where that is more than 0.1",
    ),
    Continuous(
        name="bias_wd_mult",
        low=0,
        automatic=True,
        default="auto",
        description="The bias has this many times the penalty wd; auto: 0",
    ),
    Boolean(name="use_lr_scheduler", default=True, description="The learning rate falls during training"),
    Integer(
        name="lr_scheduler_step",
        low=1,
        automatic=True,
        default="auto",
        description="Steps after which the learning rate falls; auto: a hundredth of all",
    ),
    Continuous(
        name="lr_scheduler_factor",
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        automatic=True,
        default="auto",
        description="What it is multiplied with then; auto: so that a hundredth is left at the end",
    ),
    Continuous(
        name="lr_scheduler_minimum_lr",
        low=0,
        low_open=True,
        automatic=True,
        default="auto",
        description="It falls no further; auto: 0.00001",
    ),
    Categorical(
        name="init_method",
        choices=("uniform", "normal"),
        default="uniform",
        description="How the first weights are drawn",
    ),
    Continuous(
        name="init_scale",
        low=0,
        low_open=True,
        default=0.07,
        description="uniform draws from -init_scale to init_scale",
    ),
    Continuous(
        name="init_sigma", low=0, low_open=True, default=0.01, description="Standard deviation of normal"
    ),
    Continuous(name="init_bias", default=0.0, description="The first bias"),
)

_CHOICE: tuple[Hyperparameter, ...] = (
    Integer(
        name="early_stopping_patience",
        low=1,
        default=3,
        description="Epochs without an improvement after which training ends",
    ),
    Continuous(
        name="early_stopping_tolerance",
        low=0,
        low_open=True,
        default=0.001,
        description="Relative change of the loss that is an improvement",
    ),
    Categorical(
        name="binary_classifier_model_selection_criteria",
        choices=(
            "accuracy",
            "f_beta",
            "f1",
            "precision_at_target_recall",
            "recall_at_target_precision",
            "loss_function",
            "cross_entropy_loss",
        ),
        default="accuracy",
        description="What the model and its threshold are chosen by, on the validation channel or else on rows of "
        "train; f1 is f_beta, cross_entropy_loss is loss_function",
    ),
    Continuous(
        name="f_beta",
        low=0,
        low_open=True,
        default=1.0,
        description="Beta of the F score: recall counts beta times as much as precision",
    ),
    Continuous(
        name="target_precision",
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        default=0.8,
        description="Least precision, for recall_at_target_precision",
    ),
    Continuous(
        name="target_recall",
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        default=0.8,
        description="Least recall, for precision_at_target_recall",
    ),
    Integer(
        name="num_calibration_samples",
        low=1,
        automatic=True,
        default="auto",
        description="Rows that the threshold is found with; auto: 10000000",
    ),
    Integer(
        name="accuracy_top_k",
        low=1,
        default=3,
        description="multiclass_top_k_accuracy counts a row whose class is among the k of highest score",
    ),
)

HYPERPARAMETERS: Final = (*_MODEL, *_DATA_TREATMENT, *_TRAINING, *_CHOICE, *HIDDEN)
