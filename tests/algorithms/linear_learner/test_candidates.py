import numpy as np
import pytest

from wildsage.algorithms.linear_learner import SPEC
from wildsage.algorithms.linear_learner.candidates import (
    Occasion,
    Schedule,
    bias_multipliers,
    candidates_of,
    number_of_models,
)

OCCASION = Occasion(
    steps=900, rows=60_000, can_choose=True, outputs=1, features=784, curvature=20.0, balance=9.0
)


def settings(**given):
    return SPEC.validate({"predictor_type": "binary_classifier"} | given)


def test_the_first_model_has_what_is_given_or_the_defaults():
    first, *others = candidates_of(settings(), OCCASION)
    assert (first.learning_rate, first.wd, first.l1, first.positive_weight) == (
        120 / 900,
        pytest.approx(112 / 60_000),
        0,
        1,
    )
    assert len(others) == 31
    assert len(set(others)) == 31
    rates = sorted({candidate.learning_rate for candidate in others})
    assert rates == pytest.approx([factor * 120 / 900 for factor in (0.1, 0.3, 1, 3)])


def test_what_is_given_is_not_varied():
    given = settings(learning_rate="0.2", wd="0.01", positive_example_weight_mult="balanced")
    found = candidates_of(given, OCCASION)
    assert {(each.learning_rate, each.wd, each.positive_weight) for each in found} == {(0.2, 0.01, 9.0)}
    assert sorted({each.l1 for each in found}) == pytest.approx([0, 112 / 60_000, 1120 / 60_000])


def test_weights_of_classes_are_spread_over_the_models():
    found = candidates_of(settings(positive_example_weight_mult="auto"), OCCASION)
    assert {each.positive_weight for each in found} == {1, 3, 9}
    assert len({each.learning_rate for each in found}) == 4
    assert len({(each.wd, each.l1) for each in found}) == 8


def test_without_rows_to_choose_by_there_is_one_penalty():
    found = candidates_of(settings(), Occasion(900, 60_000, False, 1, 784, 20.0))
    assert {(each.wd, each.l1) for each in found} == {(OCCASION.penalty, 0)}


@pytest.mark.parametrize(("features", "penalty"), [(3, 1), (7, 1), (70, 10), (10**6, 200)])
def test_more_features_have_smaller_weights(features, penalty):
    assert Occasion(10, 1000, False, 1, features, 1.0).penalty == pytest.approx(penalty / 1000)


@pytest.mark.parametrize(("steps", "rate"), [(None, 0.005), (10, 0.3), (1000, 0.12), (10**6, 0.005)])
def test_few_steps_are_long(steps, rate):
    found = candidates_of(settings(), Occasion(steps, None, False, 1, 784, 20.0))
    assert found[0].learning_rate == pytest.approx(rate)


def test_gradient_descent_starts_at_the_greatest_rate_that_converges():
    found = candidates_of(settings(optimizer="sgd"), OCCASION)
    assert max(each.learning_rate for each in found) == found[0].learning_rate == 1 / 20


@pytest.mark.parametrize(
    ("given", "outputs", "features", "count"),
    [
        ({}, 1, 784, 32),
        ({}, 10, 784, 12),
        ({}, 100, 784, 4),
        ({}, 1, 10**6, 4),
        ({}, 1, 10**9, 1),
        ({"num_models": "50"}, 1, 10**6, 50),
        ({"num_models": "50", "_tuning_objective_metric": "validation:mse"}, 1, 784, 1),
    ],
)
def test_the_number_of_models(given, outputs, features, count):
    assert number_of_models(settings(**given), Occasion(900, 60_000, True, outputs, features, 1.0)) == count


def test_the_rate_falls_to_a_hundredth():
    schedule = Schedule(settings())
    first = np.float32([0.1, 1e-6])
    assert schedule.rates(first, 0, 1000).tolist() == first.tolist()
    np.testing.assert_allclose(schedule.rates(first, 1000, 1000), [0.001, 1e-6], rtol=1e-4)
    np.testing.assert_allclose(schedule.rates(first, 1000, None), first)


def test_a_given_schedule_is_kept():
    given = {"lr_scheduler_step": "10", "lr_scheduler_factor": "0.5", "lr_scheduler_minimum_lr": "0.02"}
    first = np.float32([0.1])
    rates = [float(Schedule(settings(**given)).rates(first, done, 1000)[0]) for done in (9, 10, 20, 30)]
    assert rates == pytest.approx([0.1, 0.05, 0.025, 0.02])
    assert Schedule(settings(**given, use_lr_scheduler="false")).rates(first, 30, 1000) == first


def test_a_bias_learns_ten_times_as_fast_where_that_is_safe():
    assert bias_multipliers("auto", np.float32([0.001, 0.05, 0.3])).tolist() == pytest.approx([10, 2, 1])
    assert bias_multipliers(4.0, np.float32([0.3])).tolist() == [4]
