"""After the end: every site that ever came is to know that nothing more comes."""

from __future__ import annotations

from collections.abc import Callable

from fl_core.federation.attendance import Attendance
from fl_core.federation.progress import Ended, Observer, WaitingForFarewell
from fl_core.federation.standing import Standing
from fl_core.federation.terms import Terms
from fl_core.transport.board import Board


def untold(board: Board, attendance: Attendance) -> tuple[str, ...]:
    """Return the sites that came at some time and have not read the farewell, in name order."""
    unseen = attendance.ever - attendance.seen
    return tuple(sorted(unseen | set(board.untold())))


def wait_for_readers(
    board: Board,
    attendance: Attendance,
    *,
    linger_s: float,
    clock: Callable[[], float],
    listen: Callable[[], None],
    stopping: Callable[[], bool],
    observer: Observer,
) -> tuple[str, ...]:
    """Wait until every site has read the farewell, or the time is over; return those that have not.

    Args:
        board: On which the farewell stands.
        attendance: Who came.
        linger_s: Seconds.
        clock: Of the lead.
        listen: Takes the board's events for a moment.
        stopping: Whether to end at once.
        observer: Is told for whom this waits, whenever that changes.
    """
    over_s = clock() + linger_s
    told: tuple[str, ...] | None = None
    while True:
        waiting = untold(board, attendance)
        if waiting and waiting != told:
            observer(WaitingForFarewell(waiting, linger_s))
            told = waiting
        if not waiting or clock() >= over_s or stopping():
            return waiting
        listen()


def how_it_ended(terms: Terms, standing: Standing, untold: tuple[str, ...]) -> Ended:
    """Return how a federation ended, or where it was stopped."""
    best, rounds = standing.aggregator.best, terms.rounds
    if not standing.finished:
        text = f"stopped in round {standing.aggregator.round} of {rounds}; start again to go on from here"
    elif best.score is None:
        text = (
            f"the federation is over after {rounds} rounds; nothing was scored, so the last model is the best"
        )
    else:
        text = (
            f"the federation is over after {rounds} rounds; the best model is that after {best.round} "
            f"({terms.best_metric} {best.score:.6g})"
        )
    return Ended(standing.finished, rounds, text, best.score, best.round, untold)
