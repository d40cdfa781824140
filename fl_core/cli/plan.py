"""``fx plan``: the plan of a federation, and the hash by which all parties know that they agree on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fl_core.workspace.layout import Workspace

app = typer.Typer(help="The plan that all parties agree on.", no_args_is_help=True)

PLAN_FILE = Path("plan/plan.yaml")
PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan's YAML file.")]
PlanName = Annotated[str | None, typer.Argument(metavar="NAME", help="The saved plan's name.")]
NameOption = Annotated[
    str | None, typer.Option("-n", "--name", metavar="NAME", help="The same, as in OpenFL.")
]


@app.command()
def initialize(
    address: Annotated[
        str | None,
        typer.Option(
            "-a",
            "--aggregator-address",
            "--aggregator_address",
            metavar="ADDRESS",
            help="DNS name or IP address under which collaborators reach the aggregator.",
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", help="Safetensors to begin with; else the task runner's own."
        ),
    ] = None,
) -> None:
    """Fill in the aggregator's address, write the initial weights, and freeze the plan."""
    from fl_core.durable import Disk
    from fl_core.workspace.initialise import initialise

    done = initialise(_workspace(), address=address, weights=weights, disk=Disk())
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    typer.echo(
        f"plan initialised: aggregator {done.host}:{done.port}, initial weights {done.weights} "
        f"({done.tensors} tensors, {done.values} values); next: fx workspace certify",
        err=True,
    )
    typer.echo(done.frozen.hash)


@app.command("print")
def show(plan_file: PlanFile = PLAN_FILE) -> None:
    """Check a plan and print it as it takes effect, with the defaults of every section."""
    import yaml

    from fl_core.plan.loader import load_plan
    from fl_core.workspace.layout import workspace_of
    from fl_core.workspace.plans import current_plan

    content = load_plan(plan_file).model_dump(mode="json")
    workspace = workspace_of(plan_file)
    if workspace.marker.is_file() and plan_file.resolve() == workspace.plan.resolve():
        typer.echo(f"# the plan in force: {current_plan(workspace)}")
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


@app.command()
def freeze(
    plan_file: PlanFile = PLAN_FILE,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if something changed since it was frozen.")
    ] = False,
) -> None:
    """Write down the hash over plan, code and initial weights, by which parties know that they agree.

    It stands in a file beside the plan that ends in .sha256; the code is every file in src/ and code/ of
    the workspace. Whether the plan's templates can be reached shows only when the federation starts.
    """
    from fl_core.durable import Disk
    from fl_core.workspace import frozen

    found = frozen.check_frozen(plan_file) if check else frozen.freeze(plan_file, Disk())
    told = "as frozen" if check else "frozen; next: fx workspace export"
    typer.echo(f"{found.code} code files, initial weights: {found.weights}; {told}", err=True)
    typer.echo(found.hash)


@app.command()
def save(name: PlanName = None, named: NameOption = None) -> None:
    """Keep the plan in force under a name."""
    from fl_core.durable import Disk
    from fl_core.workspace.plans import save_plan

    chosen = _chosen(name, named)
    file = save_plan(_workspace(), chosen, Disk())
    typer.echo(f"plan saved as {chosen} ({file}); next: change plan/plan.yaml, save it under another name")


@app.command()
def switch(
    name: PlanName = None,
    named: NameOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Lose changes to the plan in force that were not saved.")
    ] = False,
) -> None:
    """Put a saved plan in force."""
    from fl_core.durable import Disk
    from fl_core.workspace.plans import switch_plan

    workspace, chosen = _workspace(), _chosen(name, named)
    switch_plan(workspace, chosen, Disk(), force=force)
    typer.echo(f"plan {chosen} is in force; next: {_after_switching(workspace)}")


@app.command()
def remove(name: PlanName = None, named: NameOption = None) -> None:
    """Delete a saved plan."""
    from fl_core.workspace.plans import remove_plan, saved_plans

    workspace, chosen = _workspace(), _chosen(name, named)
    remove_plan(workspace, chosen)
    typer.echo(f"plan {chosen} removed; saved are: {', '.join(saved_plans(workspace)) or 'none'}")


def _after_switching(workspace: Workspace) -> str:
    from fl_core.workspace.frozen import frozen_now

    if not workspace.frozen.is_file():
        return "fx plan initialize"
    frozen = workspace.frozen.read_text(encoding="utf-8", errors="replace").strip()
    return "fx workspace export" if frozen_now(workspace.plan).hash == frozen else "fx plan freeze"


def _workspace() -> Workspace:
    from fl_core.workspace.layout import open_workspace

    return open_workspace(Path())


def _chosen(name: str | None, named: str | None) -> str:
    from fl_core.errors import InputError

    if (name is None) == (named is None):
        raise InputError("name one plan, such as `fx plan save NAME`; `fx plan print` says which is in force")
    return name or named or ""
