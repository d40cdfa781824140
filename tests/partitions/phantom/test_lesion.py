import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from partitions.phantom.case import PhantomCase
from partitions.phantom.federation import DEFAULT, TumourSizes
from partitions.phantom.lesion import CORE_LIMITS_ML, RIM_LIMITS_MM, WHOLE_LIMITS_ML, draw_plan

Cases = dict[str, list[PhantomCase]]


@given(
    st.integers(0, 2**32),
    st.floats(1.0, 300.0),
    st.floats(0.0, 1.5),
    st.floats(1.0, 8.0),
    st.floats(1.0, 30.0),
)
def test_plans_stay_within_the_documented_limits(
    seed: int, core: float, spread: float, ratio: float, rim: float
) -> None:
    plan = draw_plan(np.random.default_rng(seed), TumourSizes(core, spread, ratio, rim))
    assert CORE_LIMITS_ML[0] <= plan.core_ml <= CORE_LIMITS_ML[1]
    assert WHOLE_LIMITS_ML[0] <= plan.whole_ml <= WHOLE_LIMITS_ML[1]
    assert plan.whole_ml >= 1.6 * plan.core_ml
    assert RIM_LIMITS_MM[0] <= plan.rim_mm <= RIM_LIMITS_MM[1]


def test_volumes_lie_in_the_published_range(default_cases: Cases) -> None:
    for case in (case for cases in default_cases.values() for case in cases):
        whole, core, enhancing = (np.isin(case.labels, region) for region in ((1, 2, 4), (1, 4), (4,)))
        assert 15.0 <= whole.sum() * case.grid.voxel_ml <= 200.0
        assert 5.0 <= core.sum() * case.grid.voxel_ml <= 90.0
        assert 2.0 <= enhancing.sum() * case.grid.voxel_ml <= 70.0
        assert enhancing.sum() >= 60
        assert (case.labels == 1).sum() >= 20


def test_the_lesion_lies_inside_the_brain(default_cases: Cases) -> None:
    for case in (case for cases in default_cases.values() for case in cases):
        assert set(np.unique(case.labels)) == {0, 1, 2, 4}
        assert (case.images[:, case.labels > 0] > 0).all()


def test_core_and_whole_tumour_are_one_piece(default_cases: Cases) -> None:
    for case in (case for cases in default_cases.values() for case in cases):
        for region in ((1, 4), (1, 2, 4)):
            _, pieces = ndimage.label(np.isin(case.labels, region), np.ones((3, 3, 3)))
            assert pieces == 1


def test_the_rim_encloses_the_necrosis(default_cases: Cases) -> None:
    for case in (case for cases in default_cases.values() for case in cases):
        beside = ndimage.binary_dilation(case.labels == 1) & (case.labels != 1)
        assert (case.labels[beside] == 4).mean() > 0.95


def test_oedema_borders_the_core_where_white_matter_does(default_cases: Cases) -> None:
    shares = []
    for case in (case for cases in default_cases.values() for case in cases):
        core = np.isin(case.labels, (1, 4))
        beside = ndimage.binary_dilation(core) & ~core & (case.images[0] > 0)
        shares.append((case.labels[beside] == 2).mean())
    assert np.mean(shares) > 0.6
    assert min(shares) > 0.25


def test_the_rim_is_typically_about_two_voxels_thick(default_cases: Cases) -> None:
    thickness = []
    for case in (case for cases in default_cases.values() for case in cases):
        core = np.isin(case.labels, (1, 4))
        to_outside = ndimage.distance_transform_edt(core)
        inner_border = ndimage.binary_dilation(case.labels == 1) & (case.labels == 4)
        thickness.append(np.median(to_outside[inner_border]))
    assert np.median(thickness) >= 1.7
    assert min(thickness) >= 1.0


def test_tumour_sizes_differ_between_institutions(default_cases: Cases) -> None:
    medians = {}
    for spec in DEFAULT:
        rng = np.random.default_rng(0)
        medians[spec.name] = np.median([draw_plan(rng, spec.tumours).core_ml for _ in range(300)])
        assert medians[spec.name] == pytest.approx(spec.tumours.core_ml, rel=0.1)
    assert max(medians.values()) > 2.5 * min(medians.values())
    drawn = {
        name: sum(int(np.isin(case.labels, (1, 4)).sum()) for case in cases)
        for name, cases in default_cases.items()
    }
    assert drawn["3"] > 2 * drawn["4"]
