"""Signals, sent to this very process."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from fl_core.cli.stopping import SIGNALS, Stopped, stopped_by_signals


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_noted_and_acted_on_in_another_thread(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    acted: list[str] = []
    done = threading.Event()

    def act() -> None:
        acted.append(threading.current_thread().name)
        done.set()

    with stopped_by_signals() as stop:
        stop.then(act)
        assert stop.by == ""
        os.kill(os.getpid(), number)
        assert done.wait(10)
        assert stop.by == number.name and acted == ["stopping"]
        assert all(signal.getsignal(each) is signal.SIG_DFL for each in SIGNALS), "a second one ends it"
        stop.then(lambda: acted.append("at once"))
        assert acted == ["stopping", "at once"]

    assert signal.getsignal(number) is before


def test_foreign_code_is_interrupted_and_nothing_else_is() -> None:
    with stopped_by_signals() as stop:
        with pytest.raises(Stopped, match="SIGTERM"), stop.interruptible():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(30)
        time.sleep(0.01)  # goes on
        with pytest.raises(Stopped), stop.interruptible():
            pytest.fail("it begins nothing after a signal")


def test_no_error_handling_of_a_task_takes_it() -> None:
    with stopped_by_signals() as stop, pytest.raises(Stopped), stop.interruptible():
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)
        except Exception:  # noqa: BLE001 - what a task may do
            pytest.fail("taken for an error of the task")


def test_without_a_signal_nothing_happens() -> None:
    acted: list[int] = []
    with stopped_by_signals() as stop:
        stop.then(lambda: acted.append(1))
        with stop.interruptible():
            pass
    assert acted == [] and stop.by == ""
    assert not any(thread.name == "stopping" for thread in threading.enumerate())
