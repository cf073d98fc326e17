"""What hosts that boost together agree on before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wildsage.algorithms.xgboost.data import Table
from wildsage.formats.sparse import SparseRows
from wildsage.toolkit.collective import Collective
from wildsage.toolkit.errors import UserError

_NONE = -1


@dataclass(frozen=True, slots=True)
class Agreement:
    """What all hosts know of each other's data.

    Attributes
    ----------
    ranks
        The hosts that boost: those that have rows. The first of them writes the model.
    width
        Columns of the widest part.
    """

    ranks: tuple[int, ...]
    width: int


def agree(hosts: Collective, tables: Sequence[Table]) -> Agreement:
    """Tell all hosts about this one's channels and learn of theirs.

    Parameters
    ----------
    tables
        The training data first; none: this host got no data.

    Raises
    ------
    UserError
        If no host has rows, or dense rows have more columns on one host than on another.
    """
    own = [_NONE] * 2
    if tables:
        is_sparse = isinstance(tables[0].features, SparseRows)
        own = [max(table.width for table in tables), int(is_sparse)]
    facts = hosts.gather(np.array(own, np.int64))
    known = hosts.share(np.stack(facts) if facts else np.zeros(0, np.int64))
    ranks = tuple(rank for rank, (width, _) in enumerate(known.tolist()) if width != _NONE)
    if not ranks:
        raise UserError("No host has training data. Give the train channel at least one object with rows.")
    widths, sparse = known[list(ranks)].T
    if not sparse.all() and len(set(widths.tolist())) > 1:
        raise UserError(
            f"The hosts have rows of {sorted(set(widths.tolist()))} features: all must have as many"
        )
    return Agreement(ranks, int(widths.max()))
