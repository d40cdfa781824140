"""Plays two rounds of a toy federation with a submission for Task 1, exactly as a run does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from challenge.config import parse_config
from challenge.submissions.digest import submission_digest
from challenge.submissions.toy_data import write_toy_data
from challenge.submissions.trial import Trial
from challenge.task1.run import start
from challenge.task1.surroundings import Surroundings
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.rows import RoundRow

ROUNDS: Final = 2
LAST_LINES: Final = 20
_TOY: Final[Mapping[str, Any]] = {
    "rounds": ROUNDS,
    "epochs": 1.0,
    "network": {"name": "unet", "channels": (4, 8), "stem": 2},
    "training": {"patch": (16, 16, 16), "patches_per_case": 1},
    "workers": 1,
    "device": "cpu",
    "tracking_uri": "off",
}


class Listener:
    """A terminal that keeps the lines which a reader of the trial wants."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rounds: list[str] = []

    def say(self, text: str) -> None:
        """Nothing: the trial says what it found at its end."""

    def warn(self, text: str) -> None:
        """Keep a line that the reader should not miss."""
        self.notes.append(f"note: {text}")

    def progress(self, what: str, done: int, total: int) -> None:
        """Nothing: the toy data is small."""

    def begin(self, rounds: int, horizon_s: float, sites: int, done: int) -> None:
        """Nothing: the rounds speak for themselves."""

    def started(self, round: int, selected: Sequence[str], jobs: int) -> None:
        """Keep who was selected."""
        if round < ROUNDS:  # what follows the last round is its score
            self.rounds.append(f"round {round}: {', '.join(selected) or 'no site'} selected")

    def site_done(self, round: int, site: str) -> None:
        """Nothing."""

    def note(self, round: int, text: str) -> None:
        """Keep a remark on a round."""
        self.notes.append(f"note: round {round}: {text}")

    def round_done(self, row: RoundRow) -> None:
        """Nothing: a score on toy data says little."""

    def finished(self, folder: Path, summary: Mapping[str, Any]) -> None:
        """Nothing."""


def try_strategy(path: Path, around: Mapping[str, str]) -> Trial:
    """Load a submission and play the rounds.

    Args:
        path: A file or folder.
        around: Variables of the environment.

    Raises:
        SubmissionError: There is no such submission, or it is too large.
        FederationError: The toy federation failed by no fault of the submission.
    """
    digest = submission_digest(path)
    heard = Listener()
    with TemporaryDirectory(prefix="toy-") as place:
        write_toy_data(Path(place) / "data")
        out = Path(place) / "run"
        # Neither the user's key nor the cache is touched.
        environment = {**around, "CHALLENGE_HOME": str(Path(place) / "home")}
        values = {**_TOY, "submission": path.resolve(), "data": Path(place) / "data"}
        problems: tuple[str, ...] = ()
        try:
            start(parse_config(values, "toy"), out, Surroundings(heard, environment))
        except StrategyError as error:
            problems = (str(error),)
        log = out / "strategy.log"
        printed = log.read_text("utf-8", "replace").splitlines() if log.is_file() else []
    lines = (f"submission {path.name}", f"digest {digest}", *heard.rounds, *heard.notes)
    if not problems:
        lines += (f"{ROUNDS} rounds of the toy federation were played",)
    return Trial(lines, problems, tuple(printed[-LAST_LINES:]) if problems else ())
