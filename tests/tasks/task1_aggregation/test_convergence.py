from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.task1_aggregation.convergence import WEEK_S, ConvergenceState


def run(rounds: list[tuple[float | None, float]]) -> ConvergenceState:
    state = ConvergenceState()
    for score, seconds in rounds:
        state = state.advance(score, seconds)
    return state


def area_under_steps(rounds: list[tuple[float | None, float]], horizon: float) -> float:
    """Integrate best-so-far over [0, horizon] from the list of its jumps."""
    jumps, t = [], 0.0
    for score, seconds in rounds:
        jumps.append((t, -1.0 if score is None else score))
        t += seconds
    area, best = 0.0, -1.0
    for index, (start, score) in enumerate(jumps):
        best = max(best, score)
        end = jumps[index + 1][0] if index + 1 < len(jumps) else horizon
        area += best * max(0.0, min(end, horizon) - min(start, horizon))
    return area / horizon


def test_worked_example_of_the_challenge() -> None:
    state = run([(0.5, 200000), (0.7, 250000), (0.6, 300000)])
    assert (state.best, state.area_s, state.elapsed_s) == (0.7, pytest.approx(485000), 750000)
    assert f"{state.score(WEEK_S):.6f}" == "0.633862"


scores = st.one_of(st.none(), st.floats(0, 1))


@given(st.lists(st.tuples(scores, st.floats(1, 300)), min_size=1, max_size=12), scores, st.floats(200, 900))
def test_equals_the_area_under_the_step_function(
    rounds: list[tuple[float | None, float]], last: float | None, horizon: float
) -> None:
    played, elapsed = [], 0.0
    for score, seconds in rounds:
        played.append((score, seconds))
        elapsed += seconds
        if elapsed > horizon:
            break
    played.append((last, 0.0))
    assert run(played).score(horizon) == pytest.approx(area_under_steps(played, horizon), abs=1e-9)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(1, 50)), min_size=1, max_size=8))
def test_equals_the_formula_in_every_round(rounds: list[tuple[float, float]]) -> None:
    horizon, state = 1000.0, ConvergenceState()
    for index, (score, seconds) in enumerate(rounds):
        state = state.advance(score, seconds)
        best = [max(s for s, _ in rounds[: i + 1]) for i in range(index + 1)]
        area = sum(b * s for b, (_, s) in zip(best, rounds, strict=False))
        elapsed = sum(s for _, s in rounds[: index + 1])
        expected = ((horizon - elapsed) * best[-1] + area) / horizon
        assert state.score(horizon) == pytest.approx(expected, abs=1e-12)


def test_a_model_scored_after_the_horizon_earns_nothing() -> None:
    overrun = run([(0.5, 600), (0.7, 600)])
    assert overrun.advance(0.9, 0).score(1000) == overrun.score(1000) == pytest.approx(0.58)
    assert overrun.advance(0.9, 0).best == 0.9


def test_the_last_model_is_carried_forward_to_the_horizon() -> None:
    assert run([(0.5, 400), (0.9, 0)]).score(1000) == pytest.approx(0.4 * 0.5 + 0.6 * 0.9)


@pytest.mark.parametrize("nothing", [None, math.nan, math.inf, -math.inf])
def test_a_skipped_or_broken_score_never_improves(nothing: float | None) -> None:
    assert run([(0.5, 100), (nothing, 100)]) == run([(0.5, 100), (0.1, 100)])


def test_without_any_score_the_best_is_minus_one() -> None:
    assert run([(None, 300), (0.5, 0)]).score(1000) == pytest.approx((-300 + 700 * 0.5) / 1000)


def test_round_zero_defines_the_best_even_below_zero() -> None:
    assert run([(-0.5, 10)]).best == -0.5


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf])
def test_impossible_round_times_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="round takes"):
        ConvergenceState().advance(0.5, seconds)


@pytest.mark.parametrize("horizon", [0.0, -1.0, math.nan, math.inf])
def test_impossible_horizons_are_refused(horizon: float) -> None:
    with pytest.raises(ValueError, match="horizon"):
        ConvergenceState().score(horizon)
