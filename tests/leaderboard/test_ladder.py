"""The Ladder: one moves up by a significant improvement, and learns nothing by anything else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranking_tables import array_table

from leaderboard.errors import TableError
from leaderboard.ladder import Attempt, climb, read_attempts, withheld


def test_small_gains_do_not_move_a_team_and_large_ones_do() -> None:
    rng = np.random.default_rng(0)
    first = rng.uniform(0.3, 0.7, 100)

    rungs = climb([first, first + rng.normal(0, 0.1, 100) - 0.001, first - 0.2 + rng.normal(0, 0.1, 100)])

    assert [rung.standing for rung in rungs] == [0, 0, 2]
    assert [rung.moved for rung in rungs] == [True, False, True]
    assert rungs[0].released == rungs[1].released == round(float(first.mean()) * 100) / 100


def test_random_attempts_gain_less_than_choosing_the_best_of_them() -> None:
    """Attack of the paper: many random attempts; on fresh cases all of them have a loss of one half."""
    rng = np.random.default_rng(1)
    attempts = rng.integers(0, 2, (300, 200)).astype(float)

    released = climb(attempts)[-1].released

    assert attempts.mean(axis=1).min() < 0.42
    assert released > attempts.mean(axis=1).min()
    assert released > 0.41


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 12))
def test_what_is_released_never_rises_and_changes_with_a_move_only(seed: int, count: int, cases: int) -> None:
    rungs = climb(np.random.default_rng(seed).random((count, cases)))

    for before, after in pairwise(rungs):
        assert after.released <= before.released
        assert after.moved or after == type(after)(before.standing, before.released, False)


def test_of_each_team_one_attempt_stands() -> None:
    values = np.stack([np.full((8, 1), level) for level in (0.5, 0.5, 0.9, 0.1)])
    table = array_table(values, [8], metrics=("dice_wt",))

    found = withheld(table, [Attempt("x", "m00"), Attempt("x", "m01"), Attempt("x", "m02")])

    assert found == {
        "m00": "was followed by a better attempt of x, which stands with m02",
        "m01": "was no significant improvement of x, which stands with m02",
    }
    with pytest.raises(TableError, match="m00 is named twice"):
        withheld(table, [Attempt("x", "m00"), Attempt("y", "m00")])
    with pytest.raises(TableError, match="z is not on the board"):
        withheld(table, [Attempt("x", "z")])
    with pytest.raises(TableError, match="same cases"):
        climb([[0.1], [0.1, 0.2]])


def test_attempts_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "attempts.csv").write_text("team,submission\nx,two\nx,one\n")
    assert read_attempts(tmp_path / "attempts.csv") == [Attempt("x", "two"), Attempt("x", "one")]
    (tmp_path / "attempts.csv").write_text("team\nx\n")
    with pytest.raises(TableError, match="no column submission"):
        read_attempts(tmp_path / "attempts.csv")
