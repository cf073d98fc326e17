"""Early stopping by the median of running averages.

The rule is AWS's (https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-early-stopping.html), a form
of the one of Golovin et al.: Google Vizier, KDD 2017, section 3.2.1.
"""

from collections.abc import Iterable
from statistics import fmean, median

from wildsage.search.trial import Goal, Trial, losses

FEWEST = 3
"""Earlier trials that have to have come as far: the median of fewer says nothing."""


def should_stop(trial: Trial, others: Iterable[Trial], goal: Goal) -> bool:
    """Whether a running trial is worse than what others were at its epoch.

    Its last report is compared with the median of the others' averages of all reports up to the same epoch.

    Parameters
    ----------
    others
        Other trials of the search; finished ones that came as far count.
    """
    epochs = len(trial.reports)
    if not epochs:
        return False
    averages = [
        fmean(losses(other.reports[:epochs], goal))
        for other in others
        if other.observed and len(other.reports) >= epochs
    ]
    return len(averages) >= FEWEST and losses(trial.reports, goal)[-1] > median(averages)
