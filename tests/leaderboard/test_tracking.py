"""The tracker with stand-ins for MLflow: order, new attempts, the outbox."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.outbox import Message, load_outbox, save_outbox
from leaderboard.tracking import Tracker


class Run:
    """Keeps what it is told; fails while `down`."""

    def __init__(self) -> None:
        self.run_id = "r1"
        self.told: list[Message] = []
        self.down = False
        self.attempts = 0

    def deliver(self, message: Message) -> list[str]:
        self.attempts += 1
        if self.down:
            raise ConnectionError("refused by https://ann:secret@board")
        self.told.append(message)
        return ["left something out"] if message.kind == "params" else []


@pytest.fixture
def run() -> Run:
    return Run()


def tracker_of(
    run: Run, outbox: Path, first_pause_s: float = 60.0, connect: Callable[[], Run] | None = None
) -> Tracker:
    return Tracker(connect or (lambda: run), outbox, first_pause_s=first_pause_s)  # type: ignore[arg-type,return-value]


def kinds(run: Run) -> list[str]:
    return [message.kind for message in run.told]


def test_messages_arrive_in_order(run: Run, tmp_path: Path) -> None:
    tracker = tracker_of(run, tmp_path / "outbox.jsonl")
    tracker.log_params({"seed": 3})
    tracker.log_round(0, {"score": 0.25})
    tracker.finish()
    assert tracker.close(10)
    assert kinds(run) == ["open", "params", "round", "finish"]
    assert run.told[1].content == {"seed": "3"}
    assert run.told[2].content["metrics"] == {"score": 0.25}
    assert run.told[3].content["status"] == "FINISHED"
    assert tracker.problems == ("left something out",)
    assert tracker.run_id == "r1"
    assert not (tmp_path / "outbox.jsonl").exists()


def test_the_run_does_not_wait_for_a_slow_store(run: Run, tmp_path: Path) -> None:
    gate = threading.Event()

    def connect() -> Run:
        gate.wait(30)
        return run

    tracker = tracker_of(run, tmp_path / "outbox.jsonl", connect=connect)
    begun = time.monotonic()
    tracker.log_round(0, {"score": 1.0})
    assert tracker.run_id is None
    assert tracker.wait_for_run_id(0.01) is None
    assert not tracker.close(0.05)
    assert time.monotonic() - begun < 5
    assert [message.kind for message in load_outbox(tmp_path / "outbox.jsonl")] == ["round"]
    assert "no answer within 0.05 s" in tracker.problems[0]
    gate.set()


def test_a_store_that_is_down_costs_nothing_but_the_view(run: Run, tmp_path: Path) -> None:
    outbox = tmp_path / "checkpoint" / "outbox.jsonl"
    run.down = True
    tracker = tracker_of(run, outbox)
    for step in range(5):
        tracker.log_round(step, {"score": step / 10})
    tracker.finish("FAILED")
    assert not tracker.close(10)
    assert run.told == []
    assert [message.kind for message in load_outbox(outbox)] == ["round"] * 5 + ["finish"]
    assert tracker.problems[0] == "MLflow: ConnectionError: refused by https://***@board"
    assert "6 messages" in tracker.problems[1]
    assert str(outbox) in tracker.problems[1]
    assert run.attempts <= 2  # one at once, one on closing: a dead server is not hammered

    run.down = False
    assert tracker_of(run, outbox).close(10)
    assert kinds(run) == ["open"] + ["round"] * 5 + ["finish"]
    assert [message.content.get("step") for message in run.told[1:6]] == [0, 1, 2, 3, 4]
    assert not outbox.exists()


def test_it_tries_again_by_itself_after_a_pause(run: Run, tmp_path: Path) -> None:
    run.down = True
    tracker = tracker_of(run, tmp_path / "outbox.jsonl", first_pause_s=0.02)
    tracker.log_round(0, {"score": 0.5})
    until = time.monotonic() + 10
    while run.attempts < 3 and time.monotonic() < until:
        time.sleep(0.01)
    run.down = False
    while len(run.told) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert kinds(run) == ["open", "round"]
    assert tracker.close(10)
    assert len(tracker.problems) == 1  # the same problem is told once


def test_a_failed_connection_is_made_again_on_closing(run: Run, tmp_path: Path) -> None:
    attempts: list[int] = []

    def connect() -> Run:
        attempts.append(1)
        if len(attempts) == 1:
            raise ImportError("partially initialised module")
        return run

    tracker = tracker_of(run, tmp_path / "outbox.jsonl", connect=connect)
    assert tracker.wait_for_run_id(10) is None
    tracker.log_tags({"a": "b"})
    assert tracker.close(10)
    assert kinds(run) == ["open", "tags"]


def test_a_damaged_outbox_is_a_problem_and_stays(run: Run, tmp_path: Path) -> None:
    (tmp_path / "outbox.jsonl").write_text("{")
    run.down = True
    tracker = tracker_of(run, tmp_path / "outbox.jsonl")
    tracker.log_tags({"a": "b"})
    assert not tracker.close(10)
    assert "not JSON" in tracker.problems[0]
    assert (tmp_path / "outbox.jsonl").read_text() == "{"
    (other,) = set(tmp_path.iterdir()) - {tmp_path / "outbox.jsonl"}
    assert [message.kind for message in load_outbox(other)] == ["tags"]


def test_an_outbox_that_cannot_be_written_is_a_problem(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run.down = True
    tracker = tracker_of(run, tmp_path / "file" / "outbox.jsonl")
    tracker.log_tags({"a": "b"})
    assert not tracker.close(10)
    assert any("are lost" in problem for problem in tracker.problems)


def test_what_an_earlier_process_left_is_sent_first(run: Run, tmp_path: Path) -> None:
    save_outbox(tmp_path / "outbox.jsonl", [Message("tags", {"old": "1"})])
    tracker = tracker_of(run, tmp_path / "outbox.jsonl")
    tracker.log_tags({"new": "1"})
    assert tracker.close(10)
    assert [dict(message.content) for message in run.told] == [{}, {"old": "1"}, {"new": "1"}]


def test_a_closed_tracker_takes_nothing_more(run: Run, tmp_path: Path) -> None:
    tracker = tracker_of(run, tmp_path / "outbox.jsonl")
    assert tracker.close(10)
    assert tracker.close(10)
    with pytest.raises(RuntimeError, match="closed"):
        tracker.log_tags({"a": "b"})
