"""Runs with the real network on real files, through the command line, killed and repeated."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from plus_one_engine import results

CHALLENGE = str(Path(sys.executable).parent / "challenge")
SUBMISSION = """
import numpy as np

momentum = {}

def select_sites(context):
    return [name for name in context.names if name != "2" or context.round]

def aggregate(context, model, updates):
    weights = [update.weight for update in updates]
    mean = {n: sum(w * u.tensors[n] for w, u in zip(weights, updates)) for n in model}
    for name in model:
        momentum[name] = 0.5 * momentum.get(name, 0) + (mean[name] - model[name])
    return {name: (model[name] + momentum[name]).astype(model[name].dtype) for name in model}
"""


def command(data: Path, out: Path, *more: str) -> list[str]:
    words = [CHALLENGE, "run", "task1", "--data", str(data), "--out", str(out), "--tracking-uri", "off"]
    return [*words, "--rounds", "3", "--seed", "3", *more]


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("submission") / "momentum.py"
    path.write_text(SUBMISSION)
    return path


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, tiny_data: Path, submission: Path) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "run"
    words = command(tiny_data, out, "--submission", str(submission), "--outages", "severe", "--workers", "2")
    subprocess.run(words, check=True, timeout=300)
    return out


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_worker_and_two_give_the_same_bytes(
    tmp_path: Path, tiny_data: Path, submission: Path, undisturbed: Path
) -> None:
    words = command(tiny_data, tmp_path / "one", "--submission", str(submission), "--outages", "severe")
    subprocess.run([*words, "--workers", "1"], check=True, timeout=300)

    found, expected = results(tmp_path / "one"), results(undisturbed)
    assert found.pop("config.yaml") != expected.pop("config.yaml")  # it names the workers
    assert found == expected


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("moment", range(3))
def test_kill_9_at_a_random_moment(
    moment: int, tmp_path: Path, tiny_data: Path, submission: Path, undisturbed: Path
) -> None:
    rng = np.random.default_rng(moment)
    out = tmp_path / "run"
    words = command(tiny_data, out, "--submission", str(submission), "--outages", "severe", "--workers", "2")
    kills = 0
    for attempt in range(6):
        again = [CHALLENGE, "run", "task1", "--resume", str(out)]
        process = subprocess.Popen(again if (out / "config.yaml").exists() else words, start_new_session=True)
        try:
            process.wait(timeout=float(rng.uniform(3, 14)) if attempt < 3 else 300)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
        if process.returncode == 0:
            break
    assert process.returncode == 0
    print(f"killed {kills} times")

    assert results(out) == results(undisturbed)
    assert subprocess.run([CHALLENGE, "verify", str(out)], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(tmp_path: Path, tiny_data: Path) -> None:
    out = tmp_path / "run"
    words = command(tiny_data, out, "--workers", "2", "--rounds", "50")
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 120
    while not (out / "rounds.csv").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"--resume {out}" in stderr
    assert "Traceback" not in stderr
    left = subprocess.run(["pgrep", "-s", str(process.pid)], capture_output=True, text=True, check=False)
    assert left.stdout == ""
