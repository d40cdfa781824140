"""The table that ranking reads: one value for each submission, case and metric.

A case is (site, case). Several seeds of a submission count once, with their mean; a case that one of its
seeds lacks is missing, so that a bad seed cannot be left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from leaderboard.errors import TableError
from leaderboard.metric_direction import RANKED_METRICS, known_metric
from leaderboard.site_summary import SiteSummary, read_summary
from leaderboard.text_table import read_text_table

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("submission", "seed", "site", "case")
MOST_BYTES = 512 * 2**20

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class CaseTable:
    """Values of all submissions on all cases, and the summaries of sites without case values.

    Attributes:
        submissions: Sorted.
        metrics: Columns, in the order asked for.
        case_sites: Sites with case values, sorted.
        cases: Their (site, case), sorted.
        starts: Where each site's cases begin, and the end: shape (case site + 1,).
        values: Shape (submission, case, metric); NaN where missing.
        listed: Whether the case has a row for any seed, shape (submission, case); a row without values
            says that something went wrong with the case, no row that it was not evaluated.
        penalised: Share of the submission's seeds for which the case's status is not ``ok``, shape
            (submission, case).
        summaries: Sites that gave ranks only, sorted; none of them is in `case_sites`.
    """

    submissions: tuple[str, ...]
    metrics: tuple[str, ...]
    case_sites: tuple[str, ...]
    cases: tuple[tuple[str, str], ...]
    starts: Ints
    values: Floats
    listed: Bools
    penalised: Floats
    summaries: tuple[SiteSummary, ...] = ()

    @property
    def sites(self) -> tuple[str, ...]:
        """All sites: those with case values, then those with summaries."""
        return self.case_sites + tuple(summary.site for summary in self.summaries)

    @property
    def case_counts(self) -> Ints:
        """Number of cases of each of `sites`."""
        return np.concatenate([np.diff(self.starts), [summary.cases for summary in self.summaries]]).astype(
            np.intp
        )

    @property
    def evaluated(self) -> Bools:
        """Whether a submission was evaluated at a site, to whatever end; shape (submission, site)."""
        if self.case_sites:
            cells = np.logical_or.reduceat(self.listed, self.starts[:-1], axis=1)
        else:
            cells = np.zeros((len(self.submissions), 0), np.bool_)
        listed = [[name in summary.submissions for summary in self.summaries] for name in self.submissions]
        return np.concatenate([cells, np.array(listed, np.bool_).reshape(len(cells), -1)], axis=1)

    def cases_of(self, site: int) -> slice:
        """Return where the cases of `sites[site]` stand; empty for a site with a summary."""
        if site >= len(self.case_sites):
            return slice(0, 0)
        return slice(int(self.starts[site]), int(self.starts[site + 1]))

    def of_sites(self, names: Collection[str]) -> CaseTable:
        """Return the table of these sites alone; the submissions stay.

        Raises:
            TableError: A site is unknown.
        """
        _check_names("site", names, self.sites)
        keep = np.array([site in names for site, _ in self.cases], np.bool_)
        cases = tuple(case for case in self.cases if case[0] in names)
        return replace(
            self,
            case_sites=tuple(site for site in self.case_sites if site in names),
            cases=cases,
            starts=_starts(cases),
            values=self.values[:, keep],
            listed=self.listed[:, keep],
            penalised=self.penalised[:, keep],
            summaries=tuple(summary for summary in self.summaries if summary.site in names),
        )

    def of_submissions(self, names: Collection[str]) -> CaseTable:
        """Return the table of these submissions alone (baselines are not ranked, say); the cases stay.

        Raises:
            TableError: A submission is unknown, or a site's summary ranked one that is left out.
        """
        _check_names("submission", names, self.submissions)
        kept = [index for index, name in enumerate(self.submissions) if name in names]
        _check_summaries(self.summaries, names)
        return replace(
            self,
            submissions=tuple(self.submissions[index] for index in kept),
            values=self.values[kept],
            listed=self.listed[kept],
            penalised=self.penalised[kept],
        )


def read_cases(
    paths: Sequence[Path],
    *,
    metrics: Sequence[str] = RANKED_METRICS,
    summaries: Sequence[Path] = (),
    submissions: Collection[str] | None = None,
) -> CaseTable:
    """Read any number of cases.csv files and site summaries.

    Args:
        paths: Files with the columns submission, seed, site, case, status and those of `metrics`; others
            are not read. An empty value or ``nan`` is a missing one.
        metrics: What to rank on; the direction of each is known by its name.
        summaries: JSON files, see `leaderboard.site_summary`.
        submissions: Rank these alone; None for all.

    Raises:
        TableError: A file cannot be read; a column is missing; an id is empty; a value is no finite
            number; a case stands twice; a summary ranks a submission that is not ranked here. The
            message names file, row and column.
    """
    import pandas as pd

    unknown = [metric for metric in metrics if not known_metric(metric)]
    if unknown or not metrics:
        raise TableError(f"metrics {', '.join(unknown) or '(none)'}: not among those of cases.csv")
    frames = [_checked(read_text_table(path, MOST_BYTES), str(path), metrics) for path in paths]
    found = tuple(sorted((read_summary(path) for path in summaries), key=lambda summary: summary.site))
    if frames:
        frame = pd.concat(frames, ignore_index=True)
    else:
        frame = pd.DataFrame(columns=[*KEYS, "status", *metrics, "_where"])
    _check_once(frame)
    table = _table(frame, metrics, found)
    return table if submissions is None else table.of_submissions(submissions)


def case_table(
    rows: Iterable[Mapping[str, object]], metrics: Sequence[str] = RANKED_METRICS, source: str = "rows"
) -> CaseTable:
    """Return the table of rows as cases.csv has them, for values that are not in a file.

    Example:
        >>> row = {"submission": "a", "seed": 0, "site": "1", "case": "c", "status": "ok", "dice_wt": 0.5}
        >>> case_table([row, row | {"submission": "b"}], ["dice_wt"]).values.tolist()
        [[[0.5]], [[0.5]]]

    Raises:
        TableError: As for `read_cases`.
    """
    import pandas as pd

    content = [{key: "" if value is None else str(value) for key, value in row.items()} for row in rows]
    frame = _checked(pd.DataFrame(content, index=range(1, len(content) + 1)), source, metrics)
    _check_once(frame)
    return _table(frame, metrics, ())


def _checked(frame: pd.DataFrame, source: str, metrics: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    needed = [*KEYS, "status", *metrics]
    lacking = [name for name in needed if name not in frame.columns]
    if lacking:
        raise TableError(
            f"{source}, row 1: has no column {', '.join(lacking)}; a cases.csv needs {','.join(needed)}"
        )
    frame = frame[needed].copy()
    for column in (*KEYS, "status"):
        frame[column] = frame[column].fillna("").str.strip()
        empty = np.flatnonzero(frame[column] == "")
        if len(empty):
            raise TableError(f"{source}, row {frame.index[empty[0]]}, column {column}: is empty; fill it in")
    for column in metrics:
        text = frame[column].fillna("").str.strip()
        numbers = pd.to_numeric(text, errors="coerce").to_numpy(np.float64)
        missing = text.str.lower().isin(["", "nan"]).to_numpy()
        bad = np.flatnonzero(~missing & ~np.isfinite(numbers))
        if len(bad):
            raise TableError(
                f"{source}, row {frame.index[bad[0]]}, column {column}: {text.iloc[bad[0]][:40]!r} is no "
                "finite number; write one, or leave it empty where the value is missing"
            )
        frame[column] = numbers
    frame["_where"] = [f"{source}, row {row}" for row in frame.index]
    return frame


def _check_once(frame: pd.DataFrame) -> None:
    twice = np.flatnonzero(frame.duplicated(list(KEYS)).to_numpy())
    if len(twice):
        row = frame.iloc[twice[0]]
        same = (frame[list(KEYS)] == row[list(KEYS)]).all(axis=1)
        first = frame.loc[same, "_where"].iloc[0]
        raise TableError(
            f"{row['_where']}, column case: submission {row['submission']}, seed {row['seed']}, site "
            f"{row['site']}, case {row['case']} stands already in {first}; keep one"
        )


def _table(frame: pd.DataFrame, metrics: Sequence[str], summaries: tuple[SiteSummary, ...]) -> CaseTable:
    submissions = tuple(sorted({*frame["submission"]} | {n for s in summaries for n in s.submissions}))
    if not submissions:
        raise TableError("no rows: the files name no submission; give at least one cases.csv with rows")
    if summaries and len(frame):
        _check_summaries(summaries, set(frame["submission"]))
    cases = tuple(sorted(set(zip(frame["site"], frame["case"], strict=True))))
    _check_disjoint([site for site, _ in cases], summaries)
    row_of = {name: index for index, name in enumerate(submissions)}
    column_of = {case: index for index, case in enumerate(cases)}
    row = np.array([row_of[name] for name in frame["submission"]], np.intp)
    pairs = zip(frame["site"], frame["case"], strict=True)
    column = np.array([column_of[case] for case in pairs], np.intp)

    shape = (len(submissions), len(cases))
    seeds = np.zeros(len(submissions), np.intp)
    for name, own in frame.groupby("submission")["seed"].nunique().items():
        seeds[row_of[str(name)]] = own
    count = np.zeros(shape, np.intp)
    np.add.at(count, (row, column), 1)
    penalised = np.zeros(shape)
    np.add.at(penalised, (row, column), (frame["status"] != "ok").to_numpy(np.float64))
    # Sorted, so that the order of rows cannot change the last bit of a sum.
    order = np.lexsort((frame["seed"].to_numpy(str), column, row))
    values = np.zeros((*shape, len(metrics)))
    np.add.at(values, (row[order], column[order]), frame[list(metrics)].to_numpy(np.float64)[order])
    values[count < np.maximum(seeds, 1)[:, np.newaxis]] = np.nan
    per = np.maximum(count, 1)
    return CaseTable(
        submissions,
        tuple(metrics),
        tuple(sorted({site for site, _ in cases})),
        cases,
        _starts(cases),
        values / per[:, :, np.newaxis],
        count > 0,
        penalised / per,
        summaries,
    )


def _starts(cases: Sequence[tuple[str, str]]) -> Ints:
    first = [index for index, case in enumerate(cases) if not index or case[0] != cases[index - 1][0]]
    return np.array([*first, len(cases)], np.intp) if cases else np.zeros(1, np.intp)


def _check_names(kind: str, names: Collection[str], known: Sequence[str]) -> None:
    unknown = sorted(set(names) - set(known))
    if unknown or not names:
        raise TableError(
            f"{kind} {', '.join(unknown) or '(none)'}: not in the table; it has {', '.join(known)}"
        )


def _check_summaries(summaries: Sequence[SiteSummary], names: Collection[str]) -> None:
    for summary in summaries:
        others = sorted(set(summary.submissions) - set(names))
        if others:
            raise TableError(
                f"summary of site {summary.site}: ranked {', '.join(others)} too, which is not ranked here "
                "and moved the others' ranks; ask the site for a summary of the ranked submissions alone"
            )


def _check_disjoint(case_sites: Sequence[str], summaries: Sequence[SiteSummary]) -> None:
    seen = set(case_sites)
    for summary in summaries:
        if summary.site in seen:
            raise TableError(
                f"summary of site {summary.site}: the site has case values or another summary too; keep one"
            )
        seen.add(summary.site)
