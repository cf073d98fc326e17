import numpy as np
import pytest
from tests.search.support import MIXED, PLANE, branin, finished, search

from wildsage.search import surrogate
from wildsage.search.gaussian_process import root
from wildsage.search.random_search import RandomSearch
from wildsage.search.trial import Status, Trial


@pytest.fixture(scope="module")
def trials():
    return search(RandomSearch(PLANE, 11), branin, 25)


def learn(trials, **parents):
    return surrogate.learn(PLANE, "Minimize", trials, **parents)


def test_it_predicts_what_it_has_not_seen(trials):
    believed = learn(trials)
    unseen = np.random.default_rng(0).random((200, 2))
    mean = believed.output.inverse(believed.process.posterior(believed.columns(unseen))[0][:, 0])
    truth = [branin(PLANE.values(place)) for place in unseen]
    assert np.corrcoef(np.argsort(np.argsort(mean)), np.argsort(np.argsort(truth)))[0, 1] > 0.85


def test_the_best_come_first(trials):
    believed = learn(trials)
    assert believed.losses[0] == min(trial.objective for trial in trials)
    assert (np.diff(believed.losses) >= 0).all()
    assert (
        PLANE.values(believed.tried[0])["x0"][:8] == min(trials, key=lambda t: t.objective).values["x0"][:8]
    )


def test_improvement_while_others_run_is_that_of_the_whole_batch(trials):
    """Averaged over joint draws at the running places and the new one, as brute force has it."""
    believed = learn(trials)
    running = np.array([believed.tried[0] + 0.02, [0.9, 0.1]])
    x = np.vstack([believed.tried[0] + [0.05, -0.03], believed.tried[1:6]])
    found = believed.improvement(running, np.random.default_rng(1))(PLANE.columns(x))
    rng = np.random.default_rng(2)
    for place, logarithm in zip(x, found, strict=True):
        mean, covariance = believed.process.joint(believed.columns(np.vstack([running, place])))
        drawn = mean + root(covariance) @ rng.standard_normal((3, 200_000))
        before = np.minimum(believed.best()[0], drawn[:2].min(axis=0))
        expected = np.maximum(before - drawn[2], 0).mean()
        assert np.exp(logarithm) == pytest.approx(expected, rel=0.5, abs=2e-3)


def test_a_running_trial_makes_its_place_uninteresting(trials):
    believed = learn(trials)
    rng = np.random.default_rng(0)
    free = believed.improvement(np.empty((0, 2)), rng)
    places = rng.random((500, 2))
    best = places[[int(free(PLANE.columns(places)).argmax())]]
    taken = believed.improvement(best, rng)
    assert taken(PLANE.columns(best))[0] < free(PLANE.columns(best))[0] - 2


def test_failures_repel_but_do_not_bend(trials):
    values = {"x0": "9.0", "x1": "2.5"}  # beside a minimum
    failed = [*trials, Trial(values, Status.FAILED)]
    assert learn(failed).process.kernel.lengths == pytest.approx(learn(trials).process.kernel.lengths)
    place = PLANE.places(values)[np.newaxis]
    before, after = (
        one.process.posterior(one.columns(place))[0][0, 0] for one in (learn(trials), learn(failed))
    )
    assert after > before + 1


def test_a_parent_that_resembles_is_near_and_another_is_far(trials):
    like = tuple(finished(trial.values, 10 * trial.objective + 500) for trial in trials)
    unlike = tuple(
        finished(trial.values, value)
        for trial, value in zip(trials, np.random.default_rng(0).permutation(25), strict=True)
    )
    own = search(RandomSearch(PLANE, 5), branin, 12)
    near, far = learn(own, transfer=(like, unlike)).process.kernel.lengths[-2:]
    assert near > 3 * far


def test_parents_set_the_scale_of_few_trials(trials):
    like = tuple(finished(trial.values, 10 * trial.objective + 500) for trial in trials)
    best = sorted(trials, key=lambda trial: trial.objective)[:3]
    believed = learn(best, transfer=(like,))
    # All three are far better than the parent's mean, which is 0.
    assert (believed.output(np.array([trial.objective for trial in best])) < -0.7).all()


def test_much_is_fitted_in_part(trials):
    targets = np.random.default_rng(0).standard_normal(500)
    chosen = surrogate._representative(targets)
    assert len(set(chosen)) == surrogate.FITTED
    assert targets[chosen[0]] == targets.min()
    assert targets.argmax() in chosen


def test_nothing_is_learned_from_less_than_two():
    assert learn([]) is None
    assert learn([finished({"x0": "1", "x1": "1"}, 1.0)]) is None
    assert surrogate.learn(MIXED, "Minimize", [Trial(MIXED.values([0.5] * 4))]) is None
