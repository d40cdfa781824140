"""What holds in every run: any strategy, any outages, any rules, interrupted anywhere."""

from __future__ import annotations

import math
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from plus_one_world import SITES, Notes, initial, settings, setup

from fl_core.collaborator.settings import OptTreatment
from fl_core.durable import Disk
from fl_core.executor.local import LocalExecutor
from fl_core.tensors import Tensors
from tasks.task1_aggregation.calls import Calls
from tasks.task1_aggregation.checkpoint import Checkpoint
from tasks.task1_aggregation.clock.default import DefaultClock
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.experiment import Experiment, World
from tasks.task1_aggregation.host import LocalHost
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.outages.process import Outages, SiteOutages
from tasks.task1_aggregation.recording import UpdateKeeper, replay
from tasks.task1_aggregation.run_state import RunState, first_state
from tasks.task1_aggregation.settings import ExperimentSettings
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update

NAMES = tuple(site.name for site in SITES)
IDENTITY = {"config": "a"}


class MemoryLikeDisk(Disk):
    """Writes as always, but waits for no disk."""

    def _sync(self, handle: int) -> None: ...

    def _sync_folder(self, folder: Path) -> None: ...


class Whims(Strategy):
    """Chooses and aggregates by chance, and remembers in arrays, in texts and in itself."""

    def __init__(self) -> None:
        self.calls = 0
        self.seen: list[tuple[int, str, int]] = []

    def select_sites(self, context: RoundContext) -> Iterable[str]:
        self.calls += 1
        chosen = [name for name in context.names if context.rng.random() < 0.7]
        return chosen or [context.names[self.calls % len(context.names)]]

    def configure_round(self, context: RoundContext) -> Mapping[str, RoundConfig]:
        batches = context.rng.integers(1, 9, len(context.selected))
        local = ("bias",) if context.rng.random() < 0.3 else ()
        return {
            name: RoundConfig(batches=int(number), local_names=local)
            for name, number in zip(context.selected, batches, strict=True)
        }

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        self.seen.extend((context.round, update.site, update.staleness) for update in updates)
        self.calls += 1
        # The order of a mapping is part of what a strategy is told: this hash depends on it.
        told = "".join(f"{name}{value!r}" for update in updates for name, value in update.metrics.items())
        told += "".join(
            f"{name}{site.status}{list(site.metrics)}"
            for past in context.history
            for name, site in past.sites.items()
        )
        told += "".join(context.state)
        context.state.setdefault(f"zz{context.rng.integers(99)}", told[:20])
        context.state["a"] = context.state.get("a", np.zeros(2)) + len(told)
        step = zlib.crc32(told.encode()) % 7 - 3 + self.calls % 2
        return {
            name: array + array.dtype.type(step)
            for name, array in super().aggregate(context, model, updates).items()
        }


@dataclass(frozen=True)
class Case:
    """A run's circumstances."""

    seed: int
    up_s: float
    down_s: float
    rules: Rules
    horizon_s: float
    score_every: int
    opt_treatment: OptTreatment
    delta_updates: bool

    def play(
        self, folder: Path, stop_after: int | None = None, workers: int = 1
    ) -> tuple[RunState, list[tuple[int, str, int]]]:
        """Play all; after `stop_after` rounds forget everything and go on from the checkpoint.

        Returns:
            The last state, and (round, site, staleness) of each update that the strategy was given.
        """
        checkpoint = Checkpoint(folder, MemoryLikeDisk())
        keeper = UpdateKeeper(checkpoint, 2**30)
        worker = setup(opt_treatment=self.opt_treatment, delta_updates=self.delta_updates)
        strategy, state = Whims(), first_state(initial())
        with LocalExecutor(worker, workers) as executor:
            run = self._experiment(LocalHost(strategy), executor, keeper)
            while not state.scored_last:
                state = run.play(state)
                checkpoint.save(state, IDENTITY, {})
                if len(state.history) == stop_after and not state.scored_last:
                    state, _ = checkpoint.load(IDENTITY)
                    strategy = Whims()
                    host = LocalHost(strategy)
                    calls = Calls(self.seed, self.horizon_s, SITES)
                    replay(host, state, calls, keeper, lambda done, total: None)
                    run = self._experiment(host, executor, keeper)
        return state, strategy.seen

    def _experiment(self, host: LocalHost, executor: LocalExecutor, keeper: UpdateKeeper) -> Experiment:
        outages = Outages(self.seed, {name: SiteOutages(self.up_s, self.down_s) for name in NAMES})
        world = World(DefaultClock(self.seed, NAMES), outages, self.rules)
        return Experiment(self._settings, SITES, lambda n: n, world, host, executor, keeper, Notes())

    @property
    def _settings(self) -> ExperimentSettings:
        return settings(
            seed=self.seed,
            rounds=7,
            horizon_s=self.horizon_s,
            score_every=self.score_every,
            delta_updates=self.delta_updates,
        )


