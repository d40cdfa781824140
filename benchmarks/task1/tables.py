"""The tables of the comparison, as Markdown: with them stand the command, the seeds and the digests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.machine import one_line
from benchmarks.task1.runs import Outcome
from benchmarks.task1.standing import TARGETS, Standing

_HEADER = ("model", "Dice WT", "Dice TC", "Dice ET", "score", "simulated s", "wall s", "model digest")


def seed_table(standing: Standing) -> str:
    """Return the table of one seed: every rival's best model on all validation cases."""
    outcomes = (standing.fedavg, standing.pooled, *standing.locals)
    dice = [median(outcome.dice[region] for outcome in standing.locals) for region in TARGETS]
    middle = ("median local", *map(_score, dice), _score(standing.median_local), "", "", "")
    lines = [
        f"### Seed {standing.fedavg.seed}",
        "",
        *_table(_HEADER, [*(_cells(outcome) for outcome in outcomes), middle]),
        "",
        f"Pooled - FedAvg {standing.below_pooled:+.3f}; FedAvg - median local {standing.above_local:+.3f}.",
    ]
    return "\n".join(lines)


def summary_table(standings: Sequence[Standing], against_targets: bool) -> str:
    """Return what holds over all seeds."""
    rows = [
        (
            str(s.fedavg.seed),
            *(_score(value) for value in (s.pooled.score, s.fedavg.score, s.median_local)),
            f"{s.below_pooled:+.3f}",
            f"{s.above_local:+.3f}",
            _yes(s.holds),
            *([_yes(s.reaches_targets)] if against_targets else []),
        )
        for s in standings
    ]
    targets = " ".join(f"{region.upper()} {value:.2f}" for region, value in TARGETS.items())
    header = (
        "seed", "pooled", "FedAvg", "median local", "pooled - FedAvg", "FedAvg - local",
        "pooled >= FedAvg > local", *([f"FedAvg >= {targets}"] if against_targets else []),
    )  # fmt: skip
    return "\n".join(["### All seeds", "", *_table(header, rows)])


def page(
    standings: Sequence[Standing], command: str, machine: Mapping[str, Any], against_targets: bool
) -> str:
    """Return the whole page."""
    digests = sorted({f"`{s.fedavg.digests['data']}`" for s in standings})
    splits = [f"seed {s.fedavg.seed} `{s.fedavg.digests['split'][:23]}`" for s in standings]
    lines = [
        "# Task 1: FedAvg, pooled training and institutions alone",
        "",
        "Best model of each run on the validation cases of all institutions. Pooled training takes as many",
        "optimisation steps in all as FedAvg; a local model as many as its institution does under FedAvg.",
        "The simulated time of pooled training is that of one institution doing all the work.",
        "",
        f"- command: `{command}`",
        f"- rounds: {', '.join(sorted({str(s.fedavg.rounds) for s in standings}))}",
        f"- seeds: {', '.join(str(s.fedavg.seed) for s in standings)}",
        f"- data: {', '.join(digests)}",
        f"- splits: {', '.join(splits)}",
        f"- machine: {one_line(machine)}",
    ]
    parts = ["\n".join(lines), *map(seed_table, standings), summary_table(standings, against_targets)]
    return "\n\n".join(parts) + "\n"


def _cells(outcome: Outcome) -> tuple[str, ...]:
    return (
        outcome.rival,
        *(_score(outcome.dice[region]) for region in TARGETS),
        _score(outcome.score),
        f"{outcome.simulated_s:.0f}",
        f"{outcome.wall_s:.0f}",
        f"`{outcome.digests['model'].removeprefix('sha256:')[:12]}`",
    )


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *("---:" for _ in header[1:])]
    return ["| " + " | ".join(cells) + " |" for cells in (header, rule, *rows)]


def _score(value: float) -> str:
    return f"{value:.3f}"


def _yes(value: bool) -> str:
    return "yes" if value else "NO"
