"""`challenge data`: check a folder of cases, or write the phantom."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from challenge.cli.counting import counting

if TYPE_CHECKING:
    from partitions.check import CheckReport

app = typer.Typer(help="Check a folder of cases, or write synthetic ones.", no_args_is_help=True)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Holds one folder for each case.")],
) -> None:
    """Report per case what is missing, double, misaligned, wrongly labelled, not finite or empty.

    Exits with 1 if anything is.
    """
    from partitions.check import check_folder

    with counting("cases checked") as progress:
        report = check_folder(folder, progress, workers=os.cpu_count() or 1)
    for note in report.notes:
        typer.echo(f"note: {note}")
    if sys.stdout.isatty():
        _print_table(report)
    else:
        for row in report_rows(report):
            typer.echo("\t".join(row).rstrip())
    good = sum(not entry.problems for entry in report.cases)
    typer.echo(
        f"{good} of {len(report.cases)} cases are complete, {len(report.problems)} problems in {folder}"
    )
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty; gets the cases.")],
    cases: Annotated[
        int | None, typer.Option(min=1, help="How many cases in all; the default federation if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same files.")] = 0,
) -> None:
    """Write synthetic gliomas on real anatomy, as folders like those of real data."""
    from partitions.errors import DataError
    from partitions.phantom.write import write_phantom

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder}: is not an empty folder; name a new one")
    with counting("cases written") as progress:
        written = write_phantom(
            folder, seed=seed, cases=cases, workers=os.cpu_count() or 1, progress=progress
        )
    typer.echo(
        f"{len(written)} cases in {folder}; `challenge partition show natural --data {folder}` shows them"
    )


def report_rows(report: CheckReport) -> list[tuple[str, str, str]]:
    """Return the report as rows: case (``-`` outside any), kind of problem or ``ok``, message."""
    rows = [("-", str(problem.kind), problem.message) for problem in report.orphans]
    for entry in report.cases:
        if not entry.problems:
            rows.append((entry.case, "ok", ""))
        rows += [(entry.case, str(problem.kind), problem.message) for problem in entry.problems]
    return rows


def _print_table(report: CheckReport) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("case", "problem", "what", title=escape(str(report.folder)))
    for case, kind, message in report_rows(report):
        table.add_row(escape(case), "[green]ok[/]" if kind == "ok" else f"[red]{kind}[/]", escape(message))
    Console().print(table)
