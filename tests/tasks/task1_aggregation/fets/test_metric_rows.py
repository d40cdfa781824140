from __future__ import annotations

import numpy as np
import pytest

from tasks.task1_aggregation.context import SiteInfo, SiteRecord
from tasks.task1_aggregation.fets.metric_rows import metric_rows

SITES = (SiteInfo("1", 6, 3), SiteInfo("2", 4, 1), SiteInfo("10", 2, 4))


def found(rows, name, tags):
    values = [row.nparray for row in rows if row.tensor_name == name and row.tags == tags]
    assert len(values) <= 1
    return float(values[0]) if values else None


def test_names_and_tags_of_both_editions_with_means_by_cases():
    records = {
        "1": SiteRecord(
            "ok", True, 5.0, {"valid_dice": 0.5, "dice_et": 0.2, "local_valid_dice": 0.6, "loss": 1.0}
        ),
        "2": SiteRecord("ok", True, 6.0, {"valid_dice": 0.9, "dice_et": 0.6, "loss": 3.0, "hd95_wt": 8.0}),
        "10": SiteRecord("lost", False, 0.0, {}),
    }
    rows = list(metric_rows(4, records, SITES))
    assert found(rows, "valid_dice", ("1", "metric", "validate_agg")) == 0.5
    assert found(rows, "valid_dice", ("1", "metric", "validate_local")) == 0.6
    assert found(rows, "valid_dice", ("metric", "validate_agg")) == pytest.approx((0.5 * 3 + 0.9 * 1) / 4)
    et = "performance_evaluation_metric_binary_DICE_ET"
    assert found(rows, et, ("metric", "validate_agg")) == pytest.approx((0.2 * 3 + 0.6) / 4)
    wt = "performance_evaluation_metric_binary_Hausdorff95_WT"
    assert found(rows, wt, ("2", "metric", "validate_agg")) == 8.0
    assert found(rows, wt, ("metric", "validate_agg")) == 8.0
    assert found(rows, "loss", ("2", "metric")) == 3.0
    assert found(rows, "loss", ("metric",)) == pytest.approx((1 * 6 + 3 * 4) / 10)
    assert found(rows, "valid_dice", ("10", "metric", "validate_agg")) is None
    assert {(row.origin, row.round, row.report) for row in rows} == {("aggregator", 4, True)}
    assert all(row.tags == tuple(sorted(row.tags)) for row in rows)
    assert all(isinstance(row.nparray, np.ndarray) and row.nparray.shape == () for row in rows)


def test_the_first_tag_of_a_numbered_site_is_its_number():
    records = {"10": SiteRecord("ok", True, 1.0, {"valid_loss": 0.1, "train_dice": 0.3})}
    own = [row for row in metric_rows(0, records, SITES) if "10" in row.tags]
    assert [int(row.tags[0]) for row in own] == [10, 10]


def test_nothing_arrived_nothing_is_recorded():
    assert list(metric_rows(0, {"1": SiteRecord("down", False, 0.0)}, SITES)) == []
