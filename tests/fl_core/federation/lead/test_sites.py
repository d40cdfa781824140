"""Sites that are late, lost, wrong or hostile: dropped with a reason, and the federation goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from board_sites import Change, hand_in
from lead_world import PATIENCE, Everybody, World, in_process, initial_model, terms

from fl_core.errors import FederationError
from fl_core.executor.base import SiteReport
from fl_core.federation import progress
from fl_core.straggler.cutoff import Cutoff
from fl_core.straggler.percentage import Percentage
from fl_core.tensors import Array
from fl_core.tensors.codec import encode
from fl_core.transport.messages import Delivery, Withdrawal, Work


@dataclass
class Clock:
    """Stands still until it is told."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


def _tensors(change: Callable[[dict[str, Array]], dict[str, Array]]) -> Change:
    def changed(work: Work, report: SiteReport) -> SiteReport:
        if work.round != 0 or not report.tensors:
            return report
        return replace(report, tensors=change(dict(report.tensors)))

    return changed


def _reports(**values: object) -> Change:
    def changed(work: Work, report: SiteReport) -> SiteReport:
        if work.round != 0:
            return report
        return replace(report, reports=tuple(replace(r, **values) for r in report.reports))  # type: ignore[arg-type]

    return changed


def _first_task_only(work: Work, report: SiteReport) -> SiteReport:
    return replace(report, reports=report.reports[:1]) if work.round == 0 else report


