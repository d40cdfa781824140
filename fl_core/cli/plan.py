"""``fx plan``: look at the plan of a federation, and freeze what all parties agree on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from fl_core.plan.schema import Plan

CODE_FOLDERS = ("src", "code")
"""Folders of a workspace whose Python files every party runs."""

app = typer.Typer(help="The plan that all parties agree on.", no_args_is_help=True)

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="The plan's YAML file.")]


@app.command("print")
def show(plan_file: PlanFile = Path("plan/plan.yaml")) -> None:
    """Check a plan and print it as it takes effect, with the defaults of every section."""
    import yaml

    from fl_core.plan.loader import load_plan

    content = load_plan(plan_file).model_dump(mode="json")
    typer.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


@app.command()
def freeze(
    plan_file: PlanFile = Path("plan/plan.yaml"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if something changed since it was frozen.")
    ] = False,
) -> None:
    """Write down the hash over plan, code and initial weights, by which parties know that they agree.

    It stands in a file beside the plan that ends in .sha256; the code is every .py file in src/ and code/
    of the workspace. Whether the plan's templates can be reached shows only when the federation starts.
    """
    from fl_core.durable import Disk
    from fl_core.errors import PlanError
    from fl_core.plan.freeze import plan_hash
    from fl_core.plan.loader import load_plan

    plan = load_plan(plan_file)
    workspace = workspace_of(plan_file)
    code = workspace_code(workspace)
    weights = initial_weights(plan, plan_file, workspace)
    found = plan_hash(plan, code, weights)
    frozen = plan_file.with_suffix(".sha256")
    if check:
        if not frozen.is_file():
            raise PlanError(f"{plan_file}: was never frozen; `fx plan freeze {plan_file}` does it")
        before = frozen.read_text(encoding="utf-8", errors="replace").strip()
        if before != found:
            raise PlanError(
                f"{plan_file}: plan, code or initial weights changed since they were frozen ({before} then, "
                f"{found} now); put them back, or freeze them again"
            )
    else:
        Disk().write(frozen, f"{found}\n".encode())
    typer.echo(f"{len(code)} code files, initial weights: {weights}", err=True)
    typer.echo(found)


def workspace_of(plan_file: Path) -> Path:
    """Return a plan's workspace: the folder above ``plan/``, or the plan's own.

    Example:
        >>> workspace_of(Path("w/plan/plan.yaml")).as_posix(), workspace_of(Path("w/p.yaml")).as_posix()
        ('w', 'w')
    """
    folder = plan_file.parent
    return folder.parent if folder.name == "plan" else folder


def workspace_code(workspace: Path) -> dict[str, bytes]:
    """Return a workspace's Python files by relative path.

    Raises:
        PlanError: One cannot be read.
    """
    from fl_core.errors import PlanError

    files = [file for name in CODE_FOLDERS for file in (workspace / name).rglob("*.py") if file.is_file()]
    code = {}
    for file in sorted(files):
        try:
            code[file.relative_to(workspace).as_posix()] = file.read_bytes()
        except OSError as error:
            raise PlanError(
                f"{file}: cannot be read ({error.strerror}), so the plan is not frozen"
            ) from error
    return code


def initial_weights(plan: Plan, plan_file: Path, workspace: Path) -> str:
    """Return the digest of the initial weights, or ``none`` while the plan's file of them is missing.

    Raises:
        PlanError: The plan's path leads out of the workspace, or the file holds no tensors.
    """
    from fl_core.errors import PlanError, TensorError
    from fl_core.tensors.codec import read_file
    from fl_core.tensors.digest import digest

    named = plan.aggregator.settings.init_state_path
    path = workspace / named
    if not path.resolve().is_relative_to(workspace.resolve()):
        raise PlanError(
            f"{plan_file}: aggregator.settings.init_state_path: {named} leaves the workspace; "
            "name a file inside it"
        )
    if not path.exists():
        return "none"
    try:
        tensors, _ = read_file(path)
    except (OSError, TensorError) as error:
        raise PlanError(f"{plan_file}: aggregator.settings.init_state_path: {path}: {error}") from error
    return digest(tensors)
