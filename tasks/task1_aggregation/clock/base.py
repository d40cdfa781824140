"""The simulated clock: how long a site's work of one round takes, without any network outage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Protocol

from tasks.task1_aggregation.errors import SettingsError


def work_done(epochs: float | None, batches: int | None, batches_per_epoch: int) -> int:
    """Return how many batches a site really trains.

    ``max(1, floor(epochs * batches_per_epoch + 0.5))``, or `batches` where those are given.

    Args:
        epochs: Passes over the training cases, finite and positive; fractions count.
        batches: Batches instead of epochs, at least 1.
        batches_per_epoch: Batches in one pass over the site's training cases, at least 1.

    Raises:
        SettingsError: Both or neither of `epochs` and `batches` are given, or one is out of range.

    Example:
        >>> work_done(0.5, None, 7), work_done(0.01, None, 7), work_done(None, 3, 7)
        (4, 1, 3)
    """
    if (epochs is None) == (batches is None):
        raise SettingsError(f"give either epochs or batches, got epochs={epochs} and batches={batches}")
    if batches_per_epoch < 1:
        raise SettingsError(f"batches_per_epoch is {batches_per_epoch}; a site that trains needs at least 1")
    if batches is not None:
        if batches < 1:
            raise SettingsError(f"batches is {batches}; train at least 1 batch or do not select the site")
        return batches
    if epochs is None or not math.isfinite(epochs) or epochs <= 0:
        raise SettingsError(f"epochs is {epochs}; it must be finite and positive")
    return max(1, math.floor(epochs * batches_per_epoch + 0.5))


@dataclass(frozen=True)
class SiteWork:
    """What a site has to do in a round.

    Attributes:
        n_train: Training cases of the site.
        n_validate: Validation cases of the site.
        trains: Whether it was selected; otherwise it only validates the global model.
        epochs: Epochs as the strategy gave them (batches / batches_per_epoch where it gave batches).
        batches: Batches that are really trained, see `work_done`.
        batches_per_epoch: Batches in one pass over the training cases.

    Raises:
        SettingsError: A count is negative, or a site that trains has no batch or no finite epochs.
    """

    n_train: int
    n_validate: int
    trains: bool = True
    epochs: float = 1.0
    batches: int = 1
    batches_per_epoch: int = 1

    def __post_init__(self) -> None:
        if self.n_train < 0 or self.n_validate < 0:
            raise SettingsError(f"numbers of cases cannot be negative: {self.n_train}, {self.n_validate}")
        if not self.trains:
            return
        if self.batches < 1 or self.batches_per_epoch < 1:
            raise SettingsError(
                f"a site that trains needs batches: {self.batches} of {self.batches_per_epoch}"
            )
        if not math.isfinite(self.epochs) or self.epochs <= 0:
            raise SettingsError(f"epochs is {self.epochs}; it must be finite and positive")


@dataclass(frozen=True)
class SiteTimes:
    """Simulated seconds of a site's work in one round, in the order in which it is done.

    Attributes:
        download_s: Receiving the global model.
        validate_s: Validating the global model.
        train_s: Training; 0 for a site that only validates.
        validate_local_s: Validating the trained model; 0 without training.
        upload_s: Sending the trained model; 0 without training. A report of metrics alone takes no time.

    Raises:
        SettingsError: A time is negative or not finite.
    """

    download_s: float
    validate_s: float
    train_s: float = 0.0
    validate_local_s: float = 0.0
    upload_s: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            seconds = getattr(self, field.name)
            if not math.isfinite(seconds) or seconds < 0:
                raise SettingsError(f"{field.name} is {seconds}; a time must be finite and not negative")

    @property
    def total_s(self) -> float:
        """The sum, added up from the first step to the last, as the reference does."""
        return self.download_s + self.validate_s + self.train_s + self.validate_local_s + self.upload_s


class Clock(Protocol):
    """Draws the times of a round. It has no state: a round's times can be drawn at any time, again."""

    @property
    def name(self) -> str:
        """``default`` or ``fets2022``, as in ``--profile``."""
        ...

    def draw(self, round: int, work: Mapping[str, SiteWork]) -> dict[str, SiteTimes]:
        """Return every site's times.

        Args:
            round: The round, from 0.
            work: Every site's work; its order is the order of the collaborators.

        Raises:
            SettingsError: A site is not among those that the clock was made for.
        """
        ...
