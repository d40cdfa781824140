"""``challenge leaderboard``: rankings from tables of cases, with their uncertainty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from challenge.cli import leaderboard_board

if TYPE_CHECKING:
    from leaderboard.rank_files import RankedFiles
    from leaderboard.ranking.registry import Options

SCHEME_IDS = (
    "fets2022-task1, fets2022-task2-r, fets2022-task2-py, rank-then-mean, rank-then-median, "
    "aggregate-then-mean, aggregate-then-median, test-based"
)
"""As in the registry, which is not imported for a help text."""

app = typer.Typer(help="Rank submissions and say how certain the ranks are.", no_args_is_help=True)


app.command("show")(leaderboard_board.show)
app.command("publish")(leaderboard_board.publish)
app.command("verify")(leaderboard_board.verify)
app.command("post")(leaderboard_board.post)


@app.callback()
def leaderboard() -> None:
    """Rank submissions and say how certain the ranks are."""


@app.command()
def rank(
    scheme: Annotated[str, typer.Option(metavar="ID", help=f"One of {SCHEME_IDS}.")],
    out: Annotated[Path, typer.Option(metavar="CSV", help="A new file; others go beside it.")],
    cases: Annotated[
        list[Path] | None, typer.Option("--cases", metavar="FILE...", help="cases.csv of any number of runs.")
    ] = None,
    more_cases: Annotated[
        list[Path] | None, typer.Argument(metavar="FILE", help="Further files of --cases.", hidden=True)
    ] = None,
    summary: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Summary of a site without case values; repeat for more."),
    ] = None,
    convergence: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="submission,convergence_score[,seed]. [from the runs' own folders]"
        ),
    ] = None,
    missing: Annotated[
        str | None,
        typer.Option(metavar="POLICY", help="Of sites without a submission: drop-site|worst-rank|pairwise."),
    ] = None,
    ties: Annotated[str | None, typer.Option(metavar="average|min", help="For schemes that ask.")] = None,
    missing_values: Annotated[
        str | None, typer.Option(metavar="last|penalty|refuse", help="For schemes that ask.")
    ] = None,
    penalised: Annotated[
        str | None, typer.Option(metavar="as-scored|as-missing", help="For schemes that ask.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    resamples: Annotated[int, typer.Option(min=1, max=100_000, help="Of the bootstrap.")] = 1000,
    all_schemes: Annotated[
        bool, typer.Option("--all-schemes", help="Rank by every other scheme too, and compare.")
    ] = False,
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Write the cases in the form that challengeR reads, too.")
    ] = False,
    format_: Annotated[str, typer.Option("--format", metavar="table|csv", help="What is printed.")] = "table",
) -> None:
    """Rank submissions by their cases, with intervals for every rank."""
    from fl_core.durable import Disk
    from fl_core.seeding import generator
    from leaderboard.rank_files import RankCall, rank_files
    from leaderboard.tables.rank_outputs import check_new, rank_outputs

    _check("--format", format_, ("table", "csv"))
    rules = declared(missing, ties, missing_values, penalised)
    check_new(out)
    call = RankCall(
        cases=(*(cases or ()), *(more_cases or ())),
        summaries=tuple(summary or ()),
        convergence=tuple(convergence or ()),
        scheme=scheme,
        declared=rules,
        seed=seed,
        resamples=resamples,
        all_schemes=all_schemes,
    )
    found = rank_files(
        call,
        lambda block: generator(seed, "ranking bootstrap", block),
        lambda line: typer.echo(line, err=True),
    )
    outputs = rank_outputs(out, found, call, challenger=challenger)
    disk = Disk()
    for path, text in outputs.items():
        disk.write(path, text.encode())
    _show(found, format_, outputs[out])
    typer.echo(f"written: {', '.join(str(path) for path in outputs)}", err=True)


def declared(
    missing: str | None, ties: str | None, missing_values: str | None, penalised: str | None
) -> Options:
    """Return the rules that the options declare.

    Raises:
        typer.BadParameter: An option has none of its values.
    """
    from leaderboard.ranking.registry import Options

    given: dict[str, Any] = {
        "cells": _check("--missing", missing, ("drop-site", "worst-rank", "pairwise")),
        "ties": _check("--ties", ties, ("average", "min")),
        "missing": _check("--missing-values", missing_values, ("last", "penalty", "refuse")),
        "penalised": _check("--penalised", penalised, ("as-scored", "as-missing")),
    }
    return Options(**given)


def _check(option: str, value: str | None, allowed: tuple[str, ...]) -> str | None:
    if value is not None and value not in allowed:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(allowed)}", param_hint=option)
    return value


def _show(found: RankedFiles, form: str, csv: str) -> None:
    if form == "csv":
        typer.echo(csv, nl=False)
        return
    show_ranking(found)


def show_ranking(found: RankedFiles) -> None:
    """Print the table of a ranking and what is to be said of it."""
    from rich.console import Console

    from leaderboard.tables.terminal import terminal_lines, terminal_table

    console, view = Console(highlight=False), terminal_table(found.ranked, found.table)
    if not console.is_terminal:  # a file or pipe has no width: it gets whole lines
        wide = Console(width=10_000)
        console = Console(highlight=False, width=wide.measure(view).maximum)
    console.print(view)
    for line in terminal_lines(found.ranked, found.table):
        typer.echo(line)
