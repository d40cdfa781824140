import dataclasses

import numpy as np

from partitions.phantom.case import make_case
from partitions.phantom.federation import TINY
from partitions.phantom.grid import grid_at

GRID = grid_at(8.0)


def test_a_case_depends_on_seed_institution_and_number_alone() -> None:
    first = make_case(4, TINY[0], 1, GRID)
    again = make_case(4, dataclasses.replace(TINY[0], train_validation=9, hidden=0), 1, GRID)
    assert (first.images == again.images).all()
    assert (first.labels == again.labels).all()
    for other in (make_case(5, TINY[0], 1, GRID), make_case(4, TINY[0], 2, GRID)):
        assert (first.labels != other.labels).any()


def test_two_institutions_with_the_same_settings_have_different_cases() -> None:
    twin = dataclasses.replace(TINY[0], name="twin")
    assert (make_case(0, TINY[0], 0, GRID).labels != make_case(0, twin, 0, GRID).labels).any()


def test_another_scanner_leaves_the_patient_alone() -> None:
    moved = dataclasses.replace(TINY[0], scanner=TINY[2].scanner)
    first, second = make_case(0, TINY[0], 0, GRID), make_case(0, moved, 0, GRID)
    assert (first.labels == second.labels).all()
    assert np.array_equal(first.images > 0, second.images > 0)
    assert (first.images != second.images).any()


def test_the_same_patient_on_a_finer_grid() -> None:
    coarse, fine = make_case(0, TINY[0], 0, grid_at(6.0)), make_case(0, TINY[0], 0, grid_at(3.0))
    volumes = [(case.labels > 0).sum() * case.grid.voxel_ml for case in (coarse, fine)]
    assert abs(volumes[0] - volumes[1]) < 0.15 * volumes[1]
