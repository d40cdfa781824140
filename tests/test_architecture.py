"""The house rules that hold for every package: who imports whom, how long a file may be, what loads when."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("challenge", "fl_core", "tasks", "partitions", "leaderboard")
HEAVY = ("torch", "mlflow", "monai", "matplotlib", "pandas", "SimpleITK", "scipy", "nilearn", "ray", "keras")
FRAMEWORKS = {"torch", "keras", "tensorflow", "jax"}
MOST_LINES = 450
TEMPLATES = ROOT / "fl_core" / "workspace" / "templates"
"""Programs of their own, copied into a user's workspace; no part of the engine."""


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not path.is_relative_to(TEMPLATES):
                yield path


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports anywhere, also inside its functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_imports_point_one_way() -> None:
    found = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
    )
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

    assert found.returncode == 0, found.stdout + found.stderr
    assert f"Contracts: {len(contracts)} kept, 0 broken." in found.stdout
    assert len(contracts) >= 2


def test_a_lower_package_imports_no_higher_one_anywhere() -> None:
    # Not left to import-linter alone: it would pass over a file that is in no package.
    for package in PACKAGES:
        others = set(PACKAGES) - {package}
        allowed = {"challenge": others, "tasks": {"fl_core", "partitions"}}.get(package, set())
        for path in sources(package):
            assert imported(path) & others <= allowed, path


def test_the_engine_knows_no_challenge_and_a_framework_only_in_its_task_runners() -> None:
    for path in sources("fl_core"):
        names = imported(path)
        assert not names & {"mlflow", "monai", "SimpleITK", "nilearn"}, path
        if path.parent.name != "task_runner":
            assert not names & FRAMEWORKS, path


def test_a_template_needs_no_harness() -> None:
    programs = sorted(TEMPLATES.rglob("*.py"))

    assert programs
    for path in programs:
        assert not imported(path) & {"challenge", "leaderboard", "pickle"}, path


def test_the_check_of_imports_sees_those_inside_functions(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("def f():\n    from challenge.config import X\n    import torch.nn as nn\n")

    assert imported(path) == {"challenge", "torch"}


def test_no_file_is_too_long() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources(*PACKAGES, "tests", "benchmarks", "examples")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }

    assert not long, f"split these: {long}"


def test_no_file_unpickles_or_names_this_machine() -> None:
    for path in sources(*PACKAGES, "benchmarks", "examples"):
        assert not imported(path) & {"pickle", "cloudpickle", "dill", "joblib"}, path
        assert str(ROOT) not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_without_what_is_heavy(package: str) -> None:
    code = (
        f"import sys, {package}\n"
        f"print(*sorted({{name.split('.')[0] for name in sys.modules}} & {set(HEAVY)!r}))"
    )

    found = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )

    assert found.stdout.strip() == ""


def test_preparing_a_run_imports_no_network_and_no_tracking() -> None:
    """What decides about a run before workers start is read without a second of torch or MLflow."""
    code = (
        "import sys, challenge.task1.run, challenge.cli.main\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'monai', 'mlflow'}))"
    )

    found = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )

    assert found.stdout.strip() == ""
