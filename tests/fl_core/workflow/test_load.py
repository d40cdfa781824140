"""What took minutes elsewhere: many rounds, many small tensors, many sites; and one connection for all."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fx_federation import AGGREGATOR, edit_plan, parties, reweigh, rows, wait_until
from lead_world import PATIENCE, World, terms
from plan_run import run_plan
from rough_network import RoughNetwork
from workspaces import Federation, free_port

from fl_core.executor.base import SiteReport
from fl_core.federation.agreement import terms_of
from fl_core.plan.loader import load_plan
from fl_core.tensors.codec import read_file
from fl_core.transport.messages import Work


@pytest.mark.slow
def test_rounds_follow_each_other_at_once(two: Federation) -> None:
    """30 rounds, which with a poll of 10 s take 300 s."""
    edit_plan(two, lambda plan: plan["aggregator"]["settings"].update(rounds_to_train=30))
    with parties(two) as found:
        found.start()
        wait_until("both are there", lambda: found.text(AGGREGATOR).count(": connected") == 2)
        began = time.monotonic()
        found.processes[AGGREGATOR].wait_for("telling the sites that it is over", timeout=120)
        took_s = time.monotonic() - began
        found.end_well()

    assert len(rows(two)) == 31
    assert took_s < 60


@pytest.mark.slow
def test_a_site_has_one_connection_for_all_its_tensors_and_rounds(two: Federation) -> None:
    listening = free_port()
    with RoughNetwork(listening) as network, parties(two) as found:
        port = int(network.target.rpartition(":")[2])

        def change(plan: dict[str, Any]) -> None:
            plan["network"]["settings"]["agg_port"] = port
            plan["task_runner"]["settings"]["shapes"] = {f"t{i}": [50] for i in range(60)}

        edit_plan(two, change)
        reweigh(two)
        found.start(AGGREGATOR, words=("--listen", f"localhost:{listening}"))
        found.processes[AGGREGATOR].wait_for("listening on")
        found.start("one", "two")
        found.end_well()

        assert network.connections == 2
    assert len(read_file(two.aggregator / "save" / "last.safetensors")[0]) == 60


def test_many_small_tensors_of_many_sites_are_no_matter(two: Federation) -> None:
    """300 tensors, 10 sites: 80 to 120 s a round where the store was a table."""
    shapes = {f"t{i}": [20] for i in range(300)}
    edit_plan(two, lambda plan: plan["task_runner"]["settings"].update(shapes=shapes))
    reweigh(two)
    began = time.monotonic()

    run = run_plan(two.aggregator, {f"s{i}": "" for i in range(10)}, rounds=2)

    assert time.monotonic() - began < 20
    assert {float(array.mean()) for array in run.model.values()} == {2.0}


@pytest.mark.slow
def test_nothing_is_lost_while_the_round_before_is_cleared_away(tmp_path: Path) -> None:
    """40 rounds of 12 sites: rounds are committed and cleared beside the next one's arrivals."""
    names = tuple(f"s{i:02}" for i in range(12))
    world = World(tmp_path, replace(terms(40), db_store_rounds=1), names, patience=PATIENCE)

    assert world.run().finished

    assert [row["received"] for row in world.rows()] == ["12"] * 41
    assert {row["dropped"] for row in world.rows()} == {"0"}


def test_a_site_without_the_metric_does_not_hold_the_round_up(tmp_path: Path) -> None:
    def silent(work: Work, report: SiteReport) -> SiteReport:
        return replace(report, reports=tuple(replace(r, metrics={}) for r in report.reports))

    world = World(tmp_path, terms(2), ("a", "b"), changes={"b": silent})

    assert world.run().finished

    assert [(row["status"], row["received"]) for row in world.rows()] == [
        ("ok", "2"),
        ("ok", "2"),
        ("validation", "2"),
    ]
    assert all(row["score"] for row in world.rows()), "the other site's metric is there"


def test_two_federations_of_one_process_share_no_aggregation_function(
    two: Federation, tmp_path: Path
) -> None:
    def aggregation(step: float, folder: Path) -> Any:
        plan = (two.aggregator / "plan" / "plan.yaml").read_text()
        code = f"    aggregation: {__name__.rpartition('.')[2]}_rule.Stepping\n"
        code += f"    aggregation_settings: {{step: {step}}}\n"
        folder.mkdir()
        (folder / "plan.yaml").write_text(plan.replace("  settings:\n", f"  settings:\n{code}", 1))
        return terms_of(load_plan(folder / "plan.yaml"), "sha256:0").aggregation

    import sys
    import types

    rule = types.ModuleType(f"{__name__.rpartition('.')[2]}_rule")
    rule.Stepping = _Stepping  # type: ignore[attr-defined]
    sys.modules[rule.__name__] = rule
    try:
        one, other = aggregation(1.0, tmp_path / "one"), aggregation(2.0, tmp_path / "other")
    finally:
        del sys.modules[rule.__name__]
    assert (one.step, other.step) == (1.0, 2.0) and one is not other


class _Stepping:
    """An aggregation function with a setting of its own."""

    def __init__(self, step: float) -> None:
        self.step = step

    def __call__(self, *arguments: object) -> dict[str, np.ndarray]:
        return {}
