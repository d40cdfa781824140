"""`challenge run task1 --engine grpc` with the real network on real files; it ends with all its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from plus_one_engine import results

CHALLENGE = str(Path(sys.executable).with_name("challenge"))


def command(data: Path, out: Path, *more: str) -> list[str]:
    words = [CHALLENGE, "run", "task1", "--data", str(data), "--out", str(out), "--tracking-uri", "off"]
    return [*words, "--rounds", "3", "--seed", "3", *more]


def tables(folder: Path) -> dict[str, bytes]:
    return {name: content for name, content in results(folder).items() if name != "config.yaml"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_bytes_are_those_of_the_local_engine_also_after_the_harness_was_killed(
    tmp_path: Path, tiny_data: Path
) -> None:
    words = ("--outages", "mild", "--workers", "2")
    subprocess.run(command(tiny_data, tmp_path / "local", *words), check=True, timeout=300)
    out = tmp_path / "grpc"
    with subprocess.Popen(
        command(tiny_data, out, *words, "--engine", "grpc", "--impose-outages", "5000")
    ) as process:
        until = time.monotonic() + 200
        while not (out / "rounds.csv").exists() and time.monotonic() < until:
            time.sleep(0.05)
        hosts = children(process.pid)
        process.kill()
    assert len(hosts) >= 2
    until = time.monotonic() + 20
    while any(map(runs, hosts)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(runs, hosts)), "no host outlives the harness"

    subprocess.run([CHALLENGE, "run", "task1", "--resume", str(out)], check=True, timeout=300)

    assert tables(out) == tables(tmp_path / "local")
    assert not list((out / "checkpoint").glob("engine-*"))
    assert subprocess.run([CHALLENGE, "verify", str(out)], check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_ctrl_c_says_how_to_go_on_and_leaves_no_process(tmp_path: Path, tiny_data: Path) -> None:
    out = tmp_path / "run"
    words = command(tiny_data, out, "--workers", "2", "--engine", "grpc", "--rounds", "50")
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        until = time.monotonic() + 200
        while not (out / "rounds.csv").exists() and time.monotonic() < until:
            time.sleep(0.1)
        hosts = children(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=60)

    assert process.returncode == 1
    assert f"--resume {out}" in stderr
    assert "Traceback" not in stderr
    assert hosts and not any(map(runs, hosts))


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(number) for number in found.stdout.split()]


def runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
