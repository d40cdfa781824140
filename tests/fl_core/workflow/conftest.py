"""Workspaces with certificates, made once: every test that changes something takes a copy."""

from __future__ import annotations

from pathlib import Path

import pytest
from paper_steps import Printed, prepared
from workspaces import Federation


@pytest.fixture(scope="session")
def printed(tmp_path_factory: pytest.TempPathFactory) -> Printed:
    """Two sites of the "+1" trainer that are ready to start, and what every command said."""
    return prepared(tmp_path_factory.mktemp("printed") / "f", "numpy_plus_one", {"one": "1", "two": "2"})


@pytest.fixture(scope="session")
def enrolled(printed: Printed) -> Federation:
    """The same, for those who do not ask how it was made."""
    return printed.federation


@pytest.fixture
def two(enrolled: Federation, tmp_path: Path) -> Federation:
    """A copy, on a port of its own."""
    return enrolled.copy(tmp_path / "f")
