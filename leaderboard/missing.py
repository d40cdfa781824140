"""What missing cells leave open: the best and the worst rank of each submission over all completions.

A completion gives every (site, submission) cell that was not evaluated some values, whatever they are. For
each two submissions t and c the least and the largest difference of their scores over all completions
follows from what can happen at each site and for each metric:

- who is absent there can come before or after anybody;
- whether d stays before c there, whatever the absent do, follows from the scheme: values aggregated
  before ranking do not depend on the absent; mean ranks move by at most one for each absent submission on
  each case on which it comes between the two; a median rank by at most one, a number of won tests by at most
  one for each absent submission.

c is surely before t if the largest difference is in its favour too; it may be before t if the least is.
These are bounds: no completion leads outside. A bound is `exact` when a completion is known that reaches
it; tried are the submission's own missing values all best and all others' worst, and the reverse. For
schemes that aggregate before they rank and for Task 1 the bounds of a submission are exact if only its own
cells are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError
from leaderboard.metric_direction import lower_is_better
from leaderboard.ranking.base import Floats, Scheme, costs_of, has_value
from leaderboard.ranking.draws import as_it_is
from leaderboard.ranking.fets2022_task1 import CONVERGENCE_WEIGHT, Fets2022Task1, doubled_convergence_ranks
from leaderboard.ranking.site_ranking import SiteRanking, whole_site_ranks
from leaderboard.ranking.ties import final_ranks
from leaderboard.site_summary import Ties

Bools = npt.NDArray[np.bool_]
Range = tuple[Floats, Floats]

# Better and worse than any measured value: Dice and the like lie in [0, 1], HD95 in [0, 1000] mm.
_BEST, _WORST = {"lower": -1.0, "higher": 2.0}, {"lower": 1e4, "higher": -1.0}


@dataclass(frozen=True)
class RankBounds:
    """The ranks that each submission could have; arrays of shape (submission,).

    Attributes:
        submissions: Sorted by name.
        best: No completion gives a smaller rank.
        worst: No completion gives a larger one.
        best_exact: Whether a completion is known that gives `best`.
        worst_exact: Whether one is known that gives `worst`.
    """

    submissions: tuple[str, ...]
    best: Floats
    worst: Floats
    best_exact: Bools
    worst_exact: Bools


def rank_bounds(
    scheme: SiteRanking | Fets2022Task1, table: CaseTable, convergence: Mapping[str, float] | None
) -> RankBounds:
    """Return the best and the worst rank of each submission over all completions of the missing cells.

    The scheme's own rule for missing cells does not matter: a completion has none. A missing convergence
    score is not completed, it stays last.

    Raises:
        TableError: A submission is missing at a site that gave a summary, or the rules refuse a value.
    """
    for site in range(len(table.case_sites), len(table.sites)):
        if not table.evaluated[:, site].all():
            raise TableError(
                f"site {table.sites[site]} gave a summary without some submissions, and the ranks that those "
                "could have need its case values; leave the site out for the bounds"
            )
    least, largest = _score_differences(scheme, table, convergence)
    best, worst = _ranks(least, largest, scheme.rules.final_ties)
    reached_best, reached_worst = _reached(scheme, table, convergence)
    return RankBounds(table.submissions, best, worst, reached_best == best, reached_worst == worst)


def _score_differences(
    scheme: SiteRanking | Fets2022Task1, table: CaseTable, convergence: Mapping[str, float] | None
) -> Range:
    """Return the least and largest of (score of c - score of t), in whole units: shape (t, c)."""
    names = len(table.submissions)
    least, largest = np.zeros((names, names)), np.zeros((names, names))
    if isinstance(scheme, Fets2022Task1):
        parts = _task1_parts(scheme, table)
        cases = int(table.case_counts.sum())
        speed = doubled_convergence_ranks(table.submissions, convergence).astype(np.float64)
        fixed = speed * cases * CONVERGENCE_WEIGHT * len(table.metrics) / 6
        least += fixed[np.newaxis] - fixed[:, np.newaxis]
        largest += fixed[np.newaxis] - fixed[:, np.newaxis]
    else:
        parts = _site_parts(scheme, table)
    for low, high in parts:
        least += low
        largest += high
    unranked = ~has_value(table, scheme.rules.cases, as_it_is(table))[0] & table.evaluated.all(axis=1)
    behind = unranked[np.newaxis] & ~unranked[:, np.newaxis]
    shift = np.where(behind, np.inf, np.where(behind.T, -np.inf, 0.0))
    both = unranked[np.newaxis] & unranked[:, np.newaxis]
    return np.where(both, 0.0, least + shift), np.where(both, 0.0, largest + shift)


def _site_parts(scheme: SiteRanking, table: CaseTable) -> list[Range]:
    draws = as_it_is(table)
    ties = scheme.rules.cases.ties
    parts: list[Range] = []
    for site in range(len(table.sites)):
        present = table.evaluated[:, site]
        absent = int((~present).sum())
        every = scheme.site_costs(table, draws, site)
        if not absent:
            ranks = np.sum([whole_site_ranks(costs, present, ties)[:, 0] for costs in every], axis=0)
            parts.append(_fixed(ranks))
            continue
        values = costs_of(table, scheme.rules.cases, site)
        for metric, costs in enumerate(every):
            gap = costs[np.newaxis, :, 0] - costs[:, np.newaxis, 0]  # (a, b): cost of b less that of a
            slack = absent * np.broadcast_to(scheme.slack(values[:, :, metric]), gap.shape)
            parts.append(_open(gap - slack.T > 0, gap + slack > 0, present, ties))
    return parts


def _task1_parts(scheme: Fets2022Task1, table: CaseTable) -> list[Range]:
    ties = scheme.rules.cases.ties
    parts: list[Range] = []
    for summary in table.summaries:
        doubled = np.rint(2 * summary.cases * summary.under(scheme.rules.cases, table.metrics).mean)
        parts.append(_fixed(doubled.sum(axis=0)))
    for site in range(len(table.case_sites)):
        present = table.evaluated[:, site]
        own = costs_of(table, scheme.rules.cases, site).reshape(int(present.sum()), -1)
        if present.all():
            parts.append(_fixed(whole_site_ranks(own, present, ties).sum(axis=1)))
            continue
        for column in own.T:
            before = column[:, np.newaxis] < column[np.newaxis]
            parts.append(_open(before, before, present, ties))
    return parts


def _fixed(ranks: npt.NDArray[Any]) -> Range:
    whole = ranks.astype(np.float64)
    difference = whole[np.newaxis] - whole[:, np.newaxis]
    return difference, difference


def _open(certain: Bools, possible: Bools, present: Bools, ties: Ties) -> Range:
    """Return the range of the doubled ranks' difference at one site by one metric, shape (t, c).

    Args:
        certain: Whether a is before b in every completion, for those present, shape (a, b).
        possible: Whether it is in some completion.
        present: Who was evaluated.
        ties: Of the ranks.
    """
    names = len(present)
    there = np.ix_(np.flatnonzero(present), np.flatnonzero(present))
    surely, maybe = np.zeros((names, names), np.bool_), ~np.eye(names, dtype=np.bool_)
    surely[there], maybe[there] = certain, possible
    # What b adds to the doubled rank of a, at least and at most: shape (b, a).
    if ties == "min":
        low, high = 2 * surely.astype(np.int16), 2 * maybe.astype(np.int16)
    else:
        low = np.where(surely, 2, np.where(maybe.T, 0, 1)).astype(np.int16)
        high = np.where(maybe, 2, np.where(surely.T, 0, 1)).astype(np.int16)
    # What a third submission d adds to c less what it adds to t: shape (d, t, c).
    least = low[:, np.newaxis, :] - high[:, :, np.newaxis]
    largest = high[:, np.newaxis, :] - low[:, :, np.newaxis]
    # Whoever is before t is before all that t is not behind of.
    least = np.where(~maybe.T[np.newaxis], np.maximum(least, 0), least)
    largest = np.where(~maybe[np.newaxis], np.minimum(largest, 0), largest)
    each = np.arange(names)
    for part in (least, largest):
        part[each, each, :] = 0
        part[each, :, each] = 0
    return (
        (least.sum(axis=0) + low - high.T).astype(np.float64) * ~np.eye(names, dtype=np.bool_),
        (largest.sum(axis=0) + high - low.T).astype(np.float64) * ~np.eye(names, dtype=np.bool_),
    )


def _ranks(least: Floats, largest: Floats, ties: Ties) -> tuple[Floats, Floats]:
    others = ~np.eye(len(least), dtype=np.bool_)
    surely, maybe = (largest < 0) & others, (least < 0) & others
    best, worst = 1.0 + surely.sum(axis=1), 1.0 + maybe.sum(axis=1)
    if ties == "average":
        best += ((largest == 0) & others).sum(axis=1) / 2
        worst += ((least == 0) & others).sum(axis=1) / 2
    return best, worst


def _reached(
    scheme: SiteRanking | Fets2022Task1, table: CaseTable, convergence: Mapping[str, float] | None
) -> tuple[Floats, Floats]:
    """Return, for each submission, its rank in its most and its least favourable simple completion."""
    names = len(table.submissions)
    whole = np.array([bool(column.all()) for column in table.evaluated.T])
    weights = table.case_counts if isinstance(scheme, Fets2022Task1) else np.ones(len(whole))
    total = np.zeros(names)
    if whole.any():
        total += weights[whole].sum() * _scores(scheme, _sites(table, whole), convergence)
    ranked = has_value(table, scheme.rules.cases, as_it_is(table)) | ~table.evaluated.all(axis=1)
    reached = np.empty((2, names))
    gaps = _sites(table, ~whole) if not whole.all() else None
    for own in range(names):
        for way in range(2):
            scores = total
            if gaps is not None:
                filled = _completed(gaps, own, own_is_best=way == 0)
                scores = total + weights[~whole].sum() * _scores(scheme, filled, convergence)
            mean = np.round(scores / weights.sum(), 10)[np.newaxis]
            reached[way, own] = final_ranks(mean, ranked, scheme.rules.final_ties)[0, own]
        if gaps is None:
            reached[1, own] = reached[0, own]
    return reached[0], reached[1]


def _sites(table: CaseTable, which: Bools) -> CaseTable:
    return table.of_sites([site for site, keep in zip(table.sites, which, strict=True) if keep])


def _scores(scheme: Scheme, table: CaseTable, convergence: Mapping[str, float] | None) -> Floats:
    scores: Floats = scheme.rank_draws(table, convergence, as_it_is(table)).scores[0]
    return scores


def _completed(table: CaseTable, own: int, *, own_is_best: bool) -> CaseTable:
    cells = np.repeat(table.evaluated[:, : len(table.case_sites)], np.diff(table.starts), axis=1)
    sides = ["lower" if lower_is_better(metric) else "higher" for metric in table.metrics]
    best, worst = np.array([_BEST[side] for side in sides]), np.array([_WORST[side] for side in sides])
    is_best = np.full(len(table.submissions), not own_is_best)
    is_best[own] = own_is_best
    filler = np.where(is_best[:, np.newaxis], best, worst)[:, np.newaxis, :]
    values = np.where(cells[:, :, np.newaxis], table.values, filler)
    return replace(table, values=values, listed=table.listed | ~cells)
