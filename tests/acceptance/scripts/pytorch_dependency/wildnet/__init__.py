"""A library that the user's script imports; it comes as a dependency of the estimator."""

from torch import nn


def make_net(hidden: int) -> nn.Module:
    """Return a small network: four features, one number."""
    return nn.Sequential(nn.Linear(4, hidden), nn.ReLU(), nn.Linear(hidden, 1))
