"""The templates: each makes a workspace whose plan loads, and says what it needs."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import yaml

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.plan.build import aggregation_of, assigner_of, exchange_of, straggler_policy_of
from fl_core.plan.loader import load_plan
from fl_core.workspace.layout import read_marker
from fl_core.workspace.templates import create_workspace, templates

NAMES = [
    "keras_cnn_mnist",
    "numpy_plus_one",
    "torch_cnn_mnist",
    "torch_compressed",
    "torch_empty",
    "torch_evaluation_only",
    "torch_straggler",
    "torch_unet_phantom",
]


def test_there_is_one_for_each_purpose() -> None:
    found = templates()

    assert list(found) == NAMES
    for name, template in found.items():
        framework = name.split("_")[0]
        assert re.fullmatch(r"[a-z0-9_]+", name) and framework in {"keras", "numpy", "torch"}
        assert template.description and "\n" not in template.description


@pytest.mark.parametrize("name", NAMES)
def test_its_workspace_has_the_papers_layout_and_a_plan_that_loads(name: str, tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "w", name, Disk())

    top = {path.name for path in workspace.root.iterdir()}
    assert top - {"README.md"} == {"plan", "src", "save", "logs", "cert", "requirements.txt", ".workspace"}
    assert {"plan.yaml", "cols.yaml", "data.yaml", "defaults"} == {
        p.name for p in workspace.plan.parent.iterdir()
    }
    assert yaml.safe_load(workspace.authorised.read_text()) == {"collaborators": []}
    assert workspace.data_paths.read_bytes() == b""
    assert read_marker(workspace) == {
        "schema": "workspace/1",
        "current_plan_name": "default",
        "template": name,
    }
    plan = load_plan(workspace.plan)
    for build in (assigner_of, aggregation_of, exchange_of, straggler_policy_of):
        build(plan, str(workspace.plan))
    named = [section.get("defaults") for section in yaml.safe_load(workspace.plan.read_text()).values()]
    for default in filter(None, named):
        assert (workspace.root / default).is_file()
    assert not list(workspace.root.rglob("template.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_its_requirements_are_met_by_what_is_installed(name: str, tmp_path: Path) -> None:
    workspace = create_workspace(tmp_path / "w", name, Disk())

    needed = workspace.requirements.read_text().split()

    assert needed and all(re.fullmatch(r"[a-z-]+", package) for package in needed)
    for package in needed:
        try:
            assert version(package)
        except PackageNotFoundError:
            assert package == "keras"  # an extra


def test_what_makes_each_special(tmp_path: Path) -> None:
    plans = {name: load_plan(create_workspace(tmp_path / name, name, Disk()).plan) for name in NAMES}

    evaluation = plans["torch_evaluation_only"]
    assert evaluation.aggregator.settings.rounds_to_train == 1
    assert {task.function for task in evaluation.tasks.entries.values()} == {"validate"}
    assert exchange_of(plans["torch_compressed"]).upload.name == "eden"
    assert exchange_of(plans["torch_compressed"]).download.name == "none"
    assert type(straggler_policy_of(plans["torch_straggler"])).__name__ == "Cutoff"
    assert plans["torch_empty"].task_runner.template is None
    groups = plans["keras_cnn_mnist"].assigner.settings["task_groups"]
    assert [(g["name"], g["percentage"]) for g in groups] == [
        ("validation_only", 0.5),
        ("train_and_validate", 0.5),
    ]


def test_an_unknown_one_is_told_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'torch_cnn_mnits'; did you mean torch_cnn_mnist\?"):
        create_workspace(tmp_path / "w", "torch_cnn_mnits", Disk())
    with pytest.raises(InputError, match="there are keras_cnn_mnist, numpy_plus_one"):
        create_workspace(tmp_path / "w", "zzz", Disk())
    with pytest.raises(InputError):
        create_workspace(tmp_path / "w", "_mnist", Disk())
    assert not (tmp_path / "w").exists()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(InputError, match="not an empty folder"):
        create_workspace(tmp_path, "numpy_plus_one", Disk())
    with pytest.raises(InputError, match="not an empty folder"):
        create_workspace(tmp_path / "mine.txt", "numpy_plus_one", Disk())

    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
