from __future__ import annotations

from pathlib import Path

from challenge.isolation.environment import strategy_environment


def test_only_what_a_program_needs_is_passed_on() -> None:
    base = {
        "PATH": "/bin",
        "AWS_SECRET_ACCESS_KEY": "s",
        "HOME": "/home/me",
        "PYTHONPATH": "lib:/abs:",
        "OMP_NUM_THREADS": "8",
    }
    made = strategy_environment(base, Path("/scratch"))
    assert made["PATH"] == "/bin" and made["HOME"] == made["TMPDIR"] == "/scratch"
    assert made["PYTHONPATH"] == "/abs" and made["OMP_NUM_THREADS"] == "1" and made["PYTHONHASHSEED"] == "0"
    assert "AWS_SECRET_ACCESS_KEY" not in made
    assert "PYTHONPATH" not in strategy_environment({"PYTHONPATH": "lib::."}, Path("/scratch"))
