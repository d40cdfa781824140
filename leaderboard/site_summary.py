"""Site summaries: what a site that releases no case values gives to the ranking instead.

The site ranks the submissions on each of its cases itself and releases, for each metric, only the mean
and the median of those ranks. A rank depends on who is ranked and on the rules for ties and missing
values: a summary names both, holds one block of ranks for each set of rules, and serves only a ranking
of the same submissions under one of them.

The file is JSON of schema ``site-summary/1``::

    {"schema": "site-summary/1", "site": "07", "cases": 41,
     "submissions": ["a", "b"], "metrics": ["dice_wt"], "penalised": [0.0, 0.1],
     "ranks": [{"ties": "min", "missing": "last", "penalised": "as-scored",
                "mean": [[1.25, 1.5]], "median": [[1.0, 1.5]]}]}

``mean`` and ``median`` have a row per metric and a column per submission; ``penalised`` is each
submission's share of cases whose status is not ``ok``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from leaderboard.errors import TableError

Ties = Literal["average", "min"]
Missing = Literal["last", "penalty", "refuse"]
Penalised = Literal["as-scored", "as-missing"]

Floats = npt.NDArray[np.float64]

SCHEMA = "site-summary/1"
MOST_BYTES = 16 * 2**20


@dataclass(frozen=True)
class RankRules:
    """How cases are ranked.

    Attributes:
        ties: ``min``: all tied have the best of their places; ``average``: the mean of them.
        missing: A value that is missing in a cell that was evaluated. ``last``: ranked strictly after
            every value, missing ones tied; ``penalty``: replaced by 0, HD95 by 1000 mm; ``refuse``:
            an error.
        penalised: A case whose status is not ``ok``. ``as-scored``: its penalty values count as
            values; ``as-missing``: they are missing, so that a true zero goes before them under `last`.
    """

    ties: Ties
    missing: Missing
    penalised: Penalised

    def __str__(self) -> str:
        return f"ties {self.ties}, missing {self.missing}, penalised {self.penalised}"


@dataclass(frozen=True)
class SummaryRanks:
    """A site's ranks under one set of rules; arrays of shape (metric, submission)."""

    rules: RankRules
    mean: Floats
    median: Floats


@dataclass(frozen=True)
class SiteSummary:
    """One site's ranks of the submissions that it evaluated.

    Attributes:
        site: Its name.
        cases: How many cases stand behind it.
        submissions: Sorted.
        metrics: Rows of the ranks.
        penalised: Share of penalised cases, shape (submission,).
        ranks: One entry for each set of rules.
    """

    site: str
    cases: int
    submissions: tuple[str, ...]
    metrics: tuple[str, ...]
    penalised: Floats
    ranks: tuple[SummaryRanks, ...]

    def under(self, rules: RankRules, metrics: Sequence[str]) -> SummaryRanks:
        """Return the ranks under `rules`, rows in the order of `metrics`.

        Raises:
            TableError: The summary has no such ranks or lacks a metric.
        """
        lacking = [metric for metric in metrics if metric not in self.metrics]
        if lacking:
            raise TableError(
                f"summary of site {self.site}: has no ranks of {', '.join(lacking)}; ask the site"
            )
        for ranks in self.ranks:
            if ranks.rules == rules:
                rows = [self.metrics.index(metric) for metric in metrics]
                return SummaryRanks(rules, ranks.mean[rows], ranks.median[rows])
        have = "; ".join(str(ranks.rules) for ranks in self.ranks)
        raise TableError(
            f"summary of site {self.site}: has no ranks under the rules {rules} (it has: {have}); "
            "ask the site for them or rank under rules that it has"
        )


_Name = Annotated[str, Field(min_length=1, max_length=250)]
_Rank = Annotated[float, Field(ge=1, le=100_000, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _RanksFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    ties: Ties
    missing: Missing
    penalised: Penalised
    mean: list[list[_Rank]]
    median: list[list[_Rank]]


class _SummaryFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    schema_: Literal["site-summary/1"] = Field(alias="schema")
    site: _Name
    cases: Annotated[int, Field(ge=1, le=10_000_000)]
    submissions: Annotated[list[_Name], Field(min_length=1, max_length=10_000)]
    metrics: Annotated[list[_Name], Field(min_length=1, max_length=100)]
    penalised: list[_Share]
    ranks: Annotated[list[_RanksFile], Field(min_length=1, max_length=20)]


def read_summary(path: Path) -> SiteSummary:
    """Read a site summary.

    Raises:
        TableError: The file is missing, too large or no such summary; names or shapes do not fit.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TableError(f"{path}: is larger than {MOST_BYTES >> 20} MiB; a site summary is small")
        content = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    try:
        found = _SummaryFile.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise TableError(
            f"{path}: is no {SCHEMA}: {where}: {first['msg']}; ask the site to export the summary again"
        ) from error
    _check_shapes(path, found)
    order = np.argsort(np.array(found.submissions))
    return SiteSummary(
        found.site,
        found.cases,
        tuple(sorted(found.submissions)),
        tuple(found.metrics),
        np.array(found.penalised)[order],
        tuple(
            SummaryRanks(
                RankRules(block.ties, block.missing, block.penalised),
                np.array(block.mean)[:, order],
                np.array(block.median)[:, order],
            )
            for block in found.ranks
        ),
    )


def summary_json(summary: SiteSummary) -> bytes:
    """Return a summary as the bytes of its file."""
    content = {
        "schema": SCHEMA,
        "site": summary.site,
        "cases": summary.cases,
        "submissions": list(summary.submissions),
        "metrics": list(summary.metrics),
        "penalised": summary.penalised.tolist(),
        "ranks": [
            {
                "ties": block.rules.ties,
                "missing": block.rules.missing,
                "penalised": block.rules.penalised,
                "mean": block.mean.tolist(),
                "median": block.median.tolist(),
            }
            for block in summary.ranks
        ],
    }
    return (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _check_shapes(path: Path, found: _SummaryFile) -> None:
    for key, names in (("submissions", found.submissions), ("metrics", found.metrics)):
        if len(set(names)) != len(names):
            raise TableError(f"{path}: {key} names one twice; ask the site to export the summary again")
    columns = len(found.submissions)
    fits = len(found.penalised) == columns
    for block in found.ranks:
        for rows in (block.mean, block.median):
            fits &= len(rows) == len(found.metrics) and all(len(row) == columns for row in rows)
            fits &= all(rank <= columns for row in rows for rank in row)
    if not fits:
        raise TableError(
            f"{path}: penalised, mean and median must have one column for each of the {columns} submissions "
            f"and mean and median one row for each of the {len(found.metrics)} metrics, ranks from 1 to "
            f"{columns}; ask the site to export the summary again"
        )
