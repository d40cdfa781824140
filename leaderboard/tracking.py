"""Tracking of a run in MLflow, in the background: a view of the results that can never lose them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from leaderboard.errors import OutboxError
from leaderboard.names import without_password
from leaderboard.outbox import Message, load_outbox, round_message, save_outbox
from leaderboard.tracked_run import TrackedRun, open_run

Status = Literal["FINISHED", "FAILED", "KILLED"]
Connect = Callable[[], TrackedRun]

_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 300.0


def open_tracker(
    uri: str,
    *,
    experiment: str,
    run_name: str,
    run_id: str | None,
    lock_folder: Path,
    outbox: Path,
    run_key: str | None = None,
    template_folder: Path | None = None,
) -> Tracker:
    """Return at once a tracker whose thread imports MLflow, prepares the store and begins the run.

    Nothing that MLflow does is raised; see `Tracker.problems`.

    Args:
        uri: A tracking URI of MLflow, see `leaderboard.mlflow_store.default_tracking_uri`.
        experiment: One per challenge and task.
        run_name: What the board shows.
        run_id: From the checkpoint of a run that is resumed, else None.
        lock_folder: The same for all processes that use the store, such as the folder of all runs.
        outbox: File for what could not be sent, in the run's ``checkpoint/``; what an earlier process
            left there is sent first.
        run_key: Unique name of this run, the same after a resume. It finds the run again when the process
            died before the run's id came to a checkpoint.
        template_folder: A cache folder for an empty store, which makes new SQLite stores fast.
    """

    def connect() -> TrackedRun:
        from leaderboard.mlflow_store import connect as connect_store

        client, experiment_id = connect_store(uri, experiment, lock_folder, template_folder)
        return open_run(client, experiment_id, run_name, run_id, run_key)

    return Tracker(connect, outbox, run_id=run_id, name=f"MLflow ({without_password(uri)})")


class Tracker:
    """Queue of messages to MLflow, sent in order by a thread of its own.

    A message that fails stays first in the queue and is tried again, after pauses that double from 5 to
    300 seconds, and once more when the tracker is closed. What is left then goes to the outbox.

    Args:
        connect: Begins or finds the run; called in the thread, again after a failure.
        outbox: File for unsent messages.
        run_id: Known id of the run, if any.
        name: Of the store, for messages.
        first_pause_s: Seconds before the first new attempt.
    """

    def __init__(
        self,
        connect: Connect,
        outbox: Path,
        *,
        run_id: str | None = None,
        name: str = "MLflow",
        first_pause_s: float = _FIRST_PAUSE_S,
    ) -> None:
        self._connect = connect
        self._outbox = outbox
        self._run_id = run_id
        self._name = name
        self._first_pause_s = first_pause_s
        self._run: TrackedRun | None = None
        self._pending: deque[Message] = deque([Message("open", {})])
        self._problems: dict[str, None] = {}  # in order, each once
        self._failures = 0
        self._next_try = 0.0
        self._closing = False
        self._abandoned = False
        self._changed = threading.Condition()
        self._pending.extend(self._left_by_an_earlier_process())
        self._thread = threading.Thread(target=self._work, name="mlflow-tracker", daemon=True)
        self._thread.start()

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run; None until the store has answered for the first time."""
        with self._changed:
            return self._run_id if self._run is None else self._run.run_id

    @property
    def problems(self) -> tuple[str, ...]:
        """What went wrong so far, each once, in one line each."""
        with self._changed:
            return tuple(self._problems)

    def wait_for_run_id(self, timeout: float) -> str | None:
        """Wait at most `timeout` seconds for the store's answer and return the run's id, if there is one."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._run is not None or self._failures > 0 or self._abandoned, timeout
            )
        return self.run_id

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Write parameters; one that is already there with another value keeps it and is a problem."""
        self._put(Message("params", {name: str(value) for name, value in params.items()}))

    def log_tags(self, tags: Mapping[str, Any]) -> None:
        """Write tags; unlike parameters they can be replaced."""
        self._put(Message("tags", {name: str(value) for name, value in tags.items()}))

    def log_round(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of one round, once: a (metric, step) that the run already has is skipped.

        So a resumed run may log all its rounds again, which fills what a crash left out. A NaN or infinite
        value is not logged; the tag ``not_finite.NAME`` names its rounds.
        """
        self._put(round_message(step, metrics, _now_ms()))

    def log_site(self, site: str, rounds: Mapping[int, Mapping[str, float]]) -> None:
        """Log the metrics of one site, by round, in a run of its own below this one; each once."""
        now = _now_ms()
        content = [dict(round_message(step, own, now).content) for step, own in sorted(rounds.items())]
        self._put(Message("site", {"site": site, "rounds": content}))

    def log_artifacts(self, folder: Path) -> None:
        """Upload all files of the run's folder but ``checkpoint/``."""
        self._put(Message("artifacts", {"folder": str(folder.absolute())}))

    def finish(self, status: Status = "FINISHED") -> None:
        """Mark the run as ended."""
        self._put(Message("finish", {"status": status, "time_ms": _now_ms()}))

    def close(self, timeout: float) -> bool:
        """Try to send what is left for at most `timeout` seconds; write the rest to the outbox.

        Returns:
            Whether everything was sent. Otherwise `problems` says why.
        """
        with self._changed:
            if self._abandoned:
                return not self._pending
            failures = self._failures
            self._closing = True
            self._next_try = 0.0
            self._changed.notify_all()
            done = self._changed.wait_for(lambda: not self._pending or self._failures > failures, timeout)
            self._abandoned = True
            self._changed.notify_all()
            left = list(self._pending)
            if left and not done:
                self._note(f"{self._name}: no answer within {timeout:g} s")
            unsent = [message for message in left if message.kind != "open"]
            try:
                save_outbox(self._outbox, unsent)
                if unsent:
                    self._note(
                        f"{len(unsent)} messages to {self._name} were not sent; they wait in {self._outbox}"
                    )
            except OSError as error:
                self._note(f"{self._outbox} cannot be written ({error.strerror}); unsent messages are lost")
        return not left

    def _left_by_an_earlier_process(self) -> list[Message]:
        try:
            return load_outbox(self._outbox)
        except OutboxError as error:
            self._note(str(error))
            # It may be repaired by hand: this process's own outbox must not replace it.
            self._outbox = self._outbox.with_name(f"{self._outbox.name}.{_now_ms()}")
            return []

    def _put(self, message: Message) -> None:
        with self._changed:
            if self._closing:
                raise RuntimeError("the tracker is closed")
            self._pending.append(message)
            self._changed.notify_all()

    def _work(self) -> None:
        while (message := self._next()) is not None:
            try:
                left_out = self._deliver(message)
                failure = None
            # The border to a service: whatever it raises must not end the run that it only shows.
            except Exception as error:  # noqa: BLE001
                left_out, failure = [], self._describe(error)
            with self._changed:
                for problem in left_out:
                    self._note(problem)
                if failure is None:
                    self._pending.popleft()
                    self._failures = 0
                else:
                    self._note(failure)
                    self._next_try = time.monotonic() + min(
                        _LONGEST_PAUSE_S, self._first_pause_s * 2.0**self._failures
                    )
                    self._failures += 1
                self._changed.notify_all()
                if self._abandoned or (self._closing and failure is not None):
                    return

    def _next(self) -> Message | None:
        """Wait for the time to send the first message; None when the tracker is closed and all is sent."""
        with self._changed:
            while not self._abandoned:
                pause = self._next_try - time.monotonic()
                if self._pending and pause <= 0:
                    return self._pending[0]
                if self._closing and not self._pending:
                    return None
                self._changed.wait(pause if self._pending else None)
            return None

    def _deliver(self, message: Message) -> list[str]:
        if self._run is None:
            run = self._connect()
            with self._changed:
                self._run = run
        return self._run.deliver(message)

    def _describe(self, error: Exception) -> str:
        text = " ".join(without_password(str(error)).split())
        return f"{self._name}: {type(error).__name__}: {text[:300]}"

    def _note(self, problem: str) -> None:
        self._problems.setdefault(problem)


def _now_ms() -> int:
    return int(time.time() * 1000)
