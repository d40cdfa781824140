"""The clock of the FeTS 2022 challenge, number for number, for comparison with its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, get_args

import numpy as np

from tasks.task1_aggregation.clock.base import SiteTimes, SiteWork
from tasks.task1_aggregation.clock.profiles import SiteProfile, measured_profiles
from tasks.task1_aggregation.errors import SettingsError

WorkUnit = Literal["cases", "patches40"]

_ASSIGNMENT_SEED = 0xFEEDFACE
_UNITS_PER_CASE: Mapping[WorkUnit, int] = {"cases": 1, "patches40": 40}


class Fets2022Clock:
    """Draws as the challenge did, from one stream for all sites of a round.

    Computers and links are assigned once, in sorted order of the names, from the seed 0xFEEDFACE. A round's
    stream is seeded by its number; the sites draw in the order of `work`, each ``max(1, normal(mean, sd))``:
    download and validation a case, and a site that trains then training a unit, validation a case, upload.
    So a site's selection shifts the times of all that follow it. Epochs are charged as given.

    Args:
        sites: The names of all sites.
        unit: What a training unit is: ``cases``, as the challenge documented, or ``patches40``, the
            40 patches a case that its shipped code charged.

    Raises:
        SettingsError: There is no such unit.
    """

    name = "fets2022"

    def __init__(self, sites: Iterable[str], unit: WorkUnit = "cases") -> None:
        if unit not in get_args(WorkUnit):
            raise SettingsError(
                f"the fets2022 clock has no unit {unit!r}; use {' or '.join(get_args(WorkUnit))}"
            )
        self.unit: WorkUnit = unit
        self.profiles: Mapping[str, SiteProfile] = _assigned(sites)

    def draw(self, round: int, work: Mapping[str, SiteWork]) -> dict[str, SiteTimes]:
        """Return every site's times; see `Clock.draw`."""
        # A generator object of the legacy kind: the same numbers as after np.random.seed(round), but
        # the global state, which participants' code may use, stays untouched.
        stream = np.random.RandomState(round)
        return {site: self._times(stream, site, task) for site, task in work.items()}

    def _times(self, stream: np.random.RandomState, site: str, work: SiteWork) -> SiteTimes:
        if site not in self.profiles:
            known = ", ".join(self.profiles)
            raise SettingsError(f"the clock knows no site {site!r}; it was made for {known}")
        compute, network = self.profiles[site].compute, self.profiles[site].network
        download = _seconds(stream, network.download_mean_s, network.download_std_s)
        validate = work.n_validate * _seconds(stream, compute.validate_mean_s, compute.validate_std_s)
        if not work.trains:
            return SiteTimes(download, validate)
        units = work.n_train * _UNITS_PER_CASE[self.unit]
        train = units * work.epochs * _seconds(stream, compute.train_mean_s, compute.train_std_s)
        validate_local = work.n_validate * _seconds(stream, compute.validate_mean_s, compute.validate_std_s)
        upload = _seconds(stream, network.upload_mean_s, network.upload_std_s)
        return SiteTimes(download, validate, train, validate_local, upload)


def _assigned(sites: Iterable[str]) -> dict[str, SiteProfile]:
    profiles = measured_profiles()
    stream = np.random.RandomState(_ASSIGNMENT_SEED)
    assigned = {}
    for site in sorted(sites):
        compute = int(stream.randint(len(profiles.compute)))
        assigned[site] = profiles.pair(compute, int(stream.randint(len(profiles.network))))
    return assigned


def _seconds(stream: np.random.RandomState, mean_s: float, std_s: float) -> float:
    return max(1.0, float(stream.normal(mean_s, std_s)))
