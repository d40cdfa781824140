"""Resamples of sites and cases, as counts: what the bootstrap and leave-one-site-out rank.

A resample is a list of sites; a site may stand in it several times, each time with its own choice of
cases. All such places (slots) of one site are kept together, so that a scheme works on one matrix of
counts per site.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from leaderboard.cases import CaseTable
from leaderboard.errors import TableError

Ints = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Draws:
    """Many resamples of a table.

    Attributes:
        resamples: How many.
        owners: For each of the table's sites, the resample of each of its slots: shape (slot,).
        counts: For each of the table's sites, how often each case stands in each slot: shape (slot, case),
            or (1, case) where all slots have the same; every slot of a site has as many cases in all as the
            site. No columns for a site with a summary, whose cases cannot be drawn: it is drawn as a whole.
    """

    resamples: int
    owners: tuple[Ints, ...]
    counts: tuple[npt.NDArray[np.uint32], ...]


def as_it_is(table: CaseTable) -> Draws:
    """Return the one resample that is the table itself."""
    return _whole_sites(table, np.arange(len(table.sites))[np.newaxis])


def leave_one_site_out(table: CaseTable) -> Draws:
    """Return one resample for each site, in the order of `table.sites`, without that site.

    Raises:
        TableError: There is one site only.
    """
    if len(table.sites) < 2:
        raise TableError(f"site {table.sites[0]} is the only one; leaving it out leaves nothing to rank")
    sites = np.arange(len(table.sites))
    return _whole_sites(table, np.array([np.delete(sites, site) for site in sites]))


def two_level(table: CaseTable, resamples: int, generator: np.random.Generator) -> Draws:
    """Draw sites with replacement and, within each drawn site, cases with replacement.

    Args:
        table: What is resampled.
        resamples: How many.
        generator: Draws the sites of all resamples first, then the cases site by site.
    """
    sites = len(table.sites)
    drawn = generator.integers(sites, size=(resamples, sites))
    owners = [np.nonzero(drawn == site)[0] for site in range(sites)]
    counts = []
    for site, slots in enumerate(owners):
        cases = _cases(table, site)
        chosen = generator.integers(max(cases, 1), size=(len(slots), cases))
        flat = chosen + np.arange(len(slots))[:, np.newaxis] * cases
        tally = np.bincount(flat.ravel(), minlength=len(slots) * cases)
        counts.append(tally.reshape(len(slots), cases).astype(np.uint32))
    return Draws(resamples, tuple(owners), tuple(counts))


def _whole_sites(table: CaseTable, drawn: Ints) -> Draws:
    owners = [np.nonzero(drawn == site)[0] for site in range(len(table.sites))]
    counts: Sequence[npt.NDArray[np.uint32]] = [
        np.ones((1, _cases(table, site)), np.uint32) for site in range(len(owners))
    ]
    return Draws(len(drawn), tuple(owners), tuple(counts))


def _cases(table: CaseTable, site: int) -> int:
    place = table.cases_of(site)
    return int(place.stop - place.start)
