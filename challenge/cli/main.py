"""The command ``challenge``: every verb is a file beside this one."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from challenge.cli import compare, data, leaderboard, partition, run_task1, score, submission, verify

app = typer.Typer(
    name="challenge",
    help="Run and judge federated-learning challenges on medical images.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
run_app = typer.Typer(help="Run a task of the challenge.", no_args_is_help=True)
run_app.command("task1")(run_task1.task1)
app.add_typer(run_app, name="run")
app.add_typer(data.app, name="data")
app.add_typer(partition.app, name="partition")
app.add_typer(leaderboard.app, name="leaderboard")
app.add_typer(submission.app, name="submission")
app.command("score")(score.score)
app.command("verify")(verify.verify)
app.command("compare")(compare.compare)

_INTERRUPTED = 130
"""What typer makes of Ctrl-C."""

Level = Annotated[str, typer.Option("-l", "--log-level", metavar="LEVEL", help="Of Python's own logging.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


@app.callback()
def options(level: Level = "warning", debug: Debug = False) -> None:
    """Run and judge federated-learning challenges on medical images."""
    import logging

    names = logging.getLevelNamesMapping()
    if level.upper() not in names:
        raise typer.BadParameter(f"{level!r} is none of {', '.join(sorted(names)).lower()}", param_hint="-l")
    logging.basicConfig(level=names[level.upper()], format="%(levelname)s %(name)s: %(message)s")


def run() -> None:
    """Run the command line; errors become one or two lines and an exit code."""
    from challenge.cli.errors import exit_code_of, message_of

    debug = "--debug" in sys.argv[1:]
    if debug:  # accepted anywhere on the line
        sys.argv = [sys.argv[0], "--debug", *(word for word in sys.argv[1:] if word != "--debug")]
    try:
        code = app(standalone_mode=False)
    except typer.Abort:
        code = _INTERRUPTED
    except Exception as error:  # noqa: BLE001  the process ends here; --debug shows the traceback
        code = exit_code_of(error)
        if debug or code is None:
            import traceback

            traceback.print_exc()
        if code is None:
            typer.echo(
                "error: this is a fault of the program; please report it with the lines above", err=True
            )
        else:
            typer.echo(message_of(error), err=True)
        sys.exit(code or 1)
    if code == _INTERRUPTED:
        typer.echo("interrupted", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    run()
