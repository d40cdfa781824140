"""The command ``fx``, run as a user runs it."""

from __future__ import annotations

import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import yaml

from fl_core.durable import Disk
from fl_core.plan.freeze import plan_hash
from fl_core.plan.loader import load_plan
from fl_core.tensors.codec import write_file
from fl_core.tensors.digest import digest

FX = Path(sys.executable).with_name("fx")
PLAN = """
aggregator:
  defaults: plan/defaults/aggregator.yaml
  settings: {rounds_to_train: 3}
task_runner: {template: src.model.Net, settings: {width: 8}}
tasks:
  train: {function: train}
"""


def fx(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``fx`` in a folder."""
    return subprocess.run([FX, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A workspace with a plan and a file of code."""
    (tmp_path / "plan").mkdir()
    (tmp_path / "plan" / "plan.yaml").write_text(PLAN)
    (tmp_path / "src" / "parts").mkdir(parents=True)
    (tmp_path / "src" / "parts" / "model.py").write_text("class Net: ...\n")
    return tmp_path


def test_help_and_version_answer_at_once(tmp_path: Path) -> None:
    fx("--help", cwd=tmp_path)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        shown = fx("--help", cwd=tmp_path)
        times.append(time.perf_counter() - began)

    assert shown.returncode == 0 and "plan" in shown.stdout
    assert min(times) < 0.5
    assert fx("--version", cwd=tmp_path).stdout == f"fx {version('fedbrats')}\n"


def test_the_shell_loads_nothing_heavy(workspace: Path) -> None:
    code = (
        "import sys; sys.argv = ['fx', 'plan', 'print']\n"
        "from fl_core.cli.main import run\n"
        "try:\n    run()\n"
        "except SystemExit as ended:\n    assert not ended.code, ended.code\n"
        "heavy = {'torch', 'mlflow', 'monai', 'SimpleITK', 'numpy', 'challenge'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=workspace, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.stdout.splitlines()[-1] == "[]", done.stderr


def test_print_shows_the_plan_as_it_takes_effect(workspace: Path) -> None:
    done = fx("plan", "print", cwd=workspace)

    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert shown["aggregator"]["settings"]["rounds_to_train"] == 3
    assert shown["aggregator"]["settings"]["db_store_rounds"] == 2
    assert shown["task_runner"]["settings"] == {"width": 8}
    assert shown["tasks"]["train"]["function"] == "train"

    (workspace / "again.yaml").write_text(done.stdout)
    assert load_plan(workspace / "again.yaml") == load_plan(workspace / "plan" / "plan.yaml")


def test_freeze_writes_the_hash_over_plan_code_and_weights(workspace: Path) -> None:
    plan = load_plan(workspace / "plan" / "plan.yaml")
    code = {"src/parts/model.py": b"class Net: ...\n"}
    tensors = {"w": np.arange(3, dtype=np.float32)}

    without = fx("plan", "freeze", cwd=workspace)
    (workspace / "save").mkdir()
    write_file(workspace / "save" / "init.safetensors", tensors, disk=Disk())
    done = fx("plan", "freeze", cwd=workspace)

    assert without.stdout == f"{plan_hash(plan, code, 'none')}\n"
    assert "1 code files, initial weights: none" in without.stderr
    assert done.stdout == f"{plan_hash(plan, code, digest(tensors))}\n"
    assert (workspace / "plan" / "plan.sha256").read_text() == done.stdout


@pytest.mark.parametrize("changed", ["plan/plan.yaml", "src/parts/model.py", "code/new.py"])
def test_check_tells_a_change(workspace: Path, changed: str) -> None:
    never = fx("plan", "freeze", "--check", cwd=workspace)
    assert never.returncode == 2 and "was never frozen" in never.stderr
    assert not (workspace / "plan" / "plan.sha256").exists()
    frozen = fx("plan", "freeze", cwd=workspace)
    same = fx("plan", "freeze", "--check", cwd=workspace)
    assert (same.returncode, same.stdout) == (0, frozen.stdout)

    path = workspace / changed
    path.parent.mkdir(exist_ok=True)
    path.write_text(path.read_text().replace("3", "4").replace("...", "pass") if path.exists() else "x = 1\n")
    done = fx("plan", "freeze", "--check", cwd=workspace)

    assert done.returncode == 2 and "changed since they were frozen" in done.stderr
    assert (workspace / "plan" / "plan.sha256").read_text() == frozen.stdout


def test_a_wrong_plan_is_one_line_and_exit_code_2(workspace: Path) -> None:
    (workspace / "plan" / "plan.yaml").write_text("aggregator: {settings: {rounds_to_trian: 3}}\n")

    done = fx("plan", "print", cwd=workspace)

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "plan/plan.yaml: aggregator.settings.rounds_to_trian" in done.stderr
    assert "did you mean rounds_to_train?" in done.stderr
    with_traceback = fx("plan", "print", "--debug", cwd=workspace)
    assert with_traceback.returncode == 2 and "Traceback" in with_traceback.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["plan", "print", "nowhere.yaml"], "nowhere.yaml: no such plan"),
        (["-l", "loud", "plan", "print"], "'loud' is none of"),
        (["plan", "melt"], "melt"),
    ],
)
def test_a_wrong_call_is_exit_code_2(workspace: Path, words: list[str], told: str) -> None:
    done = fx(*words, cwd=workspace)

    assert done.returncode == 2 and told in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("where", "content", "told"),
    [
        ("save/init.safetensors", b"no tensors", "save/init.safetensors"),
        ("../init", b"", "leaves the workspace"),
    ],
)
def test_weights_that_cannot_be_are_refused(workspace: Path, where: str, content: bytes, told: str) -> None:
    home = workspace / "home"
    (home / "plan").mkdir(parents=True)
    (home / "plan" / "plan.yaml").write_text(f"aggregator: {{settings: {{init_state_path: {where}}}}}\n")
    (home / "save").mkdir()
    (home / where).write_bytes(content)

    done = fx("plan", "freeze", cwd=home)

    assert done.returncode == 2 and told in done.stderr and "init_state_path" in done.stderr
    assert not (home / "plan" / "plan.sha256").exists()


def test_a_strangers_modules_in_the_working_folder_change_nothing(workspace: Path) -> None:
    for name in ("fl_core", "typer", "yaml"):
        (workspace / f"{name}.py").write_text("raise SystemExit('imported from the working folder')\n")

    assert fx("plan", "print", cwd=workspace).returncode == 0
