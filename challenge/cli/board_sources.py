"""Where a board's runs come from on the command line, and who verifies them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from leaderboard.board import Admission, Board
    from leaderboard.verification import Verdict, Verify


def verifier(trusted_key: Path | None) -> Verify:
    """Return what verifies a run's folder against its record.

    Args:
        trusted_key: Public keys of trusted signers; None for this user's own key alone.

    Raises:
        SigningKeyError: The keys cannot be read.
    """
    from challenge.records.errors import RecordError
    from challenge.records.keys import configuration_home, own_public_key, read_trusted_keys
    from challenge.records.verify import Verdict as RunVerdict
    from challenge.records.verify import verify as verify_record

    if trusted_key is not None:
        trusted = read_trusted_keys(trusted_key)
    else:
        own = own_public_key(configuration_home(os.environ))
        trusted = () if own is None else (own,)

    def verify(folder: Path) -> Verdict:
        try:
            return verify_record(folder, trusted)
        except RecordError as error:
            return RunVerdict(False, "none", "", (str(error),), {})

    return verify


@contextmanager
def board_of(
    runs: Sequence[Path],
    tracking_uri: str | None,
    experiment: str,
    verify: Verify,
    admission: Admission,
) -> Iterator[Board]:
    """Give the board of some folders or of an MLflow experiment; fetched files are there until the end.

    Raises:
        typer.BadParameter: Neither or both of the sources are given.
        TableError, TrackingError: A source cannot be read.
    """
    from leaderboard.board import admit, run_folders

    if bool(runs) == (tracking_uri is not None):
        raise typer.BadParameter("give folders of runs, or --tracking-uri, and not both", param_hint="RUNS")
    with TemporaryDirectory(prefix="board-") as scratch:
        if tracking_uri is None:
            found = run_folders(runs)
        else:
            from leaderboard.mlflow_board import mlflow_runs
            from leaderboard.mlflow_store import reading_client

            client = reading_client(tracking_uri)
            found = mlflow_runs(client, experiment, Path(scratch), _progress("fetched"))
        yield admit(found, verify, admission, _progress("verified"))


def _progress(what: str) -> _Progress:
    return _Progress(what)


class _Progress:
    """Says every tenth of the way, where there is much to do."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __call__(self, done: int, of: int) -> None:
        if of >= 20 and done % max(of // 10, 1) == 0:
            typer.echo(f"{self._what} {done} of {of} runs", err=True)
