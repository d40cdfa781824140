"""Calls of a package's process, for its tests."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from challenge.isolation.limits import MIB
from challenge.task2.package_host import PackageHost
from challenge.task2.package_limits import PackageLimits
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.evaluate import Failed, Predicted

LIMITS = PackageLimits(load_s=60, case_s=30, total_s=300, memory_bytes=4096 * MIB)
IMAGES = {name: np.full((3, 4, 5), n, np.float32) for n, name in enumerate(("t1", "t1ce", "t2", "flair"), 1)}
Start = Callable[..., PackageHost]


def case(number: int = 1) -> CaseInput:
    return CaseInput(
        f"case-{number:04d}", IMAGES, (2.0, 1.0, 1.5), (0.0, 1.0, 2.0), (1.0, 0, 0, 0, 1, 0, 0, 0, 1)
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def ask(host: PackageHost, number: int = 1, left_s: float = 300.0) -> Predicted | Failed:
    return host.predict(case(number), left_s)


def failed(host: PackageHost, number: int = 1, left_s: float = 300.0) -> Failed:
    answer = ask(host, number, left_s)
    assert isinstance(answer, Failed)
    return answer
