"""How far orders agree: Kendall's tau between ranks, and ranks without each site in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.ranking.base import Ranking, Scheme
from leaderboard.ranking.draws import leave_one_site_out

Floats = npt.NDArray[np.float64]

_CELLS = 1 << 22  # pairs and orders at a time


@dataclass(frozen=True)
class SitesLeftOut:
    """The ranks without each site in turn.

    Attributes:
        submissions: Sorted by name.
        sites: Those that were left out, one after the other.
        ranks: Shape (site, submission).
    """

    submissions: tuple[str, ...]
    sites: tuple[str, ...]
    ranks: Floats


@dataclass(frozen=True)
class Agreement:
    """Kendall's tau between each two schemes.

    Attributes:
        schemes: In the order given.
        tau: Shape (scheme, scheme), symmetric, 1 on the diagonal.
    """

    schemes: tuple[str, ...]
    tau: Floats


def kendall_tau(orders: npt.ArrayLike, reference: npt.ArrayLike) -> Floats:
    """Return Kendall's tau-b between each of many orders and one reference.

    tau-b = sum over pairs of sign(x_i - x_j) sign(y_i - y_j) / sqrt(n_x n_y), where n is the number of
    pairs that the order does not tie (Kendall 1945, Biometrika 33:239). Where an order ties all pairs
    the formula says 0 / 0; here the tau is 1 if both orders do, 0 if only one does.

    Args:
        orders: Ranks, shape (order, submission).
        reference: Ranks, shape (submission,).

    Returns:
        Shape (order,), from -1 to 1.

    Example:
        >>> kendall_tau([[1, 2, 3], [3, 2, 1], [1, 1, 2]], [1, 2, 3]).round(3).tolist()
        [1.0, -1.0, 0.816]
    """
    x, y = np.asarray(orders, np.float64), np.asarray(reference, np.float64)
    first, second = np.triu_indices(len(y), 1)
    signs = np.sign(y[first] - y[second]).astype(np.float32)
    untied = np.count_nonzero(signs)
    found = np.empty(len(x))
    step = max(1, _CELLS // max(len(first), 1))
    for start in range(0, len(x), step):
        own = np.sign(x[start : start + step, first] - x[start : start + step, second]).astype(np.float32)
        apart = np.count_nonzero(own, axis=1)
        agreed = (own @ signs).astype(np.float64)  # whole numbers, below 2**24 for 5793 submissions
        norm = np.sqrt(apart.astype(np.float64) * untied)
        all_tied = np.where((apart == 0) & (untied == 0), 1.0, 0.0)
        found[start : start + step] = np.divide(agreed, norm, out=all_tied, where=norm > 0)
    return found


def scheme_agreement(rankings: Mapping[str, Ranking]) -> Agreement:
    """Return Kendall's tau between the orders of each two schemes.

    Args:
        rankings: By scheme; all of the same submissions.

    Raises:
        TableError: The rankings are of different submissions, or there are none.
    """
    if len({ranking.submissions for ranking in rankings.values()}) != 1:
        raise TableError("the rankings are of different submissions; rank all by every scheme to compare")
    ranks = np.array([ranking.ranks for ranking in rankings.values()])
    return Agreement(tuple(rankings), np.array([kendall_tau(ranks, own) for own in ranks]))


def ranks_without_each_site(
    scheme: Scheme, table: CaseTable, convergence: Mapping[str, float] | None
) -> SitesLeftOut:
    """Return the ranks without each site of the ranked table in turn.

    Raises:
        TableError: There is one site only, or as for `Scheme.rank`.
    """
    table = scheme.prepare(table)
    found = scheme.rank_draws(table, convergence, leave_one_site_out(table))
    return SitesLeftOut(table.submissions, table.sites, found.ranks)
