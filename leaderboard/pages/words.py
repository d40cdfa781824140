"""How the ranking is computed, in words: paragraphs of plain text."""

from __future__ import annotations

from leaderboard.rank_files import RankedFiles

_SCHEMES = {
    "fets2022-task1": (
        "On every case the submissions are ranked by each of the six metrics, and once by the convergence "
        "score. The score of a submission is the mean over the cases of (the sum of its six ranks + three "
        "times its convergence rank) / 9: convergence weighs as much as the three Dice or the three HD95. "
        "Every case weighs the same."
    ),
    "fets2022-task2-r": (
        "At each site and for each metric the submissions are ranked on every case; the mean of a "
        "submission's ranks over the site's cases is ranked again. The score is the mean of these ranks over "
        "sites and metrics: every site weighs the same, however many cases it has. A missing value counts "
        "as Dice 0 or HD95 1000 mm; equal scores share the mean of their places."
    ),
    "fets2022-task2-py": (
        "At each site and for each metric the submissions are ranked on every case; the mean of a "
        "submission's ranks over the site's cases is ranked again. The score is the mean of these ranks over "
        "sites and metrics: every site weighs the same, however many cases it has. A missing value comes "
        "after every value; equal scores share the best of their places."
    ),
    "rank-then-mean": (
        "At each site and for each metric the submissions are ranked on every case, and the means of these "
        "ranks are ranked. The score is the mean rank over sites and metrics."
    ),
    "rank-then-median": (
        "At each site and for each metric the submissions are ranked on every case, and the medians of these "
        "ranks are ranked. The score is the mean rank over sites and metrics."
    ),
    "aggregate-then-mean": (
        "At each site and for each metric the mean of a submission's values over the cases is ranked. The "
        "score is the mean rank over sites and metrics."
    ),
    "aggregate-then-median": (
        "At each site and for each metric the median of a submission's values over the cases is ranked. The "
        "score is the mean rank over sites and metrics."
    ),
    "test-based": (
        "At each site and for each metric it is counted how many others a submission is significantly "
        "better than (one-sided paired Wilcoxon signed-rank test at 5 %, not adjusted), and these numbers "
        "are ranked. The score is the mean rank over sites and metrics."
    ),
}

_CELLS = {
    "drop-site": "A site that did not evaluate every submission counts for nobody.",
    "worst-rank": "A submission that a site did not evaluate is ranked last there.",
    "pairwise": "Each two submissions are compared on the sites that evaluated both.",
    "refuse": "Every site had to evaluate every submission.",
}

_TIES = {"min": "share the best of their places", "average": "share the mean of their places"}
_MISSING = {
    "last": "A missing value comes after every value.",
    "penalty": "A missing value counts as Dice 0 or HD95 1000 mm.",
    "refuse": "There may be no missing value.",
}
_PENALISED = {
    "as-scored": "A case that failed counts with its penalty: Dice 0, HD95 374 mm or the volume's diagonal.",
    "as-missing": "A case that failed counts as missing.",
}


def how_it_is_ranked(found: RankedFiles) -> list[str]:
    """Return the scheme and its rules in words."""
    ranked = found.ranked
    cases, better = ranked.rules.cases, ranked.ranking.better
    said = [
        f"{_SCHEMES[ranked.ranking.scheme]} A {better} score is better.",
        f"On a case, equal values {_TIES[cases.ties]}; equal final scores {_TIES[ranked.rules.final_ties]}. "
        f"{_MISSING[cases.missing]} {_PENALISED[cases.penalised]} {_CELLS[ranked.rules.cells]}",
        "Several seeds of a submission count once, with their mean; a case that one of its seeds lacks is "
        "missing, so that a bad seed cannot be left out.",
    ]
    if found.horizon_s is not None:
        said.append(
            f"The convergence score is the area under the curve of the best score so far over "
            f"{found.horizon_s:,.0f} simulated seconds; all runs share this horizon."
        )
    return said


def how_certain_it_is(found: RankedFiles, seed: int) -> list[str]:
    """Return what the intervals, groups and tests mean, in words."""
    doubt = found.ranked.uncertainty
    level = f"{doubt.level:.0%}"
    return [
        f"Intervals: {doubt.resamples} times (seed {seed}) as many sites as there are were drawn with "
        "replacement, and within each as many cases as it has; every resample was ranked. The interval "
        f"holds the middle {level} of a submission's ranks and its rank itself. P(first) is the share of "
        "resamples in which it is first.",
        f"Kendall's tau between the order of a resample and the order of the board is {doubt.tau:.3f} in the "
        f"mean, {level} of them from {doubt.tau_low:.3f} to {doubt.tau_high:.3f}; 1 would be the same order "
        "every time.",
        "Tied: two submissions can be told apart if one comes before the other in at least "
        f"{(1 + doubt.level) / 2:.1%} of the resamples. Those with a common letter cannot.",
        "Significance: for each ordered pair a one-sided Wilcoxon signed-rank test over the cases that both "
        "have, adjusted after Holm over all pairs. The ranking does not use it, unless its scheme says so.",
    ]
