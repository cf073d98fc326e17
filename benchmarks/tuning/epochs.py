"""Epochs that Hyperband needs for what Random search finds: real learning curves of networks on digits."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from benchmarks.tuning.searches import Run, finished
from wildsage.search.hyperband import Hyperband
from wildsage.search.ranges import CategoricalRange, ContinuousRange, IntegerRange
from wildsage.search.space import Space
from wildsage.search.trial import Trial, Values

SPACE = Space(
    (
        ContinuousRange("learning_rate", 1e-5, 1, "Logarithmic"),
        ContinuousRange("alpha", 1e-7, 1, "Logarithmic"),
        IntegerRange("batch", 16, 512, "Logarithmic"),
        IntegerRange("units", 4, 128, "Logarithmic"),
        CategoricalRange("solver", ("sgd", "adam")),
        CategoricalRange("activation", ("relu", "tanh", "logistic")),
    )
)
EPOCHS = 27
RANDOM_TRIALS = 40
WORST = 10.0


class Learner:
    """A network that learns epoch by epoch; its loss on held-out digits is the objective."""

    def __init__(self, values: Values) -> None:
        digits = load_digits()
        parts = train_test_split(digits.data / 16, digits.target, test_size=0.4, random_state=0)
        self.train, self.held, self.labels, self.held_labels = parts
        self.network = MLPClassifier(
            (int(values["units"]),),
            activation=values["activation"],
            solver=values["solver"],
            alpha=float(values["alpha"]),
            batch_size=int(values["batch"]),
            learning_rate_init=float(values["learning_rate"]),
            random_state=0,
        )

    def epoch(self) -> float:
        """Learn the data once more; a network that diverged is as bad as can be."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self.network.partial_fit(self.train, self.labels, classes=np.arange(10))
                loss = log_loss(self.held_labels, self.network.predict_proba(self.held), labels=np.arange(10))
            except ValueError as error:
                if "non-finite" not in str(error):
                    raise
                return WORST
        return min(float(loss), WORST)


Curve = list[tuple[int, float]]
"""The epochs spent until a trial ended, and its loss."""


def whole(name: str, seed: int) -> Curve:
    """A search by the name of its strategy, whose trials all have all epochs."""
    search = Run(Digits(), name, seed)
    return [(EPOCHS * (number + 1), loss) for number, loss in enumerate(search())]


@dataclass(frozen=True, slots=True)
class Digits:
    """What a network comes to after all epochs, as an objective."""

    name: str = "Networks on digits"
    space: Space = SPACE
    trials: int = RANDOM_TRIALS

    def value(self, values: Values) -> float:
        """The loss of held-out digits."""
        learner = Learner(values)
        return [learner.epoch() for _ in range(EPOCHS)][-1]


def hyperband(seed: int, loss: float) -> Curve:
    """Hyperband, for as many epochs as Random has, and until a trial ends with the loss; at most thrice as long."""
    band = Hyperband(SPACE, seed, "Minimize", most=EPOCHS)
    budget = RANDOM_TRIALS * EPOCHS
    trials: list[Trial] = []
    curve: Curve = []
    spent, least = 0, np.inf
    while spent < budget or (least > loss and spent < 3 * budget):
        number = len(trials)
        trials.append(Trial(band.suggest(trials)[0]))
        learner = Learner(trials[number].values)
        while not band.should_stop(trials, number):
            spent += 1
            trials[number] = replace(trials[number], reports=(*trials[number].reports, learner.epoch()))
        reached = trials[number].reports[-1]
        trials[number] = finished(trials[number], reached)
        curve.append((spent, reached))
        least = min(least, reached)
    return curve


def curves(seed: int) -> dict[str, Curve]:
    """The searches of a seed, by strategy, each with draws of its own."""
    found = {"Random": whole("Random", 1000 + seed), "Bayesian": whole("Bayesian", 1000 + seed)}
    return found | {"Hyperband": hyperband(seed, least(found["Random"]))}


def least(curve: Curve) -> float:
    """The best loss of a search."""
    return min(loss for _, loss in curve)


def share(found: Mapping[str, Curve]) -> float:
    """Hyperband's epochs to the best of Random, as a part of all that Random had; 3 where it was not found."""
    wanted = least(found["Random"])
    reached = (spent for spent, loss in found["Hyperband"] if loss <= wanted)
    return next(reached, 3 * RANDOM_TRIALS * EPOCHS) / (RANDOM_TRIALS * EPOCHS)
