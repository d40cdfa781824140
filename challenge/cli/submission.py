"""`challenge submission`: write an example, and try a submission before it is handed in."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from challenge.cli.counting import counting

if TYPE_CHECKING:
    from challenge.submissions.new import Form
    from challenge.submissions.trial import Trial

app = typer.Typer(help="Write and try submissions.", no_args_is_help=True)


@app.command()
def new(
    task: Annotated[Literal["task1", "task2"], typer.Argument(help="What it is for.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty; gets the example.")],
    lane: Annotated[
        Literal["onnx", "weights", "code", "command"] | None,
        typer.Option(help="Of a model package; command: lane code as a program between folders. [code]"),
    ] = None,
) -> None:
    """Write an example that works as it stands."""
    from challenge.submissions.new import new_submission

    if task == "task1" and lane is not None:
        raise typer.BadParameter("belongs to task2; a submission for task1 has no lanes", param_hint="--lane")
    form: Form = "task1" if task == "task1" else lane or "code"
    for name in new_submission(form, folder):
        typer.echo(folder / name)
    typer.echo(f"try it: challenge submission check {folder}")


@app.command()
def check(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file, folder or archive.")],
    case_s: Annotated[
        float, typer.Option("--case-seconds", min=0.1, help="For each case of Task 2.")
    ] = 180.0,
    load_s: Annotated[
        float, typer.Option("--load-seconds", min=0.1, help="To load a model of Task 2.")
    ] = 120.0,
    memory_mib: Annotated[
        int | None, typer.Option("--memory-mib", min=256, help="Address space of a model of Task 2.")
    ] = None,
) -> None:
    """Run a submission on toy data exactly as it will be run, and say what is wrong with it.

    Exits with 1 if anything is.
    """
    from challenge.submissions.kind import task_of

    if task_of(path) == "task1":
        from challenge.submissions.try_strategy import try_strategy

        trial = try_strategy(path, os.environ)
    else:
        from challenge.isolation.limits import MIB
        from challenge.submissions.try_package import try_package
        from challenge.task2.package_limits import PackageLimits

        limits = PackageLimits(load_s=load_s, case_s=case_s)
        if memory_mib is not None:
            limits = PackageLimits(load_s=load_s, case_s=case_s, memory_bytes=memory_mib * MIB)
        with counting("cases tried") as progress:
            trial = try_package(path, limits, progress)
    _show(trial)
    if not trial.ok:
        raise typer.Exit(1)


def _show(trial: Trial) -> None:
    for line in trial.lines:
        typer.echo(line)
    if trial.output:
        typer.echo("the last that it printed:", err=True)
        for line in trial.output:
            typer.echo(f"  {_printable(line)}", err=True)
    for problem in trial.problems:
        typer.echo(f"error: {problem}", err=True)
    typer.echo("it can be handed in" if trial.ok else "it cannot be handed in yet")


def _printable(text: str) -> str:
    """Return what a stranger's code printed without characters that a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)
