from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from isolated_round import Start

from challenge.isolation.host import ProcessHost
from challenge.isolation.limits import Limits


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    hosts: list[ProcessHost] = []

    def make(code: str, **options: Any) -> ProcessHost:
        path = tmp_path / "submission.py"
        path.write_text(dedent(code))
        limits = options.pop("limits", Limits())
        seed = options.pop("seed", 5)
        host = ProcessHost(
            path, seed=seed, scratch=tmp_path / "scratch", log=tmp_path / "strategy.log", limits=limits
        )
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "strategy.log"
