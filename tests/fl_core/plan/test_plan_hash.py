"""The hash of a workspace: equal files give it everywhere, and one edit anywhere changes it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fl_core.durable import Disk
from fl_core.errors import PlanError
from fl_core.tensors.codec import write_file
from fl_core.workspace.frozen import check_frozen, freeze, frozen_now
from fl_core.workspace.initialise import initialise
from fl_core.workspace.layout import Workspace
from fl_core.workspace.templates import create_workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = create_workspace(tmp_path / "one", "numpy_plus_one", Disk())
    (made.root / "src" / "table.json").write_text("{}")
    initialise(made, address="agg.example", disk=Disk())
    return made


def append(file: Path, text: str = "\n") -> None:
    file.write_text(file.read_text() + text)


def test_the_same_files_elsewhere_have_the_same_hash(workspace: Workspace, tmp_path: Path) -> None:
    elsewhere = tmp_path / "Ünlü klasör" / "two"
    shutil.copytree(workspace.root, elsewhere)
    for file in elsewhere.rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o755)
    (elsewhere / "src" / "__pycache__").mkdir()
    (elsewhere / "src" / "__pycache__" / "x.cpython-311.pyc").write_bytes(b"compiled")
    program = (
        "import sys; from pathlib import Path; from fl_core.workspace.frozen import check_frozen\n"
        "print(check_frozen(Path('plan/plan.yaml')).hash)"
    )

    found = subprocess.run(
        [sys.executable, "-P", "-c", program],
        cwd=elsewhere, capture_output=True, text=True, check=True,
        env={**os.environ, "LC_ALL": "tr_TR.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"},
    )  # fmt: skip

    assert found.stdout.strip() == frozen_now(workspace.plan).hash == workspace.frozen.read_text().strip()


@pytest.mark.parametrize("name", ["plan/cols.yaml", "plan/data.yaml", "requirements.txt", "README.md"])
def test_what_is_each_partys_own_stands_outside(workspace: Workspace, name: str) -> None:
    (workspace.root / name).write_text("collaborators: [a, b]\n")
    (workspace.logs / "x.log").write_text("x")
    (workspace.cert / "x.key").write_text("x")

    assert check_frozen(workspace.plan).hash == workspace.frozen.read_text().strip()


def edit_plan(old: str, new: str) -> object:
    def edit(workspace: Workspace) -> None:
        text = workspace.plan.read_text()
        assert old in text
        workspace.plan.write_text(text.replace(old, new))

    return edit


EDITS = {
    "a round more": edit_plan("rounds_to_train: 3", "rounds_to_train: 4"),
    "another address": edit_plan("agg.example", "agg.exampel"),
    "another metric": edit_plan("best_metric: weight_mean", "best_metric: loss"),
    "a shape": edit_plan("weight: [2, 3]", "weight: [3, 2]"),
    "a section": edit_plan("network:", "straggler_policy: {template: x.y}\nnetwork:"),
    "a default": lambda w: (w.defaults / "tasks.yaml").write_text("train: {function: train}\n"),
    "code": lambda w: append(w.root / "src" / "__init__.py"),
    "a table of the code": lambda w: append(w.root / "src" / "table.json"),
    "a new file": lambda w: (w.root / "src" / "new.py").write_text(""),
    "a file gone": lambda w: (w.root / "src" / "table.json").unlink(),
    "a file renamed": lambda w: (w.root / "src" / "table.json").rename(w.root / "src" / "tables.json"),
    "one weight": lambda w: write_file(
        w.save / "init.safetensors",
        {"bias": np.zeros(3, np.float32), "weight": np.float32([[0, 0, 0], [0, 0, 1e-45]])},
        disk=Disk(),
    ),
    "a weight's type": lambda w: write_file(
        w.save / "init.safetensors",
        {"bias": np.zeros(3), "weight": np.zeros((2, 3), np.float32)},
        disk=Disk(),
    ),
    "no weights": lambda w: (w.save / "init.safetensors").unlink(),
}


@pytest.mark.parametrize("what", EDITS)
def test_any_edit_changes_it(workspace: Workspace, what: str) -> None:
    before = frozen_now(workspace.plan).hash

    EDITS[what](workspace)  # type: ignore[operator]

    assert frozen_now(workspace.plan).hash != before
    with pytest.raises(PlanError, match="changed since they were frozen"):
        check_frozen(workspace.plan)
    assert freeze(workspace.plan, Disk()) == check_frozen(workspace.plan)


def test_comments_and_the_name_of_a_defaults_file_do_not(workspace: Workspace) -> None:
    before = frozen_now(workspace.plan).hash
    (workspace.defaults / "tasks.yaml").rename(workspace.defaults / "ours.yaml")
    edit_plan("defaults/tasks.yaml", "defaults/ours.yaml")(workspace)  # type: ignore[operator]
    append(workspace.plan, "# a comment\n")

    assert frozen_now(workspace.plan).hash == before


def test_a_link_in_the_code_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("x = 1\n")
    (workspace.root / "src" / "linked.py").symlink_to(tmp_path / "elsewhere.py")

    with pytest.raises(PlanError, match=r"linked\.py: is a link"):
        frozen_now(workspace.plan)
