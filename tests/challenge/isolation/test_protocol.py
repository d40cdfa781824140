from __future__ import annotations

import numpy as np
import pytest

from challenge.isolation.protocol import Configured, ConfigValues, configs_of, grouped, prefixed
from fl_core.ipc.frames import BadFrame

VALUES = ConfigValues(learning_rate=0.1, epochs=1, batches=None, proximal_mu=0.0, local_names=())


def test_groups_come_apart_as_they_were_put_together() -> None:
    groups = [{"a": np.zeros(1), "b/c": np.ones(1)}, {}, {"a": np.ones(2)}]
    assert grouped(prefixed(groups), 3) == groups


@pytest.mark.parametrize("key", ["a", "/a", "-1/a", "3/a", "x/a", "²/a", "9" * 50 + "/a"])
def test_an_array_of_no_group_is_a_bad_frame(key: str) -> None:
    with pytest.raises(BadFrame, match="belongs to none of 3"):
        grouped({key: np.zeros(1)}, 3)


@pytest.mark.parametrize(
    "answer",
    [
        Configured(1, (VALUES, VALUES), None, None),
        Configured(1, (), None, None),
        Configured(1, (VALUES,), {"1": 1}, None),
        Configured(1, (VALUES,), {"1": -1}, None),
    ],
)
def test_configurations_that_do_not_fit_their_sites_are_a_bad_frame(answer: Configured) -> None:
    with pytest.raises(BadFrame):
        configs_of(answer, {})


def test_sites_share_a_configuration() -> None:
    configs = configs_of(Configured(1, (VALUES,), {"1": 0, "2": 0}, None), {"0/c": np.ones(1)})
    assert isinstance(configs, dict) and configs["1"] is configs["2"]
    assert configs["1"].broadcast["c"].tolist() == [1.0] and configs["1"].learning_rate == 0.1
