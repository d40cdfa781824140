from __future__ import annotations

import pytest

from partitions.phantom.case import PhantomCase, make_case
from partitions.phantom.federation import DEFAULT
from partitions.phantom.grid import grid_at


@pytest.fixture(scope="session")
def default_cases() -> dict[str, list[PhantomCase]]:
    """Two cases of each institution of the default federation, at the default spacing."""
    grid = grid_at(3.0)
    return {spec.name: [make_case(0, spec, number, grid) for number in range(2)] for spec in DEFAULT}