HUGE = np.full((2, 3), 3e38, np.float32)
WRONG = {
    "NaN": (_tensors(lambda t: {**t, "w": np.full((2, 3), np.nan, np.float32)}), "tensor 'w' holds 6 values"),
    "infinity": (_tensors(lambda t: {**t, "w": np.full((2, 3), np.inf, np.float32)}), "must be finite"),
    "shape": (_tensors(lambda t: {**t, "w": t["w"].T}), "tensor 'w' has shape (3, 2); it must be (2, 3)"),
    "dtype": (_tensors(lambda t: {**t, "w": t["w"].astype(np.int32)}), "has dtype int32"),
    "a missing tensor": (_tensors(lambda t: {"w": t["w"], "b": t["b"]}), "missing 'steps'"),
    "an extra tensor": (_tensors(lambda t: {**t, "x": t["w"]}), "extra 'x'"),
    "an optimizer": (_tensors(lambda t: {**t, "optimizer/m": t["w"]}), "the plan shares no optimizer"),
    "no update": (_tensors(lambda t: {}), "an update is missing, though a task trains"),
    "samples": (_reports(samples=1_000_000_000), "claims 1000000000 samples; the registered cap is 9"),
    "negative samples": (_reports(samples=-1), "claims -1 samples"),
    "a metric that is NaN": (_reports(metrics={"accuracy": float("nan")}), "must be finite"),
    "a missing task": (_first_task_only, "results of the tasks validate; the work was validate, train"),
    "a lie about training": (_reports(trains=True), "says that it trained"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_report_is_refused_by_name_and_the_site_rejoins_next_round(tmp_path: Path, what: str) -> None:
    change, reason = WRONG[what]
    world = World(tmp_path, terms(2), changes={"b": change}, caps={"a": 9, "b": 9, "c": None})
    ended = world.run()
    assert ended.finished
    assert reason in world.sites["b"].answers[0]
    [dropped] = world.of(progress.SiteDropped)
    assert (dropped.site, dropped.round) == ("b", 0)
    assert reason in dropped.reason
    assert [row["dropped"] for row in world.rows()] == ["1", "0", "0"]
    assert [row["received"] for row in world.rows()] == ["2", "3", "3"]
    assert reason in world.rows("sites")[1]["reason"]
    assert encode(world.model()) == encode(in_process(world.terms))  # +1 whoever takes part


def test_a_delta_that_leaves_the_range_of_its_dtype_only_once_added_is_refused(tmp_path: Path) -> None:
    agreed = terms(1, delta_updates=True)
    world = World(tmp_path, agreed, changes={"b": _tensors(lambda t: {**t, "w": HUGE})})
    initial = {**initial_model(), "w": HUGE}
    world.initial.write_bytes(encode(initial))
    world.run()
    [dropped] = world.of(progress.SiteDropped)
    assert "added to the model" in dropped.reason


def test_too_few_updates_leave_the_model_and_the_round_is_marked(tmp_path: Path) -> None:
    wrong = WRONG["NaN"][0]
    world = World(tmp_path, terms(2, min_updates=3), changes={"a": wrong})
    world.run()
    assert [row["status"] for row in world.rows()] == ["too few updates", "ok", "validation"]
    assert encode(world.model()) == encode(in_process(terms(1)))


def test_a_round_in_which_nobody_delivers_ends_and_the_next_one_trains(tmp_path: Path) -> None:
    wrong = WRONG["NaN"][0]
    world = World(tmp_path, terms(2), changes=dict.fromkeys("abc", wrong))
    assert world.run().finished
    assert [row["received"] for row in world.rows()] == ["0", "3", "3"]
    assert world.rows()[0]["score"] == ""
    assert encode(world.model()) == encode(in_process(terms(1)))


def test_a_site_that_fails_is_dropped_with_its_reason(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), changes={"c": lambda work, report: None})
    with world.state() as state, world.lead(state) as lead:
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        thread = threading.Thread(target=lead.run)
        thread.start()
        for _ in range(2):
            work = _work_of(world, "c", thread)
            failure = Delivery(work.key, work.round, failure="RuntimeError; see the site's log")
            hand_in(lead.board, lead.spool, "c", work, failure)
            world.sites["c"].heard.clear()
        thread.join(20)
    assert not thread.is_alive()
    assert [d.reason for d in world.of(progress.SiteDropped)] == [
        "the site says: RuntimeError; see the site's log"
    ] * 2


def _work_of(world: World, site: str, lead: threading.Thread) -> Work:
    """Wait for a site's work."""
    until = time.monotonic() + 20
    while time.monotonic() < until and lead.is_alive():
        for heard in list(world.sites[site].heard):
            if isinstance(heard, Work):
                return heard
        time.sleep(0.005)
    raise AssertionError(f"{site} got no work")


@pytest.mark.parametrize("policy", [Cutoff(60, minimum=2), Percentage(0.6)])
def test_a_straggler_is_dropped_its_late_results_are_not_taken_and_it_rejoins(
    tmp_path: Path, policy: Cutoff | Percentage
) -> None:
    clock, go = Clock(), threading.Event()

    def slow(work: Work, report: SiteReport) -> SiteReport:
        if work.round == 0:
            assert go.wait(20)
        return report

    world = World(tmp_path, terms(2, straggler=policy), changes={"c": slow}, clock=clock)
    rows: list[progress.RoundEnded] = []

    def watch(told: progress.Progress) -> None:
        world.seen.append(told)
        if isinstance(told, progress.SiteDelivered) and isinstance(policy, Cutoff) and told.row.round == 0:
            clock.now_s += 35  # after two sites the cutoff is over
        if isinstance(told, progress.RoundEnded):
            rows.append(told)
            go.set()

    with world.state() as state:
        lead = world.lead(state, watch)
        for site in world.sites.values():
            site.connect(lead.board, lead.spool)
        while set(lead.board.present()) != {"a", "b", "c"}:
            time.sleep(0.005)
        ended = lead.run()
        for site in world.sites.values():
            site.leave()
    assert ended.finished
    assert (rows[0].row.received, rows[0].row.dropped) == (2, 1)
    dropped = [d for d in world.of(progress.SiteDropped) if d.round == 0]
    assert [d.site for d in dropped] == ["c"]
    assert dropped[0].reason.startswith("straggler")
    assert any(isinstance(heard, Withdrawal) for heard in world.sites["c"].heard)
    assert "not wanted" in world.sites["c"].answers[0]
    if isinstance(policy, Cutoff):
        assert rows[1].row.received == 3


def test_a_site_without_tasks_counts_as_done(tmp_path: Path) -> None:
    class OneIdle(Everybody):
        def assign(self, round: int, collaborators: object) -> dict[str, tuple[str, ...]]:
            return {"a": self.tasks, "b": (), "c": self.tasks}

    world = World(tmp_path, terms(1, assigner=OneIdle(), straggler=Percentage(1.0)))
    assert world.run().finished
    assert [row["status"] for row in world.rows("sites")][:3] == ["ok", "no tasks", "ok"]
    assert world.sites["b"].done == []


def test_a_lost_site_is_dropped_when_nobody_else_works_and_may_come_back(tmp_path: Path) -> None:
    clock = Clock()
    world = World(tmp_path, terms(2), clock=clock, patience=replace(PATIENCE, lost_after_s=100.0))

    def watch(told: progress.Progress) -> None:
        world.seen.append(told)
        if isinstance(told, progress.SiteDelivered) and told.row.round == 0:
            clock.now_s += 60
        if isinstance(told, progress.SiteDropped) and told.round == 0:
            world.sites["c"].connect(lead.board, lead.spool)
            while "c" not in lead.board.present():
                time.sleep(0.005)

    with world.state() as state:
        lead = world.lead(state, watch)
        for name in "ab":
            world.sites[name].connect(lead.board, lead.spool)
        ended = lead.run()
        for site in world.sites.values():
            site.leave()
    assert ended.finished
    assert [(d.site, d.round, d.reason) for d in world.of(progress.SiteDropped)] == [
        ("c", 0, "lost: not connected for 100 s")
    ]
    assert [row["received"] for row in world.rows()] == ["2", "3", "3"]


def test_where_nobody_is_there_the_lead_ends_with_an_error_and_the_round_stays_open(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), patience=replace(PATIENCE, lost_after_s=0.05))
    with (
        world.state() as state,
        world.lead(state) as lead,
        pytest.raises(FederationError, match="start the aggregator again"),
    ):
        lead.run()
    world.patience = PATIENCE
    assert world.run().finished
    assert encode(world.model()) == encode(in_process(world.terms))


def test_a_site_authorised_while_the_federation_runs_takes_part_from_the_next_round(tmp_path: Path) -> None:
    world = World(tmp_path, terms(3), ("a", "b"))

    def watch(told: progress.Progress) -> None:
        if isinstance(told, progress.SiteDelivered) and told.row.round == 1 and "c" not in world.caps:
            world.caps["c"] = 7
            world.sites["c"] = world.site("c")
            world.sites["c"].connect(lead.board, lead.spool)

    with world.state() as state:
        lead = world.lead(state, watch)
        for name in "ab":
            world.sites[name].connect(lead.board, lead.spool)
        lead.run()
        for site in world.sites.values():
            site.leave()
    assert [row["received"] for row in world.rows()] == ["2", "2", "3", "3"]


def test_nobody_authorised_is_an_error_that_tells_how_to_mend(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), ("a",))
    world.caps = {}
    with world.state() as state, world.lead(state) as lead, pytest.raises(FederationError, match="certify"):
        lead.run()


def test_rows_never_reach_the_folder(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1), changes={"a": _reports(rows=({"case": "secret-7"},))})
    world.run()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files and not any(b"secret-7" in path.read_bytes() for path in files)
