from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from model_packages import CODE, write_package
from package_calls import LIMITS, Start

from challenge.task2.package_host import PackageHost
from challenge.task2.package_limits import PackageLimits
from tasks.task2_evaluation.package import read_package


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    hosts: list[PackageHost] = []

    def make(
        code: str, limits: PackageLimits = LIMITS, lane: dict[str, Any] = CODE, **files: str
    ) -> PackageHost:
        folder = write_package(
            tmp_path / "package", {"model.py": code, **{f"{k}.py": v for k, v in files.items()}}, lane
        )
        host = PackageHost(
            read_package(folder), scratch=tmp_path / "scratch", log=tmp_path / "log", limits=limits, seed=3
        )
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.close()
