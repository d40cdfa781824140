"""Groups of submissions that cannot be told apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from leaderboard.tied_groups import group_letters, tied_groups
from leaderboard.uncertainty import Uncertainty, summarised


def uncertainty(before: list[list[float]]) -> Uncertainty:
    names = tuple("abcdefgh"[: len(before)])
    ranks = np.arange(1.0, len(before) + 1)
    found = summarised(names, ranks[np.newaxis], ranks, 0.95)
    return Uncertainty(**{**vars(found), "before": np.array(before)})


def test_groups_overlap_where_closeness_is_not_transitive() -> None:
    found = uncertainty([[0.5, 0.9, 0.99], [0.1, 0.5, 0.8], [0.01, 0.2, 0.5]])

    groups = tied_groups(np.array([1.0, 2.0, 3.0]), found)

    assert groups == (("a", "b"), ("b", "c"))
    assert group_letters(groups) == {"a": "a", "b": "a b", "c": "b"}


def test_the_level_is_reached_at_97_5_percent() -> None:
    assert tied_groups(np.array([1.0, 2.0]), uncertainty([[0.5, 0.975], [0.025, 0.5]])) == (("a",), ("b",))
    assert tied_groups(np.array([1.0, 2.0]), uncertainty([[0.5, 0.974], [0.026, 0.5]])) == (("a", "b"),)


def test_the_groups_follow_the_ranking_and_not_the_names() -> None:
    found = uncertainty([[0.5, 0.0, 0.5], [1.0, 0.5, 1.0], [0.5, 0.0, 0.5]])

    assert tied_groups(np.array([2.0, 1.0, 2.0]), found) == (("b",), ("a", "c"))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 7), st.integers(0, 2**32 - 1))
def test_everybody_is_in_a_group_and_no_group_in_another(names: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ranks = (
        np.argsort(rng.normal(np.arange(names), rng.random() * 3, (40, names)), axis=1).argsort(axis=1) + 1.0
    )
    point = ranks.mean(axis=0)
    found = summarised(tuple("abcdefgh"[:names]), ranks, point, 0.95)

    groups = tied_groups(point, found)

    assert {name for group in groups for name in group} == set(found.submissions)
    assert not any(set(one) < set(two) for one in groups for two in groups)
    for group in groups:
        own = [found.submissions.index(name) for name in group]
        share = found.before[np.ix_(own, own)]
        assert share.max() < 0.975


def test_letters_go_on_after_z() -> None:
    letters = group_letters(tuple((f"n{number}",) for number in range(28)))

    assert (letters["n25"], letters["n26"], letters["n27"]) == ("z", "aa", "ab")
