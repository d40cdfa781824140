"""The ranking of a board: of its verified runs and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboard.board import Board, Entry
from leaderboard.errors import TableError
from leaderboard.rank_files import RankCall, RankedFiles, rank_files
from leaderboard.ranking.registry import Options
from leaderboard.run_folder import RunCosts, read_run
from leaderboard.uncertainty import Generators

TASK1, TASK2 = "fets2022-task1", "fets2022-task2-py"


@dataclass(frozen=True)
class BoardCall:
    """How a board is ranked.

    Attributes:
        scheme: Its id; None for the challenge's own: with convergence where every run has it, else without.
        declared: Rules.
        seed: Of the resamples.
        resamples: How many.
        all_schemes: Whether to rank by every other scheme too.
        summaries: Files of sites that release no case values.
    """

    scheme: str | None
    declared: Options
    seed: int
    resamples: int
    all_schemes: bool
    summaries: tuple[Path, ...] = ()


@dataclass(frozen=True)
class RankedBoard:
    """A board and its ranking.

    Attributes:
        board: The runs.
        call: What was asked for, with the scheme that was used.
        ranked: The ranking; its input files are named by run, so that it does not depend on their place.
    """

    board: Board
    call: RankCall
    ranked: RankedFiles


def rank_board(
    board: Board, call: BoardCall, generators: Generators, say: Callable[[str], None]
) -> RankedBoard:
    """Rank the runs of a board.

    Raises:
        TableError: No run is verified, a cases.csv changed since it was, or as for `rank_files`.
    """
    if not board.entries:
        first = board.refused[0] if board.refused else None
        why = f"; {first.source}: {first.reasons[0]}" if first else ""
        raise TableError(f"no run can be ranked ({len(board.refused)} refused{why})")
    runs = [_own_run(entry) for entry in board.entries]
    scheme = call.scheme
    if scheme is None:
        converged = all(run.convergence_score is not None for run in runs)
        scheme = TASK1 if converged else TASK2
        say(f"note: no --scheme given: {scheme}, the challenge's own")
    paths = {str(entry.folder / "cases.csv"): entry for entry in board.entries}
    asked = RankCall(
        tuple(Path(path) for path in paths),
        call.summaries,
        (),
        scheme,
        call.declared,
        call.seed,
        call.resamples,
        call.all_schemes,
    )
    found = rank_files(asked, generators, say)
    for path, entry in paths.items():
        if found.digests[path] != entry.cases_sha256:
            raise TableError(f"{path}: changed while the board was read; read it again")
    digests = {
        (paths[path].key if path in paths else Path(path).name): digest
        for path, digest in found.digests.items()
    }
    return RankedBoard(board, asked, replace(found, digests=digests))


def _own_run(entry: Entry) -> RunCosts:
    """Return what a run's folder tells, after a look at whose cases it holds.

    Raises:
        TableError: They are not those of the submission and seed that its record names alone.
    """
    run = read_run(entry.folder)
    if run is None or (run.submission, run.seed) != (entry.submission, entry.seed):
        raise TableError(
            f"{entry.folder / 'cases.csv'}: holds other cases than those of {entry.key}, which its record "
            "names; leave the run out"
        )
    return run
