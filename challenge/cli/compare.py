"""``challenge compare``: two runs on the cases that both were tested on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from challenge.records.compare import PairedDifference

_HEADER = ("metric", "cases", "mean A", "mean B", "B - A", "95 % interval", "B better", "equal", "A better")


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="Folder of a finished run.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="Folder of the other one.")],
) -> None:
    """Compare two runs: paired differences per case, convergence, and what differs in their settings."""
    from challenge.records.compare import common_cases, compare_cases
    from challenge.records.run_folder import differing, read_scores, read_settings

    settings_a, settings_b = read_settings(run_a), read_settings(run_b)
    scores_a, scores_b = read_scores(run_a), read_scores(run_b)
    common = common_cases(scores_a, scores_b)
    rows = compare_cases(scores_a, scores_b)

    typer.echo(f"A: {run_a} ({len(scores_a)} cases, {_integrity(run_a)})")
    typer.echo(f"B: {run_b} ({len(scores_b)} cases, {_integrity(run_b)})")
    typer.echo(f"{len(common)} cases in common at {len({site for site, _ in common})} sites")
    _print_table(_HEADER, [_cells(row) for row in rows])
    typer.echo(_convergence_line(run_a, run_b, settings_a, settings_b))
    found = differing(settings_a, settings_b)
    if found:
        typer.echo("settings that differ:")
        _print_table(("setting", "A", "B"), [list(row) for row in found])
    else:
        typer.echo("the settings are the same")


def _cells(row: PairedDifference) -> list[str]:
    digits = 2 if row.metric.startswith("hd95") else 4
    return [
        row.metric,
        str(row.cases),
        f"{row.mean_a:.{digits}f}",
        f"{row.mean_b:.{digits}f}",
        f"{row.difference:+.{digits}f}",
        f"[{row.low:+.{digits}f}, {row.high:+.{digits}f}]",
        str(row.wins),
        str(row.ties),
        str(row.losses),
    ]


def _convergence_line(
    run_a: Path, run_b: Path, settings_a: dict[str, object], settings_b: dict[str, object]
) -> str:
    """Say how fast both converged, unless their scores are areas under different spans or scores."""
    from challenge.records.run_folder import read_convergence, read_horizon

    score_a, score_b = read_convergence(run_a), read_convergence(run_b)
    if score_a is None or score_b is None:
        return (
            "convergence score: not compared, "
            + ("neither" if score_a is score_b else "only one")
            + " has one"
        )
    horizon_a, horizon_b = read_horizon(run_a), read_horizon(run_b)
    if horizon_a is None or horizon_a != horizon_b:
        return (
            "convergence score: not compared, the horizons differ "
            f"(A {_seconds(horizon_a)}, B {_seconds(horizon_b)}); rerun one with the other's horizon"
        )
    kinds = [_score_kinds(settings) for settings in (settings_a, settings_b)]
    if kinds[0] != kinds[1]:
        return f"convergence score: not compared, score_kind differs (A {kinds[0]}, B {kinds[1]})"
    return (
        f"convergence score: A {score_a:.6f}, B {score_b:.6f}, B - A {score_b - score_a:+.6f} "
        f"(horizon {_seconds(horizon_a)})"
    )


def _score_kinds(settings: dict[str, object]) -> str:
    return ", ".join(str(value) for name, value in settings.items() if name.split(".")[-1] == "score_kind")


def _seconds(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g} s"


def _integrity(run: Path) -> str:
    from challenge.records.errors import RecordError
    from challenge.records.verify import verify

    try:
        verdict = verify(run, ())
    except RecordError:
        return "no record"
    return "record intact" if verdict.intact else "record NOT intact, see `challenge verify`"


def _print_table(header: tuple[str, ...], rows: list[list[str]]) -> None:
    """Print a table with rules on a terminal, tab-separated lines elsewhere."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        for row in (header, *rows):
            typer.echo("\t".join(row))
        return
    table = Table()
    for number, name in enumerate(header):
        table.add_column(name, justify="left" if number == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
