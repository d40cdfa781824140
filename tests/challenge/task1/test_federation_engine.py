"""A run whose sites are elsewhere: the workspace that is made for it, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from plus_one_engine import Silent, configuration, surroundings

from challenge.config import ConfigError, Task1Config
from challenge.task1.dry_run import estimate
from challenge.task1.executors import Room
from challenge.task1.export import export
from challenge.task1.federation_engine import FederatedExecutor, lead_federation
from challenge.task1.inputs import HIDDEN_SITE, Inputs, read_inputs
from challenge.task1.plan import SITE_SOURCE, task1_plan
from challenge.task1.workspace import check_workspace
from challenge.task1.world import resolved
from fl_core.collaborator.settings import CollaboratorSettings, TaskSpec
from fl_core.durable import Disk
from fl_core.errors import InputError, PlanError, WorkerError
from fl_core.executor.base import SiteJob, SiteReport, TaskReport, WorkerSetup
from fl_core.executor.local import LocalExecutor
from fl_core.executor.remote import RemoteExecutor
from fl_core.workspace.frozen import freeze
from partitions.errors import DataError
from partitions.split import InstitutionSplit, Split
from tasks.segmentation.site_source import own_split
from tasks.task1_aggregation.round_work import HIDDEN_TEST, TRAIN, VALIDATE

SETUP = WorkerSetup(
    "fl_core.task_runner.plus_one:open_source", {}, CollaboratorSettings({HIDDEN_TEST: TaskSpec("validate")})
)


def inputs_of(config: Task1Config, home: Path) -> Inputs:
    return read_inputs(config, home, 1, lambda what, done, total: None)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path) -> tuple[Path, Task1Config, Inputs]:
    root = tmp_path_factory.mktemp("exported") / "W"
    config = resolved(configuration(tiny_data, seed=3), {}, Path())
    line = export(configuration(tiny_data, seed=3), root, surroundings())
    assert line.startswith(f"{root}: the workspace for 3 institutions")
    freeze(root / "plan" / "plan.yaml", Disk())
    return root, config, inputs_of(config, root.parent / "home")


def test_the_workspace_holds_the_run_and_no_case_in_its_plan(
    exported: tuple[Path, Task1Config, Inputs],
) -> None:
    root, config, inputs = exported
    text = (root / "plan" / "plan.yaml").read_text()
    plan = yaml.safe_load(text)

    assert plan["task_runner"]["template"] == SITE_SOURCE
    settings = plan["task_runner"]["settings"]
    assert settings["network"]["channels"] == list(config.network["channels"])
    assert settings["training"]["learning_rate"] == config.training["learning_rate"]
    assert (settings["seed"], settings["test_fraction"]) == (3, 0.0), "the partition marks hidden cases"
    assert plan["collaborator"]["settings"]["shares_rows"] is True
    assert "shares_local_state" not in plan["collaborator"]["settings"]
    assert not any(case in text for case in inputs.entries)
    assert check_workspace(root, config, inputs).plan.aggregator.settings.seed == 3
    assert sorted(path.name for path in (root / "sites").iterdir()) == ["1.csv", "2.csv", "3.csv"]
    assert "fx collaborator start -n NAME" in (root / "README.md").read_text()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 4}, "seed is 3 there and 4 here"),
        ({"delta_updates": True}, "collaborator.settings.delta_updates is False there"),
        ({"training": {"batch_size": 7}}, "task_runner.settings.training.batch_size is"),
    ],
)
def test_a_workspace_of_another_run_is_refused_by_the_key_that_differs(
    exported: tuple[Path, Task1Config, Inputs], tiny_data: Path, changes: dict[str, Any], named: str
) -> None:
    root, _, inputs = exported
    config = resolved(configuration(tiny_data, **{"seed": 3, **changes}), {}, Path())

    with pytest.raises(ConfigError, match=f"its plan is another run's: {named}"):
        check_workspace(root, config, inputs)


def test_more_rounds_than_the_plan_says_are_the_harness_s_affair(
    exported: tuple[Path, Task1Config, Inputs], tiny_data: Path
) -> None:
    root, _, inputs = exported
    more = resolved(configuration(tiny_data, seed=3, rounds=9), {}, Path())

    assert check_workspace(root, more, inputs).hash.startswith("sha256:")


def test_a_workspace_that_is_none_or_was_not_frozen_is_refused(tmp_path: Path, tiny_data: Path) -> None:
    config = resolved(configuration(tiny_data), {}, Path())
    inputs = inputs_of(config, tmp_path / "home")
    with pytest.raises(InputError, match="is no workspace"):
        check_workspace(tmp_path, config, inputs)
    export(config, tmp_path / "W", surroundings())
    with pytest.raises(PlanError, match="was never frozen"):
        check_workspace(tmp_path / "W", config, inputs)
    with pytest.raises(InputError, match="not an empty folder"):
        export(config, tmp_path / "W", surroundings())


def test_a_workspace_without_certificates_says_how_they_are_made(
    tmp_path: Path, exported: tuple[Path, Task1Config, Inputs]
) -> None:
    root, config, inputs = exported
    config = config.model_copy(update={"engine": "grpc", "federation": root})

    with (
        pytest.raises(InputError, match="fx workspace certify"),
        lead_federation(config, inputs, task1_plan(config), SETUP, Room(tmp_path, print)),
    ):
        pass


def test_without_data_the_partition_alone_says_who_has_how_many(
    tmp_path: Path, tiny_data: Path, exported: tuple[Path, Task1Config, Inputs]
) -> None:
    table = tmp_path / "partition.csv"
    table.write_bytes(exported[2].split_csv())
    values = {"partition": str(table), "engine": "grpc", "federation": exported[0], "seed": 3}
    config = configuration(tiny_data, **values).model_copy(update={"data": None})

    found = inputs_of(config, tmp_path / "home")

    assert found.sites == exported[2].sites and found.split.institutions == exported[2].split.institutions
    assert found.entries == {} and not found.draws_test
    with pytest.raises(ConfigError, match="--dry-run measures one batch on one case"):
        estimate(config, surroundings())


@pytest.mark.slow
def test_a_dry_run_tells_of_collaborators_and_imposed_outages(tiny_data: Path) -> None:
    terminal = Silent()
    config = configuration(tiny_data, engine="grpc", workers=2, impose_outages=60.0, outages="mild")

    lines = estimate(config, surroundings(terminal=terminal))

    assert "engine grpc: 3 collaborators over mutual TLS on loopback, in 2 processes" in lines
    assert "outages hit the connections: 60 simulated seconds a second" in lines


class Answers:
    """A remote executor that answers what a test wants."""

    def __init__(self, *reports: TaskReport) -> None:
        self.reports = reports
        self.released: list[int] = []

    def release(self, round: int) -> None:
        self.released.append(round)

    def run(self, model: Any, jobs: Sequence[SiteJob]) -> Iterator[SiteReport]:
        yield from (SiteReport(job.site, job.round, self.reports, {}, {}, 0.0) for job in jobs)


def federated(answers: Answers, here: LocalExecutor | None = None) -> FederatedExecutor:
    split = Split({"a": InstitutionSplit(("c1", "c2"), ("c3",), ("c4",))}, ("c5",), "a test")
    return FederatedExecutor(cast(RemoteExecutor, answers), here, Inputs(split, {}, ()))


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (TaskReport(VALIDATE, {}, 2), r"site a has 2 cases .aggregated_model_validation.; .* they are 1"),
        (TaskReport(TRAIN, {}, 9, trains=True), r"site a has 9 cases .train.; .* they are 2"),
        (TaskReport(HIDDEN_TEST, {}, 1, rows=({"case": "c1"},)), "site a answers for 1 hidden test cases"),
        (TaskReport(HIDDEN_TEST, {}, 1), "site a answers for 0 hidden test cases"),
    ],
)
def test_a_site_with_other_cases_than_the_partition_ends_the_run(report: TaskReport, message: str) -> None:
    with pytest.raises(WorkerError, match=message):
        list(federated(Answers(report)).run({}, [SiteJob("a", 4, (report.task,))]))


def test_cases_of_no_institution_are_met_by_the_organizer() -> None:
    answers = Answers(TaskReport(VALIDATE, {}, 1), TaskReport(TRAIN, {}, 2, trains=True))
    with LocalExecutor(SETUP, 1) as here:
        executor = federated(answers, here)
        jobs = [SiteJob(HIDDEN_SITE, 4, (HIDDEN_TEST,)), SiteJob("a", 4, (VALIDATE, TRAIN))]
        reports = list(executor.run({}, jobs))
    assert [report.site for report in reports] == ["a", HIDDEN_SITE]
    assert answers.released == [3]


def test_a_site_divides_its_cases_as_the_organizer_does(
    tmp_path: Path, tiny_data: Path, exported: tuple[Path, Task1Config, Inputs]
) -> None:
    root, _, inputs = exported
    drawn: dict[str, Any] = {"seed": 3, "train_fraction": 0.8, "test_fraction": 0.0}
    for name, parts in inputs.split.institutions.items():
        assert own_split(name, tiny_data, **drawn) == parts
    alone = tmp_path / "own"
    for case in ("Phantom_0008", "Phantom_0009", "Phantom_0010"):
        (alone / case).parent.mkdir(exist_ok=True)
        (alone / case).symlink_to(tiny_data / case)
    (alone / "partition.csv").write_bytes((root / "sites" / "3.csv").read_bytes())

    assert own_split("3", alone, **{**drawn, "seed": 99}) == inputs.split.institutions["3"]
    with pytest.raises(DataError, match="has no case of site 1"):
        own_split("1", alone, **drawn)
