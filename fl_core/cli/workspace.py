"""``fx workspace``: make a workspace, and carry it from the aggregator to the collaborators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register_workspace(group: typer.Typer) -> None:
    """Add ``create``, ``export`` and ``import`` to the group ``fx workspace``."""
    group.command("create")(create)
    group.command("export")(export)
    group.command("import")(import_)


def create(
    prefix: Annotated[
        Path | None, typer.Option("--prefix", metavar="FOLDER", help="The workspace to make.")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", metavar="NAME", help="What it begins with; else a list.")
    ] = None,
) -> None:
    """Make a workspace from a template; without a template, list them."""
    from fl_core.durable import Disk
    from fl_core.errors import InputError
    from fl_core.workspace.templates import create_workspace, templates

    if template is None:
        for known in templates().values():
            typer.echo(f"{known.name:24}{known.description}")
        typer.echo("next: fx workspace create --prefix FOLDER --template NAME", err=True)
        return
    if prefix is None:
        raise InputError(f"say where: fx workspace create --prefix FOLDER --template {template}")
    create_workspace(prefix, template, Disk())
    typer.echo(
        f"workspace {prefix} made from {template}; next: cd {prefix}; pip install -r requirements.txt; "
        "fx plan initialize"
    )


def export() -> None:
    """Write the archive that collaborators import: plan, code, requirements and initial weights."""
    from fl_core.workspace.exchange import export_workspace
    from fl_core.workspace.layout import open_workspace

    workspace = open_workspace(Path())
    archive = Path(f"{workspace.root.resolve().name}.zip")
    frozen, names = export_workspace(workspace, archive)
    typer.echo(
        f"{archive}: {len(names)} files, no keys and no data paths; next: give it to every collaborator for "
        f"`fx workspace import --archive {archive}`",
        err=True,
    )
    typer.echo(frozen.hash)


def import_(
    archive: Annotated[
        Path, typer.Option("--archive", metavar="ZIP", help="What `fx workspace export` wrote.")
    ],
) -> None:
    """Make the workspace that an archive holds, in a folder of its name beside you."""
    from fl_core.workspace.exchange import import_workspace

    done = import_workspace(archive, Path())
    folder = done.workspace.root
    typer.echo(
        f"workspace {folder}: {done.files} files; compare the plan's hash below with the aggregator's; next: "
        f"cd {folder}; fx collaborator generate-cert-request -n NAME -d DATA",
        err=True,
    )
    typer.echo(done.frozen.hash)
