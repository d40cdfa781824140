"""A small driver: plays rounds of a submission with random updates, through a strategy host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tasks.task1_aggregation.context import RoundContext, RoundRecord, SiteInfo, SiteRecord
from tasks.task1_aggregation.host import LocalHost
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update
from tasks.task1_aggregation.submission import LoadedSubmission, load

SITES = (SiteInfo("1", 6, 2), SiteInfo("2", 3, 1), SiteInfo("3", 1, 1))
METRICS = (
    "valid_loss",
    "valid_dice",
    *(f"valid_dice_per_label_{label}" for label in (0, 1, 2, 4)),
    *(f"dice_{region}" for region in ("wt", "tc", "et")),
)


@dataclass
class Played:
    """One round: what the strategy answered, and what it was given."""

    round: int
    selected: list[str]
    config: RoundConfig | dict[str, RoundConfig]
    before: dict[str, np.ndarray]
    updates: list[Update]
    after: dict[str, np.ndarray]
    reports: Mapping[str, SiteRecord]


@dataclass
class Driver:
    """Plays rounds; `lost` names sites whose update does not arrive, `skipped` rounds without any."""

    strategy: Strategy
    sites: tuple[SiteInfo, ...] = SITES
    lost: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    skipped: tuple[int, ...] = ()
    hausdorff: bool = False

    def __post_init__(self) -> None:
        self.host = LocalHost(self.strategy)
        self.history: tuple[RoundRecord, ...] = ()
        self.rng = np.random.default_rng(5)
        self.model: dict[str, np.ndarray] = {
            "conv.weight": self.rng.normal(size=(2, 3)).astype(np.float32),
            "conv.bias": self.rng.normal(size=3).astype(np.float32),
            "norm.running_mean": self.rng.normal(size=3).astype(np.float32),
            "norm.batches": np.array(7, dtype=np.int64),
        }

    def play(self, rounds: int) -> list[Played]:
        return [self._play(len(self.history)) for _ in range(rounds)]

    def _context(self, round_: int, function: str, **more: object) -> RoundContext:
        return RoundContext(
            round=round_,
            rounds=20,
            horizon_s=1e5,
            sites=self.sites,
            history=self.history,
            function=function,
            **more,  # type: ignore[arg-type]
        )

    def _play(self, round_: int) -> Played:
        selected = self.host.select_sites(self._context(round_, "select_sites"))
        config = self.host.configure_round(self._context(round_, "configure_round", selected=tuple(selected)))
        reports = self._reports(selected)
        times = {name: report.time_s for name, report in reports.items()}
        updates = self._updates(round_, selected)
        before, after = self.model, self.model
        if round_ not in self.skipped:
            context = self._context(
                round_, "aggregate", selected=tuple(selected), times=times, reports=reports
            )
            answer = self.host.aggregate(context, _read_only(before), updates)
            after = {name: np.asarray(array) for name, array in answer.items()}
        self.history = (
            *self.history,
            RoundRecord(round_, tuple(selected), reports, max(times.values()), 100.0 * (round_ + 1)),
        )
        self.model = after
        return Played(round_, selected, config, before, updates, after, reports)

    def _reports(self, selected: list[str]) -> dict[str, SiteRecord]:
        names = METRICS + (("hd95_wt", "valid_hd95_per_label_4") if self.hausdorff else ())
        reports = {}
        for site in self.sites:
            metrics = {name: float(self.rng.random()) for name in names}
            if site.name in selected:
                metrics |= {f"local_{name}": float(self.rng.random()) for name in names}
                metrics |= {"loss": float(self.rng.random()), "train_dice": float(self.rng.random())}
            reports[site.name] = SiteRecord(
                "ok", site.name in selected, float(self.rng.uniform(10, 90)), metrics
            )
        return reports

    def _updates(self, round_: int, selected: list[str]) -> list[Update]:
        arrived = [s for s in self.sites if s.name in selected and s.name not in self.lost.get(round_, ())]
        total = sum(site.n_train for site in arrived)
        updates = []
        for site in arrived:
            tensors = {
                name: (
                    array + self.rng.normal(size=array.shape).astype(np.float32) / 10
                    if array.dtype.kind == "f"
                    else array + np.int64(site.n_train)
                )
                for name, array in self.model.items()
            }
            tensors = {
                name: np.asarray(array, dtype=self.model[name].dtype) for name, array in tensors.items()
            }
            updates.append(Update(site.name, _read_only(tensors), site.n_train / total, site.n_train))
        return updates


def _read_only(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    copies = {name: np.array(array) for name, array in tensors.items()}
    for array in copies.values():
        array.flags.writeable = False
    return copies


@pytest.fixture
def driver() -> type[Driver]:
    return Driver


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[[str], LoadedSubmission]:
    """Write a submission's text to a file and load it."""

    def load_text(text: str, name: str = "team.py") -> LoadedSubmission:
        file = tmp_path / name
        file.write_text(text)
        return load(file)

    return load_text


@pytest.fixture
def old(loaded: Callable[[str], LoadedSubmission]) -> Callable[[str], LoadedSubmission]:
    """Load a copy of one of the files in old_submissions, by its name."""
    return lambda name: loaded((Path(__file__).parent / "old_submissions" / f"{name}.py").read_text())