rules = st.builds(
    lambda start, resumable, deadline, late, least: Rules(
        start, resumable, deadline, late if deadline is not None else "drop", least
    ),
    st.sampled_from(["wait", "miss"]),
    st.booleans(),
    st.none() | st.floats(150, 900),
    st.sampled_from(["drop", "defer"]),
    st.integers(1, 2),
)
cases = st.builds(
    Case,
    seed=st.integers(0, 9999),
    up_s=st.floats(50, 3000),
    down_s=st.floats(0, 900),
    rules=rules,
    horizon_s=st.floats(300, 8000),
    score_every=st.integers(1, 3),
    opt_treatment=st.sampled_from(OptTreatment),
    delta_updates=st.booleans(),
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(cases)
def test_what_holds_in_every_run(case: Case) -> None:
    with tempfile.TemporaryDirectory() as folder:
        state, seen = case.play(Path(folder))

    *played, last = state.rounds
    assert last.status == "final" and last.round == len(played) == state.aggregator.round
    assert [row.round for row in state.rounds] == list(range(len(state.rounds)))
    assert [(row.round, row.site) for row in state.sites] == [(r.round, n) for r in played for n in NAMES]

    end = 0.0
    for row in played:
        assert end < case.horizon_s, "no round begins at or past the horizon"
        assert row.round_time_s > 0 and row.simulated_time_s == end + row.round_time_s
        end = row.simulated_time_s
    assert last.simulated_time_s == end and last.round_time_s == 0
    assert last.selected == last.received == last.dropped == last.bytes == 0
    for site in state.sites:
        assert site.time_s >= 0 and site.bytes_down >= 0 and site.bytes_up >= 0
        assert site.start_s == ([0.0] + [row.simulated_time_s for row in played])[site.round]
    for row in played:
        assert row.bytes == sum(s.bytes_down + s.bytes_up for s in state.sites if s.round == row.round)

    best = -math.inf
    for row in state.rounds:
        assert math.isnan(row.round_score) == (row.status != "final" and row.round % case.score_every != 0)
        best = max(best, row.round_score) if not math.isnan(row.round_score) else best
        assert row.best_score == best
        assert -1 <= row.convergence_score <= max(best, -1) + 1e-9
    assert state.aggregator.best.score == best

    status = {(row.round, row.site): row.status for row in state.sites}
    updates: dict[int, list[str]] = {row.round: [] for row in played}
    for number, name, age in seen:
        updates[number].append(name)
        assert status[number - age, name] == ("deferred" if age else "ok")
        assert name in state.history[number - age].selected
    origins = [(number - age, name) for number, name, age in seen]
    assert len(origins) == len(set(origins)), "an update counted twice"
    for row in played:
        assert updates[row.round] == sorted(set(updates[row.round])), "twice in one round, or out of order"
        assert row.selected == len(state.history[row.round].selected) >= row.dropped
        if row.status == "ok":
            assert row.received == len(updates[row.round]) >= case.rules.min_updates
        else:
            assert row.received < case.rules.min_updates and not updates[row.round]


@hypothesis_settings(max_examples=40, deadline=None)
@given(cases, st.integers(1, 7))
def test_a_resume_at_any_round_ends_like_an_undisturbed_run(case: Case, stop_after: int) -> None:
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
        undisturbed, _ = case.play(Path(whole))
        resumed, _ = case.play(Path(parts), stop_after)

        assert_same(undisturbed, resumed)
        assert contents(Path(whole)) == contents(Path(parts))


@pytest.mark.parametrize("seed", [1, 2])
def test_one_and_two_workers_give_the_same_run(tmp_path: Path, seed: int) -> None:
    case = Case(
        seed, 900.0, 300.0, Rules(deadline_s=400.0, late="defer"), 1e5, 2, OptTreatment.CONTINUE_GLOBAL, True
    )
    folders = [tmp_path / "one", tmp_path / "two"]
    runs = []
    for number, folder in enumerate(folders, start=1):
        folder.mkdir()
        runs.append(case.play(folder, workers=number)[0])

    assert_same(*runs)
    assert contents(folders[0]) == contents(folders[1])


def assert_same(one: RunState, other: RunState) -> None:
    assert repr(one.rounds) == repr(other.rounds)
    assert repr(one.sites) == repr(other.sites)
    assert one.segments == other.segments
    assert one.aggregator == other.aggregator
    for name, array in one.model.items():
        np.testing.assert_array_equal(other.model[name], array)
        np.testing.assert_array_equal(other.best[name], one.best[name])


def contents(folder: Path) -> dict[str, bytes]:
    """Return a checkpoint's files: equal runs leave equal ones."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
