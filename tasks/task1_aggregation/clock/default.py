"""The default clock: one generator for each site and round; the work is charged as really done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from fl_core.seeding import generator
from tasks.task1_aggregation.clock.base import SiteTimes, SiteWork
from tasks.task1_aggregation.clock.profiles import SiteProfile, measured_profiles
from tasks.task1_aggregation.errors import SettingsError

FEDERATION_SEED = 0xFEEDFACE
"""Of the sites' computers and links; the challenge's own constant."""


class DefaultClock:
    """Draws every site's times from a generator of its own.

    A site gets one of the 21 measured computers and one of the 16 links, by its name alone: seeds vary
    the times of one federation, not the federation. In every round it draws, in
    this order and whether it trains or not: download, validation a case, training a case, validation a
    case again, upload; each is ``max(1, normal(mean, sd))`` seconds. So neither another site's
    selection nor its own shifts any time. Training costs
    ``n_train * batches / batches_per_epoch * seconds_per_case``: the batches really trained.

    Args:
        seed: The run's seed.
        sites: The names of all sites.

    Example:
        >>> work = {"1": SiteWork(n_train=8, n_validate=2, batches=4, batches_per_epoch=4)}
        >>> times = DefaultClock(seed=1, sites=["1"]).draw(0, work)
        >>> times["1"].total_s > times["1"].train_s >= 8
        True
    """

    name = "default"

    def __init__(self, seed: int, sites: Iterable[str]) -> None:
        self._seed = seed
        self.profiles: Mapping[str, SiteProfile] = {site: _assigned(site) for site in sites}

    def draw(self, round: int, work: Mapping[str, SiteWork]) -> dict[str, SiteTimes]:
        """Return every site's times; see `Clock.draw`."""
        return {site: self._times(round, site, task) for site, task in work.items()}

    def _times(self, round: int, site: str, work: SiteWork) -> SiteTimes:
        if site not in self.profiles:
            known = ", ".join(self.profiles)
            raise SettingsError(f"the clock knows no site {site!r}; it was made for {known}")
        compute, network = self.profiles[site].compute, self.profiles[site].network
        rng = generator(self._seed, "clock", site, round)
        download = _seconds(rng, network.download_mean_s, network.download_std_s)
        validate = _seconds(rng, compute.validate_mean_s, compute.validate_std_s)
        train = _seconds(rng, compute.train_mean_s, compute.train_std_s)
        validate_local = _seconds(rng, compute.validate_mean_s, compute.validate_std_s)
        upload = _seconds(rng, network.upload_mean_s, network.upload_std_s)
        if not work.trains:
            return SiteTimes(download, work.n_validate * validate)
        return SiteTimes(
            download_s=download,
            validate_s=work.n_validate * validate,
            train_s=work.n_train * (work.batches / work.batches_per_epoch) * train,
            validate_local_s=work.n_validate * validate_local,
            upload_s=upload,
        )


def _assigned(site: str) -> SiteProfile:
    profiles = measured_profiles()
    rng = generator(FEDERATION_SEED, "clock profile", site)
    compute = int(rng.integers(len(profiles.compute)))
    return profiles.pair(compute, int(rng.integers(len(profiles.network))))


def _seconds(rng: np.random.Generator, mean_s: float, std_s: float) -> float:
    return max(1.0, float(rng.normal(mean_s, std_s)))
