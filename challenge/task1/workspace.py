"""The workspace of a Task 1 federation on several machines: made for a run, and checked against it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import yaml

from challenge.config import ConfigError, Task1Config
from challenge.task1.inputs import Inputs
from challenge.task1.plan import workspace_sections
from fl_core.durable import Disk
from fl_core.pki.names import check_name
from fl_core.plan.loader import parse_plan
from fl_core.plan.schema import Plan
from fl_core.tensors import Tensors
from fl_core.tensors.codec import write_file
from fl_core.workspace.frozen import Frozen, check_frozen
from fl_core.workspace.layout import Workspace
from fl_core.workspace.templates import create_workspace
from partitions.table import Partition, partition_csv

TEMPLATE: Final = "torch_empty"
REQUIREMENTS: Final = "fedbrats\n"
README: Final = """\
# A Task 1 federation

Made by `challenge run task1 --export-workspace`. The organizer, here:

    fx plan initialize -a ADDRESS{weights}
    fx workspace certify
    fx aggregator generate-cert-request --fqdn ADDRESS
    fx aggregator certify --fqdn ADDRESS
    fx workspace export

Each institution ({names}), on its own machine:

    fx workspace import --archive ARCHIVE.zip
    fx collaborator generate-cert-request -n NAME -d FOLDER_OF_ITS_CASES
    fx collaborator certify --import agg_to_col_NAME_signed_cert.zip     (after the organizer signed)
    fx collaborator start -n NAME

Send each one `sites/NAME.csv` too: it says which of its cases train, validate and are hidden, and goes as
`partition.csv` into the folder of its cases. Without it a site divides its cases by the plan's seed, and a
run stops where it has other cases than the organizer's partition gives it.

The organizer, once all are certified, with the options that made this workspace:

    challenge run task1 ... --engine grpc --federation THIS_FOLDER

By this plan values per case (Dice, HD95 and the case's name) of the hidden test cases come back to the
organizer (`shares_rows: true`). Images and what a site keeps between rounds stay at the site.
"""


def make_workspace(
    root: Path, config: Task1Config, inputs: Inputs, initial: Tensors | None, disk: Disk
) -> Workspace:
    """Make a workspace for a configuration in a new or empty folder.

    Args:
        root: The folder.
        config: Resolved.
        inputs: The cases and institutions.
        initial: Weights to begin with; None: drawn from the seed by ``fx plan initialize``.
        disk: Writes its files.

    Raises:
        InputError: The folder holds something, or an institution's name cannot stand in a certificate.
    """
    for site in inputs.sites:
        check_name(site.name)
    workspace = create_workspace(root, TEMPLATE, disk)
    sections = workspace_sections(config, draws_test=inputs.draws_test)
    disk.write(workspace.plan, yaml.safe_dump(sections, sort_keys=False).encode())
    shutil.rmtree(workspace.defaults)  # the plan above says everything itself
    disk.write(workspace.requirements, REQUIREMENTS.encode())
    weights = ""
    if initial is not None:
        path = root / "save" / "given.safetensors"
        write_file(path, initial, disk=disk)
        weights = f" --weights {path.relative_to(root)}"
    for name, rows in inputs.split.to_partition().institutions.items():
        path = root / "sites" / f"{name}.csv"
        path.parent.mkdir(exist_ok=True)
        disk.write(path, partition_csv(Partition(rows, path.name)))
    names = ", ".join(site.name for site in inputs.sites)
    disk.write(root / "README.md", README.format(weights=weights, names=names).encode())
    return workspace


def check_workspace(root: Path, config: Task1Config, inputs: Inputs) -> Frozen:
    """Return the frozen plan of a workspace, if it is this configuration's.

    Raises:
        ConfigError: There is no workspace, or what sites would do differs; the message names the first
            difference.
        PlanError: Its plan was not initialised.
    """
    if not Workspace(root).plan.is_file():
        raise ConfigError(
            f"--federation {root}: is no workspace (plan/plan.yaml is missing); make one with "
            "--export-workspace"
        )
    frozen = check_frozen(Workspace(root).plan)
    sections = workspace_sections(config, draws_test=inputs.draws_test)
    wanted = _decisive(parse_plan(sections, source="the configuration"))
    found = _decisive(frozen.plan)
    for key in sorted(wanted.keys() | found.keys()):
        if wanted.get(key) != found.get(key):
            raise ConfigError(
                f"--federation {root}: its plan is another run's: {key} is {found.get(key)!r:.80} there and "
                f"{wanted.get(key)!r:.80} here; make one for this run with --export-workspace"
            )
    return frozen


def _decisive(plan: Plan) -> dict[str, Any]:
    """Return, by dotted key, what decides about a site's answers; rounds and addresses do not."""
    plain = plan.model_dump(mode="json")
    kept = {
        "seed": plain["aggregator"]["settings"]["seed"],
        **{name: plain[name] for name in ("collaborator", "task_runner", "data_loader", "tasks")},
        "compression_pipeline": plain["compression_pipeline"],
    }
    return dict(_flat(kept, ""))


def _flat(value: Any, key: str) -> list[tuple[str, Any]]:
    if not isinstance(value, dict):
        return [] if key.endswith(".defaults") else [(key, value)]
    return [pair for name, each in value.items() for pair in _flat(each, f"{key}.{name}" if key else name)]
