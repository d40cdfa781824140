"""Who does what: every collaborator has an answer, whatever the percentages and the count."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_core.assigner.functional import FunctionalAssigner
from fl_core.assigner.random_grouped import RandomGroup, RandomGroupedAssigner
from fl_core.assigner.static_grouped import StaticGroup, StaticGroupedAssigner
from fl_core.errors import InputError

PAPER = (
    RandomGroup("validation_only", 0.5, ("validate",)),
    RandomGroup("train_and_validate", 0.5, ("validate", "train")),
)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 10])
def test_the_papers_groups_serve_any_number_of_collaborators(count: int) -> None:
    names = [f"c{i}" for i in range(count)]

    assigned = RandomGroupedAssigner(PAPER, seed=4).assign(0, names)

    assert list(assigned) == names
    sizes = Counter(assigned.values())
    assert set(sizes.values()) <= {count // 2, math.ceil(count / 2)} and sizes.total() == count


@pytest.mark.parametrize("count", [1, 3])
def test_groups_of_equal_share_draw_lots_for_the_odd_collaborator(count: int) -> None:
    names = [f"c{i}" for i in range(count)]
    assigner = RandomGroupedAssigner(PAPER, seed=4)

    rounds = [assigner.assign(round, names) for round in range(200)]

    trained = Counter(len([tasks for tasks in r.values() if "train" in tasks]) for r in rounds)
    assert set(trained) == {count // 2, count // 2 + 1}
    # 200 fair draws: fewer than 60 or more than 140 on one side happens once in 10^8 seeds.
    assert 60 <= trained[count // 2] <= 140
    each = Counter(name for r in rounds for name, tasks in r.items() if "train" in tasks)
    assert set(each) == set(names)


def test_a_larger_remainder_goes_before_the_lot() -> None:
    groups = [RandomGroup("a", 0.4, ("a",)), RandomGroup("b", 0.6, ("b",))]

    for round in range(50):
        assert RandomGroupedAssigner(groups, seed=2).assign(round, ["one"]) == {"one": ("b",)}


@given(
    st.lists(st.integers(0, 10), min_size=1, max_size=5).filter(any),
    st.integers(0, 40),
    st.integers(0, 5),
)
def test_group_sizes_are_within_one_of_their_share(weights: list[int], count: int, round: int) -> None:
    groups = [RandomGroup(str(i), w / sum(weights), (str(i),)) for i, w in enumerate(weights)]
    names = [f"c{i}" for i in range(count)]

    assigned = RandomGroupedAssigner(groups, seed=1).assign(round, names)

    sizes = Counter(tasks[0] for tasks in assigned.values())
    assert sum(sizes.values()) == count
    for group in groups:
        assert abs(sizes[group.name] - count * group.percentage) < 1 + 1e-6


def test_rounds_differ_and_repeat() -> None:
    names = [f"c{i}" for i in range(20)]
    assigner = RandomGroupedAssigner(PAPER, seed=1)

    assert assigner.assign(3, names) == RandomGroupedAssigner(PAPER, seed=1).assign(3, list(reversed(names)))
    assert assigner.assign(3, names) != assigner.assign(4, names)


@pytest.mark.parametrize("shares", [(0.5, 0.4), (1.5, -0.5), (0.0,)])
def test_percentages_must_add_up(shares: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="add up to 1"):
        RandomGroupedAssigner([RandomGroup(str(i), share, ()) for i, share in enumerate(shares)])


def test_static_groups() -> None:
    groups = [StaticGroup("g", ("a", "b"), ("train",)), StaticGroup("h", ("c",), ("validate",))]

    assigned = StaticGroupedAssigner(groups).assign(5, ["a", "c", "d"])

    assert assigned == {"a": ("train",), "c": ("validate",), "d": ()}
    with pytest.raises(InputError, match="'a' stands in two groups"):
        StaticGroupedAssigner([*groups, StaticGroup("i", ("a",), ())])


def test_a_function_cannot_name_strangers() -> None:
    with pytest.raises(InputError, match="'z'"):
        FunctionalAssigner(lambda round, names: {"z": ()}).assign(0, ["a"])
