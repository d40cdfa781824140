"""The command ``fx``, the engine's own: every group of commands is a file beside this one."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fl_core.cli import aggregator, certificates, collaborator, model, plan, workspace

DISTRIBUTION = "fedbrats"

app = typer.Typer(
    name="fx",
    help="Prepare and lead a federation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _group(help: str, *commands: Callable[[typer.Typer], None]) -> typer.Typer:
    """Return a group whose commands come from several files."""
    group = typer.Typer(help=help, no_args_is_help=True)
    for add in commands:
        add(group)
    return group


app.add_typer(
    _group(
        "The folder of one party: plan, code, models, certificates.",
        workspace.register_workspace,
        certificates.register_workspace,
    ),
    name="workspace",
)
app.add_typer(plan.app, name="plan")
app.add_typer(
    _group(
        "The party that leads a federation.",
        certificates.register_aggregator,
        aggregator.register_aggregator,
    ),
    name="aggregator",
)
app.add_typer(
    _group(
        "The parties that have the data.",
        certificates.register_collaborator,
        collaborator.register_collaborator,
    ),
    name="collaborator",
)
app.add_typer(model.app, name="model")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"fx {version(DISTRIBUTION)}")
        raise typer.Exit


Level = Annotated[str, typer.Option("-l", "--log-level", metavar="LEVEL", help="Of Python's own logging.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
]


@app.callback()
def options(level: Level = "warning", debug: Debug = False, version: Version = False) -> None:
    """Prepare and lead a federation."""
    import logging

    names = logging.getLevelNamesMapping()
    if level.upper() not in names:
        raise typer.BadParameter(f"{level!r} is none of {', '.join(sorted(names)).lower()}", param_hint="-l")
    logging.basicConfig(level=names[level.upper()], format="%(levelname)s %(name)s: %(message)s")


def exit_code_of(error: Exception) -> int | None:
    """Return 1 where the work failed, 2 where the call or an input was wrong; None for a fault of ours.

    Example:
        >>> from fl_core.errors import PlanError
        >>> exit_code_of(PlanError("no")), exit_code_of(KeyError("x"))
        (2, None)
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return 1
    return None


def run() -> None:
    """Run the command line; errors become one or two lines and an exit code."""
    debug = "--debug" in sys.argv[1:]
    if debug:  # accepted anywhere on the line
        sys.argv = [sys.argv[0], "--debug", *(word for word in sys.argv[1:] if word != "--debug")]
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(1)
    except Exception as error:  # noqa: BLE001  the process ends here; --debug shows the traceback
        code = exit_code_of(error)
        if debug or code is None:
            import traceback

            traceback.print_exc()
        told = "this is a fault of the program; please report it with the lines above"
        typer.echo(f"error: {told if code is None else error}", err=True)
        sys.exit(code or 1)


if __name__ == "__main__":
    run()
