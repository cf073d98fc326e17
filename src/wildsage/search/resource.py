"""How much of its resource, such as epochs, a trial of Hyperband may use."""

from wildsage.search.trial import Values

EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")
"""Static hyperparameters that the largest resource is taken from where a tuning job gives none."""


def most_resource(static: Values) -> int | None:
    """Return the epochs that static hyperparameters name; None if they name none."""
    for name in EPOCH_NAMES:
        if static.get(name, "").isdecimal():
            return int(static[name])
    return None
