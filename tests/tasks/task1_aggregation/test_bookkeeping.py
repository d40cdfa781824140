"""What crosses the wire, in bytes."""

from __future__ import annotations

import numpy as np
import pytest
from plus_one_world import SITES, experiment, play_all, setup

from fl_core.collaborator.settings import OptTreatment
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.strategy import RoundConfig, Strategy

MODEL = (2 * 3 + 3) * 4
STEPS = 8


class Broadcasts(Strategy):
    """Trains two sites and sends one of them something beside the model."""

    def select_sites(self, context: RoundContext) -> tuple[str, ...]:
        return ("1", "2")

    def configure_round(self, context: RoundContext) -> dict[str, RoundConfig]:
        return {"1": RoundConfig(broadcast={"c": np.zeros(5)}), "2": RoundConfig()}


def test_every_array_that_crosses_is_counted() -> None:
    state = play_all(
        experiment(Broadcasts(), worker=setup(opt_treatment=OptTreatment.CONTINUE_GLOBAL), rounds=2)
    )

    bytes_of = {(row.round, row.site): (row.bytes_down, row.bytes_up) for row in state.sites}
    assert bytes_of[0, "1"] == (MODEL + 40, MODEL + STEPS)
    assert bytes_of[0, "2"] == (MODEL, MODEL + STEPS)
    assert bytes_of[1, "1"] == (MODEL + 40 + STEPS, MODEL + STEPS)
    assert bytes_of[1, "3"] == (MODEL, 0)
    assert [row.bytes for row in state.rounds] == [
        sum(sum(bytes_of[number, site.name]) for site in SITES) for number in (0, 1)
    ] + [0]


@pytest.mark.parametrize("delta_updates", [False, True])
def test_optimizers_that_stay_at_their_site_cross_nothing(delta_updates: bool) -> None:
    worker = setup(opt_treatment=OptTreatment.CONTINUE_LOCAL, delta_updates=delta_updates)
    state = play_all(experiment(worker=worker, delta_updates=delta_updates, rounds=2))

    assert {(row.bytes_down, row.bytes_up) for row in state.sites} == {(MODEL, MODEL)}


def test_a_transfer_that_a_deadline_cuts_counts_in_part() -> None:
    state = play_all(experiment(rules=Rules(deadline_s=20.0), rounds=1))

    assert {row.status for row in state.sites} == {"late"}
    assert all(0 < row.bytes_down <= MODEL and row.bytes_up == 0 for row in state.sites)
