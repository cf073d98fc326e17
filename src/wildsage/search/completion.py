"""When a search may end: little is expected to be gained.

AWS ends tuning jobs by it (``ConvergenceDetected``) and calls 1 % or less no gain; how it finds the convergence is not
published.
"""

from collections.abc import Sequence

import numpy as np
from scipy.stats import qmc

from wildsage.search import gaussian_process, surrogate
from wildsage.search.improvement import SIGNIFICANT
from wildsage.search.space import Space
from wildsage.search.surrogate import Surrogate
from wildsage.search.threads import one_thread
from wildsage.search.trial import Goal, Trial

_SPREAD = 256
_NEARBY = 64
_CENTRES = 3
_WIDTHS = (0.1, 0.02)
_DRAWS = 64


def fewest(space: Space) -> int:
    """Observations before convergence is spoken of: fewer cannot show what is left."""
    return 10 + 2 * len(space)


def converged(
    space: Space, goal: Goal, trials: Sequence[Trial], seed: int, identical: Sequence[Trial] = ()
) -> bool:
    """Whether less than 1 % is expected to be gained, however long the search goes on."""
    if sum(trial.observed for trial in trials) < fewest(space):
        return False
    with one_thread():
        believed = surrogate.learn(space, goal, trials, identical)
        if believed is None or not len(believed.tried):
            return False
        return expected_gain(believed, seed) < SIGNIFICANT


def expected_gain(believed: Surrogate, seed: int) -> float:
    """What the least of the function is expected to lie below the best trial, as a part of the best trial.

    Functions are drawn from the process at places over the space and around the best trials; each may have its least
    value elsewhere. Where the best is 0, the part is of the distance between the median trial and the best.
    """
    rng = np.random.default_rng([seed, len(believed.tried)])
    spread = qmc.Sobol(len(believed.space), rng=rng).random(_SPREAD)
    centres = believed.tried[:_CENTRES]
    near = [
        centre + width * rng.standard_normal((_NEARBY, len(believed.space)))
        for centre in centres
        for width in _WIDTHS
    ]
    places = np.unique(believed.space.snapped(np.vstack([spread, centres, *near])), axis=0)
    mean, covariance = believed.process.joint(believed.columns(places))
    drawn = mean + gaussian_process.root(covariance) @ rng.standard_normal((len(places), _DRAWS))
    least = believed.output.inverse(drawn.min(axis=0))
    best = float(believed.losses.min())
    reference = abs(best) or float(np.median(believed.losses) - best)
    gain = float(np.maximum(best - least, 0).mean())
    return gain / reference if reference else 0.0
