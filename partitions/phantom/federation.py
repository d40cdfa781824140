"""The institutions of a phantom federation: how many cases, which tumours, which scanner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from partitions.errors import DataError

_MIN_TRAIN_VALIDATION = 2


@dataclass(frozen=True)
class TumourSizes:
    """The tumours that an institution sees; volumes are log-normal and cut to the published range.

    Attributes:
        core_ml: Median volume of the tumour core (TC) in ml.
        spread: Standard deviation of the logarithm of that volume.
        whole_to_core: Median ratio of the whole tumour (WT) to the core.
        rim_mm: Median thickness of the enhancing rim in mm.
    """

    core_ml: float = 25.0
    spread: float = 0.4
    whole_to_core: float = 2.6
    rim_mm: float = 7.5


@dataclass(frozen=True)
class Scanner:
    """What an institution's scanner does to the images; tuples hold t1, t1ce, t2, flair.

    Attributes:
        gain: Intensity of bright tissue in the file's arbitrary units.
        gamma: Exponent that bends the contrast.
        bias: Amplitude of the bias field, as a fraction of the intensity.
        noise: Rician noise, as a fraction of the gain.
        blur_mm: Standard deviation of the point-spread function in mm.
    """

    gain: tuple[float, float, float, float] = (600.0, 700.0, 800.0, 500.0)
    gamma: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    bias: float = 0.09
    noise: float = 0.03
    blur_mm: float = 1.0


@dataclass(frozen=True)
class InstitutionSpec:
    """One institution of the phantom federation.

    Attributes:
        name: Its id in the partition file, as text.
        train_validation: Cases for training and validation.
        hidden: Hidden test cases (`TrainOrVal` = `test`).
        tumours: The tumours it sees.
        scanner: The scanner it has.
    """

    name: str
    train_validation: int
    hidden: int = 2
    tumours: TumourSizes = field(default_factory=TumourSizes)
    scanner: Scanner = field(default_factory=Scanner)

    @property
    def cases(self) -> int:
        """All its cases, hidden ones included."""
        return self.train_validation + self.hidden


DEFAULT: tuple[InstitutionSpec, ...] = (
    InstitutionSpec("1", 12, 2, TumourSizes(26.0, 0.40, 2.7, 7.5), Scanner()),
    InstitutionSpec(
        "2",
        9,
        2,
        TumourSizes(18.0, 0.35, 3.2, 7.0),
        Scanner((420.0, 460.0, 900.0, 380.0), (1.1, 1.08, 0.94, 1.0), 0.11, 0.035, 1.2),
    ),
    InstitutionSpec(
        "3",
        7,
        2,
        TumourSizes(40.0, 0.35, 2.2, 9.0),
        Scanner((900.0, 1100.0, 700.0, 820.0), (0.92, 0.95, 1.08, 1.1), 0.07, 0.025, 0.8),
    ),
    InstitutionSpec(
        "4",
        6,
        2,
        TumourSizes(14.0, 0.30, 2.4, 6.5),
        Scanner((300.0, 330.0, 360.0, 260.0), (1.0, 1.1, 1.0, 0.9), 0.11, 0.04, 1.0),
    ),
    InstitutionSpec(
        "5",
        4,
        2,
        TumourSizes(32.0, 0.50, 3.0, 8.0),
        Scanner((760.0, 720.0, 1200.0, 640.0), (0.9, 0.92, 1.12, 1.08), 0.10, 0.03, 1.4),
    ),
    InstitutionSpec(
        "6",
        4,
        2,
        TumourSizes(22.0, 0.45, 2.0, 8.5),
        Scanner((520.0, 640.0, 560.0, 450.0), (1.12, 1.0, 0.9, 0.95), 0.13, 0.04, 0.9),
    ),
)
"""The embedded default: 42 cases for training and validation and 12 hidden ones, visibly non-IID."""

TINY: tuple[InstitutionSpec, ...] = (
    InstitutionSpec("1", 3, 1, TumourSizes(40.0, 0.2, 2.6, 10.0), Scanner()),
    InstitutionSpec("2", 2, 1, TumourSizes(60.0, 0.2, 2.2, 12.0), DEFAULT[2].scanner),
    InstitutionSpec("3", 2, 1, TumourSizes(30.0, 0.2, 3.0, 9.0), DEFAULT[3].scanner),
)
"""For tests: 7 cases for training and validation and 3 hidden ones; write it at `TINY_SPACING_MM`."""

TINY_SPACING_MM = 8.0


def scaled(institutions: Sequence[InstitutionSpec], cases: int) -> tuple[InstitutionSpec, ...]:
    """Return the federation with `cases` cases in all, hidden ones included, in the same proportions.

    Every institution keeps at least two cases to train and validate, and a hidden one if it had any.

    Raises:
        DataError: There are too few cases for so many institutions.

    Example:
        >>> [(spec.train_validation, spec.hidden) for spec in scaled(DEFAULT, 20)]
        [(3, 1), (3, 1), (2, 1), (2, 1), (2, 1), (2, 1)]
    """
    factor = cases / sum(spec.cases for spec in institutions)
    hidden = [max(1, round(spec.hidden * factor)) if spec.hidden else 0 for spec in institutions]
    least = sum(hidden) + _MIN_TRAIN_VALIDATION * len(institutions)
    if cases < least:
        hidden = [min(1, count) for count in hidden]
        least = sum(hidden) + _MIN_TRAIN_VALIDATION * len(institutions)
    if cases < least:
        raise DataError(
            f"{cases} cases are too few for {len(institutions)} institutions; ask for at least {least}."
        )
    counts = _shares([spec.train_validation for spec in institutions], cases - sum(hidden))
    return tuple(
        replace(spec, train_validation=count, hidden=kept)
        for spec, count, kept in zip(institutions, counts, hidden, strict=True)
    )


def _shares(weights: Sequence[int], total: int) -> list[int]:
    """Hand out `total` one by one, each to the one who is furthest below its share."""
    counts = [_MIN_TRAIN_VALIDATION] * len(weights)
    for _ in range(total - sum(counts)):
        behind = [weight / (count + 0.5) for weight, count in zip(weights, counts, strict=True)]
        counts[behind.index(max(behind))] += 1
    return counts
