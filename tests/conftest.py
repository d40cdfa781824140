"""Fixtures that every test may use: nothing outside temporary folders is read or written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def challenge_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keys and caches of the tests, away from the user's own."""
    home = tmp_path_factory.mktemp("home")
    before = os.environ.get("CHALLENGE_HOME")
    os.environ["CHALLENGE_HOME"] = str(home)
    yield home
    if before is None:
        del os.environ["CHALLENGE_HOME"]
    else:
        os.environ["CHALLENGE_HOME"] = before


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real NIfTI files: the tiny phantom, three institutions."""
    from partitions.phantom.federation import TINY, TINY_SPACING_MM
    from partitions.phantom.write import write_phantom

    folder = tmp_path_factory.mktemp("tiny") / "data"
    write_phantom(folder, institutions=TINY, spacing_mm=TINY_SPACING_MM)
    return folder
