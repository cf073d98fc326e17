"""The mathematics of a factorization machine of second order: scores, and their gradient.

For a row x the score is ``b + Σ w_i x_i + Σ_{i<j} <v_i, v_j> x_i x_j``. The sum over pairs is taken in time linear in
the entries of x: ``½ Σ_f ((Σ_i v_if x_i)² - Σ_i v_if² x_i²)``.

References
----------
S. Rendle, "Factorization Machines", ICDM 2010.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wildsage.algorithms.factorization_machines.blocks import Block


@dataclass(slots=True)
class Machine:
    """The parameters.

    Attributes
    ----------
    bias
        b.
    weights
        (d, 1 + k): w_i and then the factors v_i of each feature. Side by side, one product of matrices serves both.
    """

    bias: float
    weights: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Scored:
    """The rows of a batch, scored.

    Attributes
    ----------
    block, weights
        The rows, and the parameters of the columns that they touch: (u, 1 + k).
    sums
        (n, 1 + k): ``Σ_i w_i x_i`` and then ``Σ_i v_if x_i`` of each row.
    scores
        (n,).
    """

    block: Block
    weights: NDArray[np.float32]
    sums: NDArray[np.float32]
    scores: NDArray[np.float32]

    def gradient(self, slopes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sum over the rows of each score's gradient times its slope: (u, 1 + k), as `weights`.

        ``∂/∂w_i = x_i`` and ``∂/∂v_if = x_i Σ_j v_jf x_j - v_if x_i²``.

        Parameters
        ----------
        slopes
            (n,): derivatives of the loss by the scores.
        """
        towards = self.sums * slopes[:, np.newaxis]
        towards[:, 0] = slopes
        gradient: NDArray[np.float32] = self.block.rows.T @ towards
        own = self.block.squares.T @ slopes
        gradient[:, 1:] -= own[:, np.newaxis] * self.weights[:, 1:]
        return gradient


def score(machine: Machine, block: Block) -> Scored:
    """Score the rows of a block."""
    weights = machine.weights.take(block.columns, axis=0)
    sums = block.rows @ weights
    factors = weights[:, 1:]
    norms = np.einsum("uf,uf->u", factors, factors)
    pairs = np.einsum("nf,nf->n", sums[:, 1:], sums[:, 1:]) - block.squares @ norms
    return Scored(block, weights, sums, np.float32(machine.bias) + sums[:, 0] + np.float32(0.5) * pairs)
