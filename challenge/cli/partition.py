"""`challenge partition`: which schemes there are, what a partition looks like, and making one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from challenge.cli.counting import counting

if TYPE_CHECKING:
    from partitions.case import Case
    from partitions.summary import InstitutionSummary

app = typer.Typer(help="List, show and make partitions of cases into institutions.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="The folder of cases.")]
Seed = Annotated[int, typer.Option(min=0, help="The seed of the scheme and of the split.")]
Alpha = Annotated[float, typer.Option(help="Of dirichlet and quantity-skew: small is uneven.")]
Institutions = Annotated[
    int | None, typer.Option(help="How many; as many as the natural partition has, if not given.")
]


@app.command("list")
def list_schemes() -> None:
    """List the schemes that --partition knows by name."""
    from partitions.schemes.registry import SCHEMES

    width = max(len(name) for name in SCHEMES)
    for name, entry in SCHEMES.items():
        typer.echo(f"{name:<{width}}  {entry.summary}")


@app.command()
def show(
    partition: Annotated[str, typer.Argument(metavar="NAME|CSV", help="A scheme or a partition CSV.")],
    data: Data = None,
    seed: Seed = 0,
    alpha: Alpha = 0.5,
    institutions: Institutions = None,
    figure: Annotated[Path | None, typer.Option(metavar="FILE.svg", help="Draw it, too.")] = None,
) -> None:
    """Print cases and tumour volumes per institution.

    Without --data a scheme divides the embedded phantom, and a CSV shows its cases only.
    """
    from partitions.schemes.base import Parameters
    from partitions.schemes.registry import SCHEMES, choose_partition, read_named_csv
    from partitions.split import split
    from partitions.summary import plot_summary, summarise
    from partitions.tumour import tumour_volumes

    if data is None and partition in SCHEMES:
        data = _embedded()
    if data is None:
        table = read_named_csv(partition)
        # What is in the CSV is all that is known, so nothing is drawn from it to be hidden.
        chosen = split(table, [row.case for row in table.rows], seed=seed, test_fraction=0.0, named_csv=True)
        volumes: dict[str, float] = {}
    else:
        cases = complete_cases(data)
        with counting("cases measured") as progress:
            volumes = tumour_volumes(cases, progress=progress)
        parameters = Parameters(institutions, alpha)
        table = choose_partition(partition, data, cases, seed=seed, parameters=parameters, volumes=volumes)
        chosen = split(table, [case.id for case in cases], seed=seed, named_csv=True)
    summaries = summarise(chosen, volumes)
    for line in summary_lines(summaries):
        typer.echo(line)
    if chosen.hidden:
        typer.echo(f"{len(chosen.hidden)} hidden test cases belong to no institution")
    if figure is not None:
        plot_summary(summaries, figure, f"{table.source}, {sum(s.cases for s in summaries)} cases")
        typer.echo(f"figure in {figure}")


@app.command()
def make(
    scheme: Annotated[str, typer.Argument(help="One of `challenge partition list`.")],
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="The folder of cases.")],
    out: Annotated[Path, typer.Option(metavar="CSV", help="A new file.")],
    seed: Seed = 0,
    alpha: Alpha = 0.5,
    institutions: Institutions = None,
) -> None:
    """Write a partition as CSV, with the train, validation and hidden test cases chosen."""
    from partitions.errors import DataError
    from partitions.schemes.base import Parameters
    from partitions.schemes.registry import choose_partition
    from partitions.split import split

    if out.exists():
        raise DataError(f"{out}: exists already; name a new file")
    cases = complete_cases(data)
    with counting("cases measured") as progress:
        table = choose_partition(
            scheme, data, cases, seed=seed, parameters=Parameters(institutions, alpha), progress=progress
        )
    chosen = split(table, [case.id for case in cases], seed=seed, named_csv=True)
    chosen.to_csv(out)
    typer.echo(
        f"{len(chosen.institutions)} institutions, {len(table.rows)} cases, "
        f"{len(chosen.test_cases)} of all hidden as test cases, in {out}"
    )


def complete_cases(data: Path) -> tuple[Case, ...]:
    """Return the complete cases of a folder, saying how many others were passed over.

    Raises:
        DataError: The folder is missing or has no complete case.
    """
    from partitions.case import find_cases
    from partitions.errors import DataError

    index = find_cases(data)
    if not index.cases:
        raise DataError(f"{data}: has no complete case; `challenge data check {data}` says what is missing")
    for note in index.notes:
        typer.echo(f"note: {note}", err=True)
    if index.problems:
        line = f"note: {len(index.problems)} problems in {data}; `challenge data check {data}` lists them"
        typer.echo(line, err=True)
    return index.cases


def _embedded() -> Path:
    from challenge.task1.embedded import embedded_phantom
    from partitions.home import cache_home

    with counting("cases written") as progress:
        return embedded_phantom(cache_home(os.environ), os.cpu_count() or 1, progress)


def summary_lines(summaries: Sequence[InstitutionSummary]) -> list[str]:
    """Return a table of text: cases, tumour volumes (where known), and a bar of the cases."""
    from partitions.summary import bar

    largest = max(summary.cases for summary in summaries)
    width = max(11, *(len(summary.name) for summary in summaries))
    measured = any(summary.volumes for summary in summaries)
    heading = f"  {'tumour ml: min':>14}  median     max" if measured else ""
    lines = [f"{'institution':<{width}} train   val  test{heading}  cases"]
    for s in summaries:
        volumes = "".join(f"{s.quantile(q):>{space}.1f}" for q, space in ((0.0, 16), (0.5, 8), (1.0, 8)))
        lines.append(
            f"{s.name:<{width}} {s.train:>5} {s.validate:>5} {s.test:>5}{volumes if measured else ''}  "
            f"{bar(s.cases, largest)} {s.cases}"
        )
    return lines
