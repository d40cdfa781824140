"""A few small cases on which a submission is tried."""

from __future__ import annotations

from pathlib import Path

from partitions.phantom.federation import DEFAULT, InstitutionSpec, TumourSizes
from partitions.phantom.write import write_phantom

SPACING_MM = 8.0
_SITES = (
    InstitutionSpec("1", 2, 1, TumourSizes(40.0, 0.2, 2.6, 10.0)),
    InstitutionSpec("2", 2, 1, TumourSizes(60.0, 0.2, 2.2, 12.0), DEFAULT[2].scanner),
)


def write_toy_data(folder: Path) -> None:
    """Write two institutions of two cases and a hidden one each, at 8 mm, always the same."""
    write_phantom(folder, institutions=_SITES, spacing_mm=SPACING_MM)
