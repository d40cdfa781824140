"""A run on the MLflow leaderboard: opened late, written in the background, never in the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from challenge.config import Task1Config
from challenge.task1.run_folder import RunFolder
from challenge.task1.strategy_host import submission_name
from partitions.home import cache_home
from tasks.task1_aggregation.rows import RoundRow
from tasks.task1_aggregation.run_state import RunState

if TYPE_CHECKING:
    from challenge.task1.surroundings import Surroundings
    from leaderboard.tracking import Tracker

EXPERIMENT = "task1"
LAST_WORDS_S = 30.0
OF_A_ROUND = (
    "simulated_time_s", "round_time_s", "convergence_score", "selected", "received", "dropped", "bytes",
)  # fmt: skip


class Board:
    """One run's line on the leaderboard.

    Args:
        config: The run's configuration.
        folder: The run's folder; an SQLite store lies beside it.
        name: What the board shows.
        around: The process around.
    """

    def __init__(self, config: Task1Config, folder: RunFolder, name: str, around: Surroundings) -> None:
        self._config = config
        self._folder = folder
        self._name = name
        self._cache = cache_home(around.environment)
        self._tracker: Tracker | None = None
        self._saved_run: str | None = None
        self._missed: tuple[RoundRow, ...] = ()

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run, once it is known."""
        return self._tracker.run_id if self._tracker is not None else self._saved_run

    def restore(self, run_id: str | None, state: RunState) -> None:
        """Take over what an earlier process left: its run, and rounds that it may not have sent."""
        self._saved_run = run_id
        self._missed = state.rounds

    def round_done(self, row: RoundRow) -> None:
        """Log a round; the store is opened with the first one, when training has begun."""
        tracker = self._opened()
        if tracker is not None:
            tracker.log_round(row.round, metrics_of(row))

    def finish(self, headline: Mapping[str, Any], step: int) -> None:
        """Log the headline numbers and the run's files.

        Args:
            headline: Numbers by name; None for what was not measured.
            step: The last row's round: more rounds give the numbers a step of their own.
        """
        from leaderboard.posting import post_folder

        tracker = self._opened()
        if tracker is None:
            return
        numbers = {name: float(value) for name, value in headline.items() if value is not None}
        tracker.log_round(step, {f"final_{k}": v for k, v in numbers.items()})
        post_folder(tracker, self._folder.root)
        tracker.finish("FINISHED")

    def fail(self) -> None:
        """Mark the run as failed, if it came as far as the board; a resume sets it running again."""
        if self._tracker is not None:
            self._tracker.finish("FAILED")

    def open(self) -> None:
        """Open the store; what an earlier process left is sent first."""
        self._opened()

    def close(self) -> tuple[str, ...]:
        """Wait a little for what is still to be sent; return what went wrong."""
        if self._tracker is None:
            return ()
        self._tracker.close(LAST_WORDS_S)
        return self._tracker.problems

    def _opened(self) -> Tracker | None:
        if self._config.tracking_uri == "off":
            return None
        if self._tracker is None:
            self._tracker = self._open()
            for row in self._missed:
                self._tracker.log_round(row.round, metrics_of(row))
        return self._tracker

    def _open(self) -> Tracker:
        from leaderboard.mlflow_store import default_tracking_uri
        from leaderboard.tracking import open_tracker

        runs = self._folder.root.resolve().parent
        tracker = open_tracker(
            self._config.tracking_uri or default_tracking_uri(runs),
            experiment=EXPERIMENT,
            run_name=f"{self._name}-{self._config.seed}",
            run_id=self._saved_run,
            lock_folder=runs,
            outbox=self._folder.checkpoint / "outbox.jsonl",
            run_key=f"{self._folder.root.resolve()}",
            template_folder=self._cache / "mlflow",
        )
        config = self._config
        tracker.log_params(
            {
                "submission": self._name,
                "seed": config.seed,
                "rounds": config.rounds,
                "partition": config.partition,
                "profile": config.profile,
                "horizon_s": config.horizon_s,
                "score_kind": config.score_kind,
                "config_digest": config.digest(),
            }
        )
        return tracker


def send_leftovers(
    config: Task1Config, folder: RunFolder, tracking_uri: str | None, around: Surroundings
) -> None:
    """Send what a finished run could not: its messages wait in an outbox."""
    if not (folder.checkpoint / "outbox.jsonl").is_file():
        return
    config = config if tracking_uri is None else config.model_copy(update={"tracking_uri": tracking_uri})
    board = Board(config, folder, submission_name(config.submission), around)
    board.open()
    for problem in board.close():
        around.terminal.warn(f"tracking: {problem}")


def metrics_of(row: RoundRow) -> dict[str, float]:
    """Return the numbers of a round's row that were measured.

    The last row is of no round: what it says of one is left out, so that a run to which rounds are added
    can still log that round under the same step.
    """
    values = {name: value for name, value in asdict(row).items() if isinstance(value, (int, float))}
    if row.status == "final":
        values = {name: value for name, value in values.items() if name not in OF_A_ROUND}
    return {name: float(value) for name, value in values.items() if math.isfinite(value) and name != "round"}
