"""The ledger: what a rank does not show. Weak sites and cases, failures, and what a submission cost.

The Dice of a case is the mean over its Dice metrics (regions), its HD95 the mean over the HD95 metrics; a
case that lacks one of them has none, and counts in `missing`. The 5 % quantile is that of the cases, from
the bad end: of Dice the 5 % quantile, of HD95 the 95 %; linear between cases.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.run_folder import RunCosts

Floats = npt.NDArray[np.float64]

_BAD_END = 0.05


@dataclass(frozen=True)
class SiteEntry:
    """A submission at a site; None for what is not known.

    Attributes:
        submission: Its name.
        site: The site's.
        cases: That were evaluated.
        missing: Those of them without Dice.
        penalised_share: Share of the cases whose status is not ``ok``, over the seeds.
        dice_mean: Mean over cases.
        dice_q05: 5 % quantile over cases.
        hd95_mean: In mm.
        hd95_q95: In mm.
        simulated_time_s: Of the site, all rounds together; mean over the submission's runs.
        bytes: Both ways; mean over the runs.
    """

    submission: str
    site: str
    cases: int
    missing: int
    penalised_share: float | None
    dice_mean: float | None
    dice_q05: float | None
    hd95_mean: float | None
    hd95_q95: float | None
    simulated_time_s: float | None
    bytes: float | None


@dataclass(frozen=True)
class SubmissionEntry:
    """A submission over all sites; costs are means over its runs, except that memory is the largest.

    Attributes:
        submission: Its name.
        sites: Where it was evaluated.
        cases: See `SiteEntry`; the next six too.
        missing: See there.
        penalised_share: See there.
        dice_mean: See there.
        dice_q05: See there.
        hd95_mean: See there.
        hd95_q95: See there.
        worst_site: Site with the lowest mean Dice, the first by name of several.
        worst_site_dice: That mean.
        convergence_score: Mean over the seeds.
        runs: Number of run folders that costs are known from.
        simulated_time_s: Of the whole federation.
        bytes: Of all sites.
        wall_s: Time that a run took.
        peak_memory_bytes: Largest resident memory of any run.
    """

    submission: str
    sites: int
    cases: int
    missing: int
    penalised_share: float | None
    dice_mean: float | None
    dice_q05: float | None
    hd95_mean: float | None
    hd95_q95: float | None
    worst_site: str | None
    worst_site_dice: float | None
    convergence_score: float | None
    runs: int
    simulated_time_s: float | None
    bytes: float | None
    wall_s: float | None
    peak_memory_bytes: float | None


def site_ledger(table: CaseTable, runs: Sequence[RunCosts] = ()) -> tuple[SiteEntry, ...]:
    """Return an entry for each submission and each site that evaluated it, by name.

    A site that gave a summary has its cases and penalised share only.
    """
    evaluated = table.evaluated
    entries = []
    for index, name in enumerate(table.submissions):
        own = [run for run in runs if run.submission == name]
        for place, site in enumerate(table.sites):
            if not evaluated[index, place]:
                continue
            costs = [run.sites[site] for run in own if site in run.sites]
            time = _mean([cost.simulated_time_s for cost in costs])
            moved = _mean([float(cost.bytes) for cost in costs])
            if place < len(table.case_sites):
                values = _case_values(table, index, table.cases_of(place))
                entries.append(SiteEntry(name, site, *values, time, moved))
            else:
                summary = table.summaries[place - len(table.case_sites)]
                share = float(summary.penalised[summary.submissions.index(name)])
                nothing = (None, None, None, None)
                entries.append(SiteEntry(name, site, summary.cases, 0, share, *nothing, time, moved))
    return tuple(entries)


def submission_ledger(
    table: CaseTable, convergence: Mapping[str, float] | None, runs: Sequence[RunCosts] = ()
) -> tuple[SubmissionEntry, ...]:
    """Return an entry for each submission, by name.

    Cases and the penalised share count the sites with summaries, the other values cannot.
    """
    at_sites = site_ledger(table, runs)
    entries = []
    for index, name in enumerate(table.submissions):
        mine = [entry for entry in at_sites if entry.submission == name]
        known = [entry for entry in mine if entry.dice_mean is not None]
        worst = min(known, key=lambda entry: (entry.dice_mean, entry.site), default=None)
        values = _case_values(table, index, slice(0, len(table.cases)))
        cases = sum(entry.cases for entry in mine)
        failed = sum(entry.cases * (entry.penalised_share or 0.0) for entry in mine)
        score = (convergence or {}).get(name)
        own = [run for run in runs if run.submission == name]
        entries.append(
            SubmissionEntry(
                name,
                len(mine),
                cases,
                values[1],
                failed / cases if cases else None,
                *values[3:],
                worst.site if worst else None,
                worst.dice_mean if worst else None,
                None if score is None or np.isnan(score) else float(score),
                len(own),
                _mean([run.simulated_time_s for run in own]),
                _mean([None if run.bytes is None else float(run.bytes) for run in own]),
                _mean([run.wall_s for run in own]),
                max((run.peak_memory_bytes for run in own if run.peak_memory_bytes), default=None),
            )
        )
    return tuple(entries)


_Values = tuple[int, int, float | None, float | None, float | None, float | None, float | None]


def _case_values(table: CaseTable, submission: int, cases: slice) -> _Values:
    """Return cases, missing, penalised share, then mean and bad end of Dice and of HD95."""
    listed = table.listed[submission, cases]
    values = table.values[submission, cases][listed]
    dice, distance = (_of_kind(values, table.metrics, kind) for kind in ("dice_", "hd95_"))
    penalised = table.penalised[submission, cases][listed]
    missing = int(np.count_nonzero(np.isnan(dice)))
    share = _mean(penalised.tolist())
    return (
        int(listed.sum()),
        missing,
        share,
        *_mean_and_quantile(dice, _BAD_END),
        *_mean_and_quantile(distance, 1 - _BAD_END),
    )


def _of_kind(values: Floats, metrics: Sequence[str], kind: str) -> Floats:
    """Return the mean over the metrics of a kind, shape (case,); NaN where one is missing or none is."""
    columns = [index for index, metric in enumerate(metrics) if metric.startswith(kind)]
    if not columns:
        return np.full(len(values), np.nan)
    return np.asarray(values[:, columns].mean(axis=1), np.float64)


def _mean_and_quantile(values: Floats, share: float) -> tuple[float | None, float | None]:
    there = values[~np.isnan(values)]
    if not len(there):
        return None, None
    return float(there.mean()), float(np.quantile(there, share))


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return float(np.mean(there)) if there else None
