"""The settings of a ranking, schema ``ranking/1``: everything that its table follows from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from leaderboard.cases import CaseTable
from leaderboard.ranked import Ranked

SCHEMA = "ranking/1"


def ranking_settings(
    ranked: Ranked,
    table: CaseTable,
    *,
    seed: int,
    inputs: Mapping[str, str],
    horizon_s: float | None,
    notes: Sequence[str],
    others: Mapping[str, Ranked],
    files: Sequence[str],
) -> dict[str, Any]:
    """Return the settings of a ranking and what holds for its table as a whole, as plain values.

    Args:
        ranked: The ranking.
        table: As it was read.
        seed: Of the bootstrap.
        inputs: SHA-256 by path.
        horizon_s: Of the convergence scores.
        notes: What was said to the user.
        others: Rankings by further schemes.
        files: Names of the tables that these are the settings of.
    """
    return {
        "schema": SCHEMA,
        **_of_scheme(ranked),
        "seed": seed,
        "resamples": ranked.uncertainty.resamples,
        "level": ranked.uncertainty.level,
        "metrics": list(table.metrics),
        "submissions": len(table.submissions),
        "sites": list(ranked.sites),
        "dropped_sites": list(ranked.dropped_sites),
        "site_summaries": [summary.site for summary in table.summaries],
        "cases": int(table.case_counts.sum()),
        "missing_cells": missing_cells(table),
        "horizon_s": horizon_s,
        "inputs": dict(sorted(inputs.items())),
        "notes": list(notes),
        "files": list(files),
        "numpy": np.__version__,
        "other_schemes": [_of_scheme(other) for other in others.values()],
    }


def settings_json(settings: Mapping[str, Any]) -> str:
    """Return settings as the text of their file; the same settings give the same text."""
    return json.dumps(settings, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def missing_cells(table: CaseTable) -> list[list[str]]:
    """Return (submission, site) of every site that did not evaluate a submission, by name."""
    return [
        [name, site]
        for name, row in zip(table.submissions, table.evaluated, strict=True)
        for site, there in zip(table.sites, row, strict=True)
        if not there
    ]


def _of_scheme(ranked: Ranked) -> dict[str, Any]:
    rules, found, bounds = ranked.rules, ranked.uncertainty, ranked.bounds
    exact = bounds is not None and bool(bounds.best_exact.all() and bounds.worst_exact.all())
    return {
        "scheme": ranked.ranking.scheme,
        "better": ranked.ranking.better,
        "rules": {
            "ties": rules.cases.ties,
            "missing_values": rules.cases.missing,
            "penalised": rules.cases.penalised,
            "final_ties": rules.final_ties,
            "missing_cells": rules.cells,
        },
        "kendall_tau": {"mean": found.tau, "low": found.tau_low, "high": found.tau_high},
        "tied_groups": [list(group) for group in ranked.groups],
        "possible_ranks_exact": exact,
    }
