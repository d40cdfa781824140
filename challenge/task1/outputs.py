"""What a run leaves in its folder: tables after each round; model, figures and the record at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from challenge.task1.run_folder import RunFolder
from fl_core.durable import Disk
from fl_core.tensors.codec import encode
from tasks.task1_aggregation.experiment import World
from tasks.task1_aggregation.rows import CASE_COLUMNS, RoundRow, SiteRow, rows_to_csv, to_csv
from tasks.task1_aggregation.run_state import RunState


def write_tables(folder: RunFolder, state: RunState, disk: Disk) -> None:
    """Write rounds.csv and sites.csv; both follow from the state alone."""
    disk.write(folder.root / "rounds.csv", rows_to_csv(RoundRow, state.rounds))
    disk.write(folder.root / "sites.csv", rows_to_csv(SiteRow, state.sites))


def write_results(folder: RunFolder, state: RunState, cases: Sequence[Mapping[str, Any]], disk: Disk) -> None:
    """Write cases.csv and the best model."""
    disk.write(folder.root / "cases.csv", to_csv(CASE_COLUMNS, cases))
    metadata = {"schema": "model/1", "round": state.aggregator.best.round}
    disk.write(folder.root / "model.safetensors", encode(state.best, metadata))


def draw(folder: RunFolder, state: RunState, world: World, horizon_s: float, disk: Disk) -> list[Path]:
    """Draw the figures from the tables and the timeline."""
    from challenge.figures.write import write_figures

    until = max(state.simulated_time_s, 1.0)
    windows = [
        {"site": site, "start_s": window.start_s, "end_s": min(window.end_s, until)}
        for site in sorted({row.site for row in state.sites})
        for window in world.outages.down(site, until)
    ]
    return write_figures(folder.root, [asdict(s) for s in state.segments], windows, disk, horizon_s)


def summary(state: RunState, cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the run's headline numbers."""
    last = state.rounds[-1]
    best = state.aggregator.best
    found: dict[str, Any] = {
        "best_round": best.round,
        "best_score": best.score,
        "convergence_score": last.convergence_score,
        "simulated_time_s": state.simulated_time_s,
        "bytes": sum(row.bytes for row in state.rounds),
        "test_cases": len(cases),
    }
    by_round = {row.round: row for row in state.rounds}
    for region in ("wt", "tc", "et"):
        if best.round in by_round:
            found[f"validation_dice_{region}"] = getattr(by_round[best.round], f"dice_{region}")
        if cases:
            found[f"test_dice_{region}"] = sum(c[f"dice_{region}"] for c in cases) / len(cases)
            found[f"test_hd95_{region}"] = sum(c[f"hd95_{region}"] for c in cases) / len(cases)
    return found
