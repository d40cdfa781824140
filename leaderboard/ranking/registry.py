"""The schemes by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from leaderboard.errors import TableError
from leaderboard.ranking.aggregate_then_mean import aggregate_then_mean
from leaderboard.ranking.aggregate_then_median import aggregate_then_median
from leaderboard.ranking.base import Cells, Rules, Scheme
from leaderboard.ranking.by_tests import by_tests
from leaderboard.ranking.fets2022_task1 import fets2022_task1
from leaderboard.ranking.fets2022_task2 import fets2022_task2_py, fets2022_task2_r
from leaderboard.ranking.rank_then_mean import rank_then_mean
from leaderboard.ranking.rank_then_median import rank_then_median
from leaderboard.site_summary import Missing, Penalised, RankRules, Ties


@dataclass(frozen=True)
class Options:
    """What a user declares; None is "not declared", which a scheme that leaves it open refuses.

    Attributes:
        cells: For every scheme.
        ties: Within cases and of the final ranks.
        missing: See `RankRules`.
        penalised: See `RankRules`.
    """

    cells: Cells | None = None
    ties: Ties | None = None
    missing: Missing | None = None
    penalised: Penalised | None = None


PUBLISHED: Mapping[str, Callable[[Cells], Scheme]] = {
    "fets2022-task1": fets2022_task1,
    "fets2022-task2-r": fets2022_task2_r,
    "fets2022-task2-py": fets2022_task2_py,
}
"""Schemes whose rules are part of their publication, but for missing cells."""

OPEN: Mapping[str, Callable[[Rules], Scheme]] = {
    "rank-then-mean": rank_then_mean,
    "rank-then-median": rank_then_median,
    "aggregate-then-mean": aggregate_then_mean,
    "aggregate-then-median": aggregate_then_median,
    "test-based": by_tests,
}
"""Schemes whose rules have to be declared."""

SCHEMES = (*PUBLISHED, *OPEN)

CHALLENGER = Options(cells="refuse", ties="min", missing="penalty", penalised="as-scored")
"""What the challenge's R script passed to challengeR: an offer for who declares nothing else, to be shown."""


def make_scheme(name: str, options: Options) -> Scheme:
    """Return the scheme of a name under the declared options.

    Raises:
        TableError: No such scheme; an option is missing, or given where the publication has fixed it.
    """
    if name not in SCHEMES:
        near = get_close_matches(name, SCHEMES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise TableError(f"scheme {name}: unknown; {hint}the schemes are {', '.join(SCHEMES)}")
    if options.cells is None:
        raise TableError(
            f"{name}: declare what a missing cell (a site that did not evaluate a submission) means: "
            "drop-site, worst-rank, pairwise or refuse"
        )
    given = {"ties": options.ties, "missing": options.missing, "penalised": options.penalised}
    if name in PUBLISHED:
        scheme = PUBLISHED[name](options.cells)
        fixed = {key: str(getattr(scheme.rules.cases, key)) for key in given}
        for key, value in given.items():
            if value is not None and value != fixed[key]:
                raise TableError(
                    f"{name}: is published with {key} {fixed[key]}; leave {key} out or rank by rank-then-mean"
                )
        return scheme
    lacking = [key for key, value in given.items() if value is None]
    if options.ties is None or options.missing is None or options.penalised is None:
        raise TableError(
            f"{name}: declare {', '.join(lacking)} (ties: average or min; missing: last, penalty or refuse; "
            "penalised: as-scored or as-missing)"
        )
    cases = RankRules(options.ties, options.missing, options.penalised)
    return OPEN[name](Rules(cases, options.ties, options.cells))
