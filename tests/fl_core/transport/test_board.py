"""The board on its own: what happens when calls come at the same time."""

from __future__ import annotations

import threading

import pytest

from fl_core.executor.base import TaskReport
from fl_core.transport.board import Board, Delivered, Failed, Joined, Left, Refusal, Session
from fl_core.transport.messages import BlobRef, Delivery, Work

WORK = Work("0", 0, ("train",), BlobRef("xxh3:" + "0" * 32, 8))
RESULTS = Delivery("0", 0, (TaskReport("train", {"loss": 0.5}, 3, True),))


@pytest.mark.parametrize("reason", ["", "NaN in w"])
def test_the_same_results_that_come_while_they_are_looked_at_get_the_same_answer(reason: str) -> None:
    both = threading.Barrier(2)

    def admit(delivered: Delivered) -> str:
        both.wait(10)
        return reason

    board = Board(admit)
    board.post("a", WORK)
    answers: list[str] = []
    calls = [
        threading.Thread(target=lambda: answers.append(board.deliver(Delivered("a", WORK, RESULTS))))
        for _ in range(2)
    ]
    for call in calls:
        call.start()
    for call in calls:
        call.join(10)
    assert answers == [reason, reason]
    event = board.next_event(0)
    assert event == (Failed("a", WORK, reason) if reason else Delivered("a", WORK, RESULTS))
    assert board.next_event(0) is None, "they count once"
    assert board.answered("a", RESULTS) == reason


def test_other_results_that_come_meanwhile_do_not_count() -> None:
    board = Board()
    board.post("a", WORK)
    assert board.deliver(Delivered("a", WORK, RESULTS)) == ""
    other = Delivery("0", 0, (TaskReport("train", {"loss": 0.1}, 3, True),))
    assert "are not wanted: it has no work now" in board.deliver(Delivered("a", WORK, other))
    with pytest.raises(Refusal, match="was handed in before, with other results"):
        board.answered("a", other)


def test_work_that_is_withdrawn_while_its_results_are_looked_at_does_not_count() -> None:
    def admit(delivered: Delivered) -> str:
        board.withdraw("a", "too late")
        return ""

    board = Board(admit)
    board.post("a", WORK)
    assert "are not wanted" in board.deliver(Delivered("a", WORK, RESULTS))
    assert board.next_event(0) is None


def test_work_that_is_posted_again_is_done_again() -> None:
    board = Board()
    for _ in range(2):
        board.post("a", WORK)
        assert board.answered("a", RESULTS) is None
        assert board.deliver(Delivered("a", WORK, RESULTS)) == ""
    assert [board.next_event(0) for _ in range(3)] == [Delivered("a", WORK, RESULTS)] * 2 + [None]


def test_a_session_that_was_hung_up_tells_why() -> None:
    board, session = Board(), Session()
    following = board.follow("a", 5.0, session)
    thread = threading.Thread(target=lambda: list(following))
    thread.start()
    assert board.next_event(10) == Joined("a")
    board.hang_up(session, "revoked")
    board.hang_up(session, "another reason, later")
    assert board.next_event(10) == Left("a", "revoked")
    thread.join(10)
    assert board.present() == ()
