"""A ranking together with everything that says how certain it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from leaderboard.agreement import SitesLeftOut, ranks_without_each_site
from leaderboard.cases import CaseTable
from leaderboard.missing import RankBounds, rank_bounds
from leaderboard.ranking.base import Ranking, Rules, Scheme
from leaderboard.ranking.fets2022_task1 import Fets2022Task1
from leaderboard.ranking.site_ranking import SiteRanking
from leaderboard.tied_groups import tied_groups
from leaderboard.uncertainty import RESAMPLES, Generators, Uncertainty, bootstrap


@dataclass(frozen=True)
class Ranked:
    """One scheme's ranking and its uncertainty.

    Attributes:
        ranking: Scores and ranks.
        rules: Under which it was made.
        sites: That counted.
        dropped_sites: That did not, since a submission was not evaluated there.
        uncertainty: Of the bootstrap.
        groups: Submissions that cannot be told apart, see `leaderboard.tied_groups`.
        sites_left_out: None where there is one site only.
        bounds: The ranks that missing cells leave open; None where a site with missing cells gave a
            summary, so that they cannot be known.
    """

    ranking: Ranking
    rules: Rules
    sites: tuple[str, ...]
    dropped_sites: tuple[str, ...]
    uncertainty: Uncertainty
    groups: tuple[tuple[str, ...], ...]
    sites_left_out: SitesLeftOut | None
    bounds: RankBounds | None


def rank_with_uncertainty(
    scheme: Scheme,
    table: CaseTable,
    convergence: Mapping[str, float] | None,
    generators: Generators,
    resamples: int = RESAMPLES,
) -> Ranked:
    """Rank a table and say how certain the ranks are.

    Raises:
        TableError: As for `Scheme.rank` and `bootstrap`.
    """
    prepared = scheme.prepare(table)
    ranking = scheme.rank(table, convergence)
    uncertainty = bootstrap(scheme, prepared, convergence, generators, resamples)
    alone = len(prepared.sites) < 2
    return Ranked(
        ranking,
        scheme.rules,
        prepared.sites,
        tuple(site for site in table.sites if site not in prepared.sites),
        uncertainty,
        tied_groups(ranking.ranks, uncertainty),
        None if alone else ranks_without_each_site(scheme, prepared, convergence),
        _bounds(scheme, table, ranking, convergence),
    )


def _bounds(
    scheme: Scheme, table: CaseTable, ranking: Ranking, convergence: Mapping[str, float] | None
) -> RankBounds | None:
    evaluated = table.evaluated
    if evaluated.all():
        exact = ranking.ranks > 0
        return RankBounds(table.submissions, ranking.ranks, ranking.ranks, exact, exact)
    in_summaries = evaluated[:, len(table.case_sites) :]
    if not in_summaries.all() or not isinstance(scheme, SiteRanking | Fets2022Task1):
        return None
    return rank_bounds(scheme, table, convergence)
