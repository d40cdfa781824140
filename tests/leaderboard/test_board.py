"""Which runs stand on a board, and that nothing else is ranked."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from board_runs import signed_run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from challenge.records.record import write_record
from challenge.records.verify import Verdict, verify
from fl_core.durable import Disk
from leaderboard.board import Admission, Board, Refused, admit, run_folders, without
from leaderboard.board_ranking import BoardCall, RankedBoard, rank_board
from leaderboard.errors import TableError
from leaderboard.ranking.registry import Options

KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"2" * 32)


def check(folder: Path) -> Verdict:
    return verify(folder, [KEY.public_key()])


def board_of(paths: Sequence[Path], admission: Admission | None = None) -> Board:
    return admit(run_folders(paths), check, admission)


def ranked(board: Board, scheme: str | None = None) -> RankedBoard:
    call = BoardCall(scheme, Options(cells="worst-rank"), 0, 40, False)
    return rank_board(board, call, np.random.default_rng, lambda line: None)


def only(refused: Sequence[Refused]) -> str:
    (run,) = refused
    return "; ".join(run.reasons)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for name, skill in (("a", 0.0), ("b", 0.5)):
        for seed in range(2):
            signed_run(tmp_path / f"{name}{seed}", KEY, name, seed, skill=skill)
    return tmp_path


def test_verified_runs_are_ranked_by_the_schemes_of_their_task(runs: Path) -> None:
    board = board_of([runs])

    assert [entry.key for entry in board.entries] == ["a, seed 0", "a, seed 1", "b, seed 0", "b, seed 1"]
    assert board.refused == ()
    found = ranked(board)
    assert found.call.scheme == "fets2022-task1"
    assert found.ranked.table.submissions == ("a", "b")
    assert found.ranked.ranked.ranking.ranks.tolist() == [2.0, 1.0]
    assert set(found.ranked.digests) == {entry.key for entry in board.entries}


def test_the_place_of_the_runs_does_not_matter(runs: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for number, name in enumerate(("b1", "a0", "b0", "a1")):
        shutil.copytree(runs / name, moved / str(number))

    one, two = ranked(board_of([runs / n for n in ("a0", "a1", "b0", "b1")])), ranked(board_of([moved]))

    assert np.array_equal(one.ranked.table.values, two.ranked.table.values)
    assert np.array_equal(one.ranked.ranked.uncertainty.ranks, two.ranked.ranked.uncertainty.ranks)
    assert one.ranked.digests == two.ranked.digests


@pytest.mark.parametrize("name", ["cases.csv", "rounds.csv", "record.json"])
def test_one_changed_byte_and_the_run_is_not_ranked(runs: Path, name: str) -> None:
    content = (runs / "b1" / name).read_bytes()
    (runs / "b1" / name).write_bytes(content.replace(b"1", b"2", 1))

    board = board_of([runs])

    assert [entry.key for entry in board.entries] == ["a, seed 0", "a, seed 1", "b, seed 0"]
    assert name in only(board.refused)


def test_a_run_without_a_record_is_not_ranked(runs: Path) -> None:
    (runs / "b1" / "record.json").write_text("{}")
    (runs / "b0" / "cases.csv").unlink()

    def lenient(folder: Path) -> Verdict:
        if (folder / "record.json").read_text() == "{}":
            return Verdict(False, "none", "", (), {})
        return check(folder)

    board = admit(run_folders([runs]), lenient)

    assert [run.reasons for run in board.refused] == [("cases.csv: missing",), ("its record is not intact",)]


def test_strangers_and_unofficial_runs_need_to_be_admitted(runs: Path, tmp_path: Path) -> None:
    signed_run(tmp_path / "s", STRANGER, "stranger")
    signed_run(tmp_path / "u", KEY, "loose", official=False)

    strict, open_ = board_of([runs]), board_of([runs], Admission(known_signer=False, official=False))

    reasons = [run.reasons[0] for run in strict.refused]
    assert "not trusted (sha256:" in reasons[0] and reasons[1].startswith("unofficial")
    assert {entry.submission for entry in open_.entries} == {"a", "b", "loose", "stranger"}


def test_a_repetition_counts_once_and_a_better_seed_cannot_be_chosen(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "a0", runs / "again")
    signed_run(tmp_path / "b0-better", KEY, "b", 0, skill=2.0)

    board = board_of([runs])

    assert [entry.key for entry in board.entries] == ["a, seed 0", "a, seed 1", "b, seed 1"]
    reasons = {Path(run.source).name: run.reasons[0] for run in board.refused}
    assert reasons["again"].startswith("a repetition of")
    assert "differ in their cases.csv" in reasons["b0"] and "differ" in reasons["b0-better"]


def test_two_submissions_cannot_share_a_name(runs: Path) -> None:
    other = {"name": "b", "kind": "strategy", "digest": "77"}
    signed_run(runs / "b2", KEY, "b", 2, submission=other)

    board = board_of([runs])

    assert {entry.submission for entry in board.entries} == {"a"}
    assert all("2 different submissions are called b" in run.reasons[0] for run in board.refused)


def test_a_run_cannot_bring_cases_of_another_submission(runs: Path) -> None:
    lines = (runs / "b1" / "cases.csv").read_text()
    (runs / "b1" / "cases.csv").write_text(lines.replace('"b",1,', '"a",7,', 1))
    facts = dict(check(runs / "b1").facts) or {"submission": {"name": "b", "digest": "62"}, "seed": 1}
    write_record(runs / "b1", facts | {"official": True}, KEY, Disk())

    with pytest.raises(TableError, match="holds other cases than those of b, seed 1"):
        ranked(board_of([runs]))


def test_cases_that_change_after_they_were_verified_are_noticed(runs: Path) -> None:
    board = board_of([runs])
    path = runs / "a0" / "cases.csv"
    path.write_text(path.read_text().replace("0.9", "0.8"))

    with pytest.raises(TableError, match=r"a0/cases.csv: changed while the board was read"):
        ranked(board)


def test_nothing_verified_is_nothing_ranked(runs: Path) -> None:
    board = without(board_of([runs]), {"a": "withdrawn", "b": "withdrawn"})

    assert len(board.refused) == 4
    with pytest.raises(TableError, match=r"no run can be ranked \(4 refused; .*withdrawn\)"):
        ranked(board)


def test_a_path_without_runs_is_told(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="holds no run"):
        run_folders([tmp_path])
    with pytest.raises(TableError, match="is no folder"):
        run_folders([tmp_path / "none"])
