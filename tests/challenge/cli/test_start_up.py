"""`--help` answers at once: half a second, and nothing heavy is imported for it."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
HEAVY = ("torch", "mlflow", "monai", "pandas", "matplotlib", "SimpleITK", "scipy", "nilearn", "sklearn")
ALLOWED_S = 0.5
TRIES = 5


@pytest.mark.parametrize("command", ["challenge", "fx"])
def test_help_answers_in_half_a_second(command: str, tmp_path: Path) -> None:
    walls, cpus = [], []
    for _ in range(TRIES):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        found = subprocess.run([BIN / command, "--help"], cwd=tmp_path, capture_output=True, text=True)
        walls.append(time.monotonic() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpus.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert found.returncode == 0 and f"Usage: {command}" in found.stdout and found.stderr == ""
    print(f"{command} --help: best of {TRIES}: wall {min(walls):.3f} s, CPU {min(cpus):.3f} s")

    # The best of some: a machine that is busy with other things is no fault of the program.
    assert min(walls) < ALLOWED_S, (walls, cpus)


@pytest.mark.parametrize(
    "arguments",
    [
        ["challenge", "--help"],
        ["challenge", "run", "task1", "--help"],
        ["challenge", "data", "--help"],
        ["challenge", "partition", "list"],
        ["challenge", "verify", "--help"],
        ["challenge", "compare", "--help"],
        ["challenge", "score", "--help"],
        ["challenge", "leaderboard", "rank", "--help"],
        ["fx", "--help"],
        ["fx", "workspace", "create"],
    ],
    ids=" ".join,
)
def test_nothing_heavy_is_imported_for_it(arguments: list[str], tmp_path: Path) -> None:
    command, *rest = arguments

    found = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", BIN / command, *rest],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )

    modules = {
        line.rsplit("|", 1)[1].strip().split(".")[0] for line in found.stderr.splitlines() if "|" in line
    }
    assert {"typer", {"fx": "fl_core", "challenge": "challenge"}[command]} <= modules
    assert not modules & set(HEAVY)
