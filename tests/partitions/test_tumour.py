from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from partitions.case import find_cases
from partitions.errors import DataError
from partitions.tumour import tumour_volumes


def test_volume_is_voxels_times_their_size(make_case: Callable[..., Path]) -> None:
    seg = np.zeros((12, 11, 10), np.uint8)
    seg[0, 0, :7], seg[1, 1, :2], seg[2, 2, :1] = 1, 2, 4
    make_case("a", seg=seg)
    folder = make_case("b", seg=np.zeros_like(seg))
    # Ten voxels of 1.0 x 1.5 x 2.0 mm.
    assert tumour_volumes(find_cases(folder.parent).cases) == {"a": pytest.approx(0.030), "b": 0.0}


def test_a_case_without_labels_is_an_error(make_case: Callable[..., Path]) -> None:
    folder = make_case("a", seg=None)
    with pytest.raises(DataError, match="has no labels"):
        tumour_volumes(find_cases(folder.parent, labels=False).cases)
