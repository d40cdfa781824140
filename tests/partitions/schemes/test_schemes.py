"""What every scheme must hold, and what each is for."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partitions.errors import DataError
from partitions.schemes.base import Parameters
from partitions.schemes.dirichlet import dirichlet
from partitions.schemes.fets23 import fets23
from partitions.schemes.fets33 import fets33
from partitions.schemes.iid import iid
from partitions.schemes.natural import natural as natural_scheme
from partitions.schemes.quantity_skew import quantity_skew
from partitions.schemes.registry import SCHEMES
from partitions.schemes.sizes import FETS23, FETS33
from partitions.schemes.tumour_size import quantile_groups, tumour_size
from partitions.table import Partition, Row, check_rows

FREE = ("iid", "dirichlet", "quantity-skew")
SETTINGS = Parameters()


def volumes_of(count: int, seed: int = 0) -> dict[str, float]:
    drawn = np.random.default_rng(seed).lognormal(4, 0.8, count)
    return {f"case{index:04}": float(volume) for index, volume in enumerate(drawn)}


def natural_of(sizes: tuple[int, ...], tests: int = 0) -> tuple[dict[str, float], Partition]:
    """Volumes and a natural partition with these sizes and some test cases for each institution."""
    volumes = volumes_of(sum(sizes) + tests * len(sizes))
    names = iter(volumes)
    rows = []
    for number, size in enumerate(sizes, start=1):
        rows += [Row(str(number), next(names)) for _ in range(size)]
        rows += [Row(str(number), next(names), "test") for _ in range(tests)]
    return volumes, Partition(tuple(rows), "natural")


def sizes_of(partition: Partition) -> list[int]:
    return [sum(row.part != "test" for row in rows) for rows in partition.institutions.values()]


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(sorted(SCHEMES)),
    st.lists(st.integers(2, 40), min_size=1, max_size=8),
    st.integers(0, 3),
    st.integers(0, 4),
    st.floats(0.01, 100),
)
def test_every_case_once_two_per_institution_and_hidden_stays_hidden(
    name: str, sizes: list[int], tests: int, seed: int, alpha: float
) -> None:
    volumes, natural = natural_of(tuple(sizes), tests)
    volumes["unnamed"] = 5.0
    needed = {"fets23": 46, "fets33": 66}.get(name, 0)
    parameters = Parameters(alpha=alpha)
    if sum(sizes) < needed or (name == "tumour-size" and max(sizes) < 6):
        with pytest.raises(DataError):
            SCHEMES[name].function(volumes, natural, seed=seed, parameters=parameters)
        return
    made = SCHEMES[name].function(volumes, natural, seed=seed, parameters=parameters)
    check_rows(made)
    assert sorted(row.case for row in made.rows) == sorted(row.case for row in natural.rows)
    assert {r.case for r in made.rows if r.part} == {r.case for r in natural.rows if r.part}
    assert list(made.institutions) == [str(n) for n in range(1, len(made.institutions) + 1)]
    assert made == SCHEMES[name].function(volumes, natural, seed=seed, parameters=parameters)


@pytest.mark.parametrize("name", [*FREE, "fets23", "fets33"])
def test_schemes_that_draw_follow_the_seed(name: str) -> None:
    volumes = volumes_of(100)
    one, two = (SCHEMES[name].function(volumes, None, seed=seed, parameters=SETTINGS) for seed in (1, 2))
    assert one != two


@pytest.mark.parametrize("name", FREE)
def test_too_few_cases_are_said_clearly(name: str) -> None:
    with pytest.raises(DataError, match=rf"{name}: 4 institutions need at least 8 cases.*there are 7"):
        SCHEMES[name].function(volumes_of(7), None, seed=0, parameters=Parameters(institutions=4))


@pytest.mark.parametrize("scheme", [dirichlet, quantity_skew])
@pytest.mark.parametrize("alpha", [0.0, -1.0, math.inf, math.nan])
def test_alpha_must_be_positive(scheme, alpha: float) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DataError, match="alpha"):
        scheme(volumes_of(40), None, seed=0, parameters=Parameters(alpha=alpha))


def test_natural_is_the_data_s_own_and_says_what_to_do_without() -> None:
    volumes, own = natural_of((4, 5))
    assert natural_scheme(volumes, own, seed=0, parameters=SETTINGS) is own
    with pytest.raises(DataError, match="challenge partition make"):
        natural_scheme(volumes, None, seed=0, parameters=SETTINGS)


def test_iid_is_even_in_number_and_alike_in_size() -> None:
    volumes = volumes_of(600)
    made = iid(volumes, None, seed=3, parameters=Parameters(institutions=7))
    assert sorted(sizes_of(made)) == [85, 85, 86, 86, 86, 86, 86]
    means = [np.mean([np.log(volumes[row.case]) for row in rows]) for rows in made.institutions.values()]
    # Standard error of a mean of 86: 0.8 / sqrt(86) = 0.086.
    assert np.ptp(means) < 4 * 0.086


def test_quantity_skew_is_uneven_in_number_alike_in_size() -> None:
    volumes = volumes_of(600)
    skewed = sizes_of(quantity_skew(volumes, None, seed=0, parameters=Parameters(6, alpha=0.2)))
    even = sizes_of(quantity_skew(volumes, None, seed=0, parameters=Parameters(6, alpha=1e4)))
    assert max(skewed) > 200 and min(skewed) < 30
    assert max(even) - min(even) < 20


def test_dirichlet_is_uneven_in_tumour_size_by_alpha() -> None:
    volumes = volumes_of(400)
    middle = float(np.median(list(volumes.values())))

    def spread(alpha: float) -> float:
        made = dirichlet(volumes, None, seed=1, parameters=Parameters(5, alpha))
        shares = [np.mean([volumes[r.case] > middle for r in rows]) for rows in made.institutions.values()]
        return float(np.ptp(shares))

    assert spread(0.1) > 0.5
    assert spread(1e4) < 0.1


def test_tumour_size_makes_the_second_partition_of_the_challenge() -> None:
    volumes, own = natural_of(FETS23)
    made = tumour_size(volumes, own, seed=0, parameters=SETTINGS)
    assert sizes_of(made) == [size for family in FETS33 for size in family]
    by_institution = [[volumes[row.case] for row in rows] for rows in made.institutions.values()]
    for start in (0, 5, 16, 23, 28):
        small, middle, large = by_institution[start : start + 3]
        assert max(small) <= min(middle) and max(middle) <= min(large)


def test_tumour_size_places_test_cases_by_their_size() -> None:
    volumes, own = natural_of((9, 4), tests=6)
    made = tumour_size(volumes, own, seed=0, parameters=SETTINGS)
    assert sizes_of(made) == [3, 3, 3, 4]
    first = {row.case for row in own.institutions["1"]}
    thirds = list(made.institutions.values())[:3]
    assert {row.case for rows in thirds for row in rows} == first
    edges = [min(volumes[row.case] for row in rows if not row.part) for rows in thirds]
    for number, rows in enumerate(thirds):
        for row in rows:
            if row.part == "test":
                assert number == 0 or volumes[row.case] >= edges[number]
                assert number == 2 or volumes[row.case] < edges[number + 1]


def test_tumour_size_needs_institutions_to_cut() -> None:
    with pytest.raises(DataError, match=r"partition\.csv"):
        tumour_size(volumes_of(9), None, seed=0, parameters=SETTINGS)
    volumes, own = natural_of((5, 5))
    with pytest.raises(DataError, match="no institution has the 6 cases"):
        tumour_size(volumes, own, seed=0, parameters=SETTINGS)


def test_quantile_groups_lose_nothing() -> None:
    assert [len(group) for group in quantile_groups([str(n) for n in range(47)], 3)] == [16, 15, 16]
    assert [len(group) for group in quantile_groups(["a"], 3)] == [0, 0, 1]
    assert quantile_groups([], 3) == [[], [], []]


@pytest.mark.parametrize(("scheme", "count"), [(fets23, 23), (fets33, 33)])
def test_presets_have_the_real_number_of_institutions(scheme, count: int) -> None:  # type: ignore[no-untyped-def]
    made = scheme(volumes_of(200), None, seed=0, parameters=SETTINGS)
    assert len(made.institutions) == count
    with pytest.raises(DataError, match=f"need at least {2 * count} cases"):
        scheme(volumes_of(2 * count - 1), None, seed=0, parameters=SETTINGS)
    assert sizes_of(scheme(volumes_of(2 * count), None, seed=0, parameters=SETTINGS)) == [2] * count


def test_fets33_cuts_by_tumour_size() -> None:
    volumes = volumes_of(1251)
    made = fets33(volumes, None, seed=0, parameters=SETTINGS)
    assert sizes_of(made) == [size for family in FETS33 for size in family]
    small, middle, large = ([volumes[r.case] for r in made.institutions[n]] for n in ("1", "2", "3"))
    assert max(small) <= min(middle) and max(middle) <= min(large)
