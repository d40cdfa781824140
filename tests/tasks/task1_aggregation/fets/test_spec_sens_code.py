from __future__ import annotations

import numpy as np
import pytest

from tasks.task1_aggregation.fets.spec_sens_code import brats_labels


def test_channels_become_regions():
    output = np.zeros((1, 3, 1, 1, 2))
    output[0, :, 0, 0, 0] = [0.4, 0.5, 0.9]
    target = np.ones_like(output)
    regions = brats_labels(output=output, target=target)
    assert {name: values[0, 0, 0, 0] for name, values in regions["outputs"].items()} == {
        "ET": 0.0,
        "TC": 1.0,
        "WT": 1.0,
    }
    assert regions["targets"]["ET"].shape == (1, 1, 1, 2)
    soft = brats_labels(output, target, binarized=False)
    assert soft["outputs"]["ET"][0, 0, 0, 0] == 0.4


def test_other_shapes_and_classes_are_refused():
    with pytest.raises(ValueError, match="3 channels"):
        brats_labels(np.zeros((1, 4, 2)), np.zeros((1, 4, 2)))
    with pytest.raises(ValueError, match="class_list"):
        brats_labels(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), class_list=["1", "2"])
