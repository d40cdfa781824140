import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from challenge.records.compare import common_cases, compare_cases, lower_is_better
from challenge.records.errors import ComparisonError

Scores = dict[tuple[str, str], dict[str, float]]


def scores(metric: str, values: dict[str, list[float]]) -> Scores:
    """Cases "0", "1" … of each site with these values."""
    return {
        (site, str(number)): {metric: value}
        for site, own in values.items()
        for number, value in enumerate(own)
    }


@st.composite
def paired(draw: st.DrawFn) -> tuple[Scores, Scores]:
    value = st.integers(0, 100).map(lambda percent: percent / 100)
    sites = draw(
        st.dictionaries(st.sampled_from("abc"), st.lists(st.tuples(value, value), min_size=1, max_size=6))
    )
    sites = sites or {"a": [(0.5, 0.5)]}
    return (
        scores("dice_wt", {site: [a for a, _ in own] for site, own in sites.items()}),
        scores("dice_wt", {site: [b for _, b in own] for site, own in sites.items()}),
    )


def test_a_worked_example() -> None:
    a = scores("dice_wt", {"1": [0.5, 0.5], "2": [0.75, 0.25]})
    b = scores("dice_wt", {"1": [0.75, 0.5], "2": [0.5, 0.75], "3": [1.0]})
    (row,) = compare_cases(a, b)
    assert (row.metric, row.cases) == ("dice_wt", 4)
    assert (row.mean_a, row.mean_b, row.difference) == (0.5, 0.625, 0.125)
    assert (row.wins, row.ties, row.losses) == (2, 1, 1)
    assert -0.125 <= row.low < 0.125 < row.high <= 0.375


def test_of_distances_the_smaller_is_better() -> None:
    (row,) = compare_cases(
        scores("hd95_tc", {"1": [9.0, 5.0, 1.0]}), scores("hd95_tc", {"1": [4.0, 5.0, 0.0]})
    )
    assert lower_is_better("hd95_tc")
    assert row.difference == -2.0
    assert (row.wins, row.ties, row.losses) == (2, 1, 0)


def test_sites_are_drawn_and_then_cases_within_them() -> None:
    # Within each site all differences are equal: only the drawing of sites can move the mean.
    a = scores("dice_et", {"1": [0.0] * 10, "2": [0.0] * 30})
    b = scores("dice_et", {"1": [1.0] * 10, "2": [0.0] * 30})
    (row,) = compare_cases(a, b)
    assert (row.low, row.difference, row.high) == (0.0, 0.25, 1.0)


def test_sites_of_one_case_each_have_an_interval_of_the_usual_width() -> None:
    difference = np.random.default_rng(6).normal(0.1, 0.2, 100)
    a = scores("dice_wt", {str(site): [0.0] for site in range(100)})
    b = scores("dice_wt", {str(site): [value] for site, value in enumerate(difference.tolist())})
    (row,) = compare_cases(a, b)
    half = 1.96 * difference.std() / 10
    assert row.low == pytest.approx(difference.mean() - half, abs=0.15 * half)
    assert row.high == pytest.approx(difference.mean() + half, abs=0.15 * half)


def test_the_interval_covers_as_the_normal_theory_says() -> None:
    difference = np.random.default_rng(5).normal(0.1, 0.2, 400)
    a = scores("dice_wt", {"1": [0.0] * 400})
    b = scores("dice_wt", {"1": difference.tolist()})
    (row,) = compare_cases(a, b)
    half = 1.96 * difference.std() / 20
    assert row.low == pytest.approx(difference.mean() - half, abs=0.1 * half)
    assert row.high == pytest.approx(difference.mean() + half, abs=0.1 * half)


@settings(deadline=None, max_examples=40)
@given(paired())
def test_changing_the_sides_mirrors_the_result(pair: tuple[Scores, Scores]) -> None:
    (one,), (two,) = compare_cases(*pair, resamples=200), compare_cases(pair[1], pair[0], resamples=200)
    assert (one.wins, one.ties, one.losses) == (two.losses, two.ties, two.wins)
    assert one.wins + one.ties + one.losses == one.cases == len(pair[0])
    assert two.difference == pytest.approx(-one.difference)
    assert (two.low, two.high) == (pytest.approx(-one.high), pytest.approx(-one.low))
    assert one.low <= one.high


@settings(deadline=None, max_examples=20)
@given(paired())
def test_the_order_of_cases_and_a_second_call_change_nothing(pair: tuple[Scores, Scores]) -> None:
    a, b = pair
    mixed = dict(reversed(a.items()))
    assert compare_cases(a, b, resamples=50) == compare_cases(mixed, b, resamples=50)


def test_a_missing_value_leaves_the_case_out_of_that_metric() -> None:
    a = {("1", "x"): {"dice_wt": 0.5, "dice_tc": 0.5}, ("1", "y"): {"dice_wt": 0.5, "dice_tc": float("nan")}}
    b = {("1", "x"): {"dice_wt": 1.0, "dice_tc": 0.5}, ("1", "y"): {"dice_wt": 0.5, "dice_tc": 0.5}}
    assert [(row.metric, row.cases) for row in compare_cases(a, b)] == [("dice_wt", 2), ("dice_tc", 1)]


def test_a_case_is_its_site_and_its_name() -> None:
    a, b = scores("dice_wt", {"1": [0.5]}), scores("dice_wt", {"2": [0.5]})
    assert common_cases(a, b) == []
    with pytest.raises(ComparisonError, match="no test case in common"):
        compare_cases(a, b)
    with pytest.raises(ComparisonError, match="same metric"):
        compare_cases(a, scores("dice_tc", {"1": [0.5]}))
