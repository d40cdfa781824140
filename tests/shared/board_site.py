"""A published board of made-up runs, for the tests of its pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from board_runs import signed_run
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from challenge.records.verify import verify
from leaderboard.board import Board, admit, run_folders
from leaderboard.board_ranking import BoardCall, RankedBoard, rank_board
from leaderboard.ranking.registry import Options

KEY = Ed25519PrivateKey.from_private_bytes(b"1" * 32)
HOSTILE = "<img src=x onerror=alert(1)> \"q\" & 'r'"


def made_up_board(folder: Path) -> Board:
    """Five submissions on four sites, one with three seeds, one with a missing cell; one run was changed."""
    for number, name in enumerate(("FedAvg", "fedprox", "krum", "median", HOSTILE)):
        for seed in range(3 if name == "FedAvg" else 1):
            signed_run(
                folder / f"{number}-{seed}",
                KEY,
                name,
                seed,
                skill=0.3 - 0.1 * number,
                sizes=(6, 3, 9, 2),
                without=(3,) if name == "krum" else (),
            )
    changed = signed_run(folder / "changed", KEY, "changed", skill=3.0) / "cases.csv"
    changed.write_text(changed.read_text().replace(",ok,0.", ",ok,1.", 1))
    return admit(run_folders([folder]), lambda run: verify(run, [KEY.public_key()]))


def made_up_ranking(folder: Path) -> RankedBoard:
    """Its ranking, by all schemes."""
    call = BoardCall("rank-then-mean", Options("worst-rank", "min", "last", "as-scored"), 0, 60, True)
    return rank_board(made_up_board(folder), call, np.random.default_rng, lambda line: None)


def write_site(files: dict[str, bytes], folder: Path) -> Path:
    """Write the files of a site; return its board."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / "index.html"
