"""The experiment on the "+1" trainer: what a round does, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plus_one_world import METRICS, SITES, Notes, experiment, initial, play_all, setup

from fl_core.collaborator.settings import OptTreatment
from fl_core.durable import Disk
from fl_core.tensors import Tensors
from tasks.task1_aggregation.checkpoint import Checkpoint
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window
from tasks.task1_aggregation.rows import SiteRow, rows_to_csv
from tasks.task1_aggregation.run_state import first_state
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update

IDENTITY = {"config": "a"}


@pytest.mark.parametrize("rounds", [1, 2, 7])
@pytest.mark.parametrize("delta_updates", [False, True])
def test_r_rounds_give_exactly_initial_plus_r(rounds: int, delta_updates: bool) -> None:
    state = play_all(experiment(rounds=rounds, delta_updates=delta_updates))

    for name, start in initial().items():
        np.testing.assert_array_equal(state.model[name], start + rounds)
        np.testing.assert_array_equal(state.best[name], start + rounds)
    assert state.aggregator.best.round == rounds
    assert [row.round for row in state.rounds] == list(range(rounds + 1))
    assert state.rounds[-1].status == "final"


@pytest.mark.parametrize("stop_after", range(5))
def test_a_resume_at_every_round_gives_the_same_state(tmp_path: Path, stop_after: int) -> None:
    undisturbed = play_all(experiment())
    checkpoint = Checkpoint(tmp_path, Disk())
    run = experiment()
    state = first_state(initial())
    for _ in range(stop_after):
        state = run.play(state)
        checkpoint.save(state, IDENTITY, {})
    if stop_after:
        state, _ = checkpoint.load(IDENTITY)

    resumed = play_all(experiment(), state)

    assert resumed.rounds == undisturbed.rounds
    assert resumed.sites == undisturbed.sites
    assert resumed.aggregator == undisturbed.aggregator
    np.testing.assert_array_equal(resumed.model["weight"], initial()["weight"] + 4)


def test_the_score_belongs_to_the_model_that_the_round_started_with() -> None:
    state = play_all(experiment(rounds=3))

    start = (6 * 0.5 + 3 * 0.0) / 9
    assert [row.round_score for row in state.rounds] == pytest.approx([start + r for r in range(4)], abs=1e-6)
    assert [row.best_score for row in state.rounds] == pytest.approx([start + r for r in range(4)], abs=1e-6)


def test_skipped_rounds_have_an_empty_score_and_the_last_model_is_scored() -> None:
    state = play_all(experiment(rounds=4, score_every=3))

    assert [math.isnan(row.round_score) for row in state.rounds] == [False, True, True, False, False]


def test_a_worse_model_never_becomes_the_best() -> None:
    class Falls(Strategy):
        def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
            return {name: array - 1 for name, array in model.items()}

    state = play_all(experiment(Falls()))

    assert state.aggregator.best.round == 0
    np.testing.assert_array_equal(state.best["weight"], initial()["weight"])
    np.testing.assert_array_equal(state.model["weight"], initial()["weight"] - 4)


def test_losing_a_site_changes_the_score_of_no_round() -> None:
    out_for_ever = Outages(0, {"2": SiteOutages(windows=(Window(0.0, math.inf),))})
    without = play_all(experiment())
    lost = play_all(experiment(outages=out_for_ever, rules=Rules(start="miss")))

    assert [row.round_score for row in lost.rounds] == [row.round_score for row in without.rounds]
    assert [row.received for row in lost.rounds[:-1]] == [2, 2, 2, 2]
    assert {row.status for row in lost.sites if row.site == "2"} == {"missed"}
    assert all(math.isnan(row.loss) for row in lost.sites if row.site == "2")


def test_too_few_updates_leave_the_model_and_mark_the_round() -> None:
    out_for_ever = Outages(0, {"2": SiteOutages(windows=(Window(0.0, math.inf),))})
    state = play_all(experiment(outages=out_for_ever, rules=Rules(start="miss", min_updates=3)))

    np.testing.assert_array_equal(state.model["weight"], initial()["weight"])
    assert [row.status for row in state.rounds] == ["too few updates"] * 4 + ["final"]


def test_a_late_update_reaches_a_later_round_with_its_staleness() -> None:
    seen: list[tuple[int, str, int]] = []

    class Watch(Strategy):
        def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
            seen.extend((context.round, u.site, u.staleness) for u in updates)
            return super().aggregate(context, model, updates)

    rules = Rules(deadline_s=300.0, late="defer")
    state = play_all(experiment(Watch(), rules=rules, rounds=6))

    stale = [(r, site, age) for r, site, age in seen if age > 0]
    assert stale, seen
    for r, site, age in stale:
        statuses = {row.round: row.status for row in state.sites if row.site == site}
        assert statuses[r - age] == "deferred"
    for row in state.rounds[:-1]:
        sites = [site for r, site, _ in seen if r == row.round]
        assert len(sites) == len(set(sites)) == row.received


def test_the_strategy_sees_only_what_arrived_and_cannot_write() -> None:
    class Writes(Strategy):
        def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
            assert set(updates[0].metrics) >= {"loss", "dice_wt", "local_dice_wt"}
            assert math.isclose(sum(u.weight for u in updates), 1.0)
            with pytest.raises(ValueError, match="read-only"):
                updates[0].tensors["weight"][...] = 0  # type: ignore[index]
            with pytest.raises(ValueError, match="read-only"):
                model["weight"][...] = 0  # type: ignore[index]
            return super().aggregate(context, model, updates)

    state = play_all(experiment(Writes(), rounds=1))

    np.testing.assert_array_equal(state.model["weight"], initial()["weight"] + 1)


def test_history_grows_by_one_record_a_round() -> None:
    lengths: list[int] = []

    class Looks(Strategy):
        def select_sites(self, context: RoundContext) -> Any:
            lengths.append(len(context.history))
            assert [record.round for record in context.history] == list(range(context.round))
            return [n for n in context.names if n != "1"]

    state = play_all(experiment(Looks()))

    assert lengths == [0, 1, 2, 3]
    assert all(record.selected == ("2", "3") for record in state.history)
    assert all(set(record.sites) == {"1", "2", "3"} for record in state.history)


def test_one_configuration_per_site_reaches_each_site() -> None:
    class Configures(Strategy):
        def configure_round(self, context: RoundContext) -> dict[str, RoundConfig]:
            return {"1": RoundConfig(batches=7), "2": RoundConfig(epochs=0.5), "3": RoundConfig()}

    state = play_all(experiment(Configures(), rounds=1))

    epochs = {row.site: row.epochs for row in state.sites}
    assert epochs == {"1": 7 / 5, "2": 0.5, "3": 1.0}


def test_local_tensors_stay_at_their_site() -> None:
    class KeepsBias(Strategy):
        def configure_round(self, context: RoundContext) -> RoundConfig:
            return RoundConfig(local_names=("bias",))

    state = play_all(experiment(KeepsBias()))

    np.testing.assert_array_equal(state.model["weight"], initial()["weight"] + 4)
    np.testing.assert_array_equal(state.model["bias"], initial()["bias"])
    for site in SITES:
        np.testing.assert_array_equal(state.site_states[site.name]["tensor/bias"], initial()["bias"] + 4)


def test_optimizers_are_reset_kept_or_averaged() -> None:
    kept = play_all(experiment(worker=setup(opt_treatment=OptTreatment.CONTINUE_LOCAL)))
    averaged = play_all(experiment(worker=setup(opt_treatment=OptTreatment.CONTINUE_GLOBAL)))
    reset = play_all(experiment())

    assert reset.site_states == {} and reset.optimizer == {}
    assert [int(kept.site_states[s.name]["optimizer/steps"][0]) for s in SITES] == [4, 4, 4]
    assert kept.optimizer == {}
    assert int(averaged.optimizer["optimizer/steps"][0]) == 4
    np.testing.assert_array_equal(averaged.model["weight"], initial()["weight"] + 4)


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ({}, "missing"),
        ({"weight": np.zeros((2, 3), np.float32)}, "bias"),
        ({"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(3, np.float32), "x": np.zeros(1)}, "x"),
        ({"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(3, np.float32)}, "weight"),
        ({"weight": np.full((2, 3), np.nan, np.float32), "bias": np.zeros(3, np.float32)}, "weight"),
        ({"weight": np.zeros((2, 3), np.int64), "bias": np.zeros(3, np.float32)}, "weight"),
    ],
)
def test_a_broken_aggregate_is_named(answer: dict[str, Any], rule: str) -> None:
    class Breaks(Strategy):
        def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
            return answer

    with pytest.raises(StrategyError, match="aggregate") as caught:
        play_all(experiment(Breaks()))
    assert rule in str(caught.value)


def test_float64_is_cast_back_with_a_note() -> None:
    class Doubles(Strategy):
        def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
            return {name: array.astype(np.float64) + 1 for name, array in model.items()}

    notes = Notes()
    state = play_all(experiment(Doubles(), observer=notes, rounds=1))

    assert state.model["weight"].dtype == np.float32
    np.testing.assert_array_equal(state.model["weight"], initial()["weight"] + 1)
    assert any("float64" in note for note in notes.notes)


def test_the_run_ends_at_the_horizon_and_scores_its_last_model() -> None:
    state = play_all(experiment(rounds=50, horizon_s=1000.0))

    assert state.rounds[-1].status == "final"
    assert state.rounds[-3].simulated_time_s < 1000.0 <= state.rounds[-2].simulated_time_s


def test_a_site_whose_update_is_not_finite_is_left_out() -> None:
    class Plain(Strategy):
        pass

    notes = Notes()
    worker = setup(step=float("inf"), metrics=list(METRICS))
    state = play_all(experiment(Plain(), observer=notes, worker=worker, rounds=1))

    assert [row.status for row in state.sites] == ["invalid"] * 3
    assert state.rounds[0].status == "too few updates"
    assert any("not finite" in note or "finite" in note for note in notes.notes)


def test_the_profile_of_2022_does_not_credit_the_last_model() -> None:
    credited = play_all(experiment())
    plain = play_all(experiment(credit_last=False))

    assert credited.rounds[-1].convergence_score > credited.rounds[-2].convergence_score
    assert plain.rounds[-1].convergence_score == plain.rounds[-2].convergence_score
    assert replace(plain.rounds[0]) == credited.rounds[0]


@pytest.mark.parametrize("treatment", list(OptTreatment))
def test_local_tensors_last_as_long_as_the_training_that_left_them(treatment: OptTreatment) -> None:
    class KeepsBiasAtTimes(Strategy):
        def configure_round(self, context: RoundContext) -> RoundConfig:
            return RoundConfig(local_names=("bias",) if context.round in (0, 1, 3) else ())

    state = play_all(experiment(KeepsBiasAtTimes(), worker=setup(opt_treatment=treatment)))

    # Round 2 trained the global bias (0 to 1), so round 3 begins with that and not with what was local.
    np.testing.assert_array_equal(state.site_states["1"]["tensor/bias"], initial()["bias"] + 2)


def test_numbers_of_numpy_are_written_as_plain_ones() -> None:
    class Numpy(Strategy):
        def configure_round(self, context: RoundContext) -> RoundConfig:
            return RoundConfig(epochs=np.float64(0.5))

    state = play_all(experiment(Numpy(), rounds=1))

    assert b"numpy" not in rows_to_csv(SiteRow, state.sites) and b"np." not in rows_to_csv(
        SiteRow, state.sites
    )
    assert {row.epochs for row in state.sites} == {0.5}


def test_no_round_begins_because_the_horizon_was_missed_by_a_rounding_error() -> None:
    def offline(*windows: tuple[float, float]) -> Outages:
        return Outages(
            0, {site.name: SiteOutages(windows=tuple(Window(*w) for w in windows)) for site in SITES}
        )

    first, horizon, wait = next(
        (end, float(horizon), wait)
        for wait in np.arange(1, 30) * 0.7
        for end in [play_all(experiment(rounds=1, outages=offline((0.0, float(wait))))).simulated_time_s]
        for horizon in np.random.default_rng(0).uniform(2 * end, 3 * end, 100)
        if end + (horizon - end) < horizon
    )
    outages = offline((0.0, float(wait)), (first + 1.0, math.inf))

    state = play_all(experiment(rounds=9, horizon_s=horizon, outages=outages))

    assert [row.received for row in state.rounds] == [3, 0, 0]
    assert state.rounds[1].simulated_time_s < horizon
