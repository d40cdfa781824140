"""Speeds of real institutions: measured in the FeTS federation of May 2021, see ``profiles.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class ComputeProfile:
    """How fast a site computes: seconds a case, mean and standard deviation."""

    train_mean_s: float
    train_std_s: float
    validate_mean_s: float
    validate_std_s: float


@dataclass(frozen=True)
class NetworkProfile:
    """How fast a site's link is: seconds to move the model once, mean and standard deviation."""

    download_mean_s: float
    download_std_s: float
    upload_mean_s: float
    upload_std_s: float


@dataclass(frozen=True)
class SiteProfile:
    """What a site was given: a computer and a link."""

    compute: ComputeProfile
    network: NetworkProfile


@dataclass(frozen=True)
class Profiles:
    """The measured profiles, in the order in which the FeTS challenge numbers them.

    Attributes:
        compute: 21 computers.
        network: 16 links.
    """

    compute: tuple[ComputeProfile, ...]
    network: tuple[NetworkProfile, ...]

    def pair(self, compute: int, network: int) -> SiteProfile:
        """Return the profile made of the computer and the link of these numbers, from 0."""
        return SiteProfile(self.compute[compute], self.network[network])


@cache
def measured_profiles() -> Profiles:
    """Return the profiles that the package carries."""
    table = json.loads(files(__package__).joinpath("profiles.json").read_text(encoding="utf-8"))
    return Profiles(
        tuple(ComputeProfile(**row) for row in table["compute_profiles"]),
        tuple(NetworkProfile(**row) for row in table["network_profiles"]),
    )
