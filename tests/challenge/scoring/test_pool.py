from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mask_folders import mask, write_mask

from challenge.scoring.case_score import CaseScore, ScoreSettings
from challenge.scoring.pairing import pair_folders
from challenge.scoring.pool import ScoringPool
from fl_core.errors import InputError, WorkerError
from fl_core.executor.environment import worker_environment

SHARED = Path(__file__).parents[2] / "shared"
LARGE = (50.0, 50.0, 50.0)
DIAGONAL = 50 * np.sqrt(12**2 + 16**2 + 20**2)


def scored(root: Path, cases: list[str], workers: int, timeout_s: float = 60) -> dict[str, CaseScore]:
    for case in cases:
        write_mask(root / "references" / f"{case}.nii.gz", mask(), LARGE)
        write_mask(root / "predictions" / f"{case}.nii.gz", mask(1), LARGE)
    environment = worker_environment(os.environ) | {"PYTHONPATH": str(SHARED)}
    pairs = pair_folders(root / "references", root / "predictions").pairs
    with ScoringPool(
        ScoreSettings(), workers, environment, timeout_s=timeout_s, module="scorer_that_fails"
    ) as pool:
        found = list(pool.score(pairs))
    assert len(found) == len(cases)
    return {one.case: one for one in found}


def test_whatever_a_worker_does_every_case_gets_a_row(tmp_path: Path) -> None:
    found = scored(tmp_path, ["a", "kill", "once", "raise", "z"], workers=2)
    statuses = {case: one.status for case, one in found.items()}
    assert statuses == {"a": "ok", "kill": "crashed", "once": "ok", "raise": "crashed", "z": "ok"}
    assert "SIGKILL" in found["kill"].reason
    assert found["raise"].reason == "scoring failed: ValueError: something odd"
    for case in ("kill", "raise"):  # the grid was known: the penalty is the volume's diagonal
        assert found[case].values["hd95_wt"] == pytest.approx(DIAGONAL)
        assert found[case].values["dice_wt"] == 0


def test_a_case_that_takes_too_long(tmp_path: Path) -> None:
    found = scored(tmp_path, ["hang", "z"], workers=1, timeout_s=2)
    assert (found["hang"].status, found["z"].status) == ("timeout", "ok")
    assert found["hang"].reason == "not scored within 2 s"
    assert found["hang"].values["hd95_et"] == pytest.approx(DIAGONAL)


def test_a_pool_that_cannot_start(tmp_path: Path) -> None:
    environment = worker_environment(os.environ)
    with (
        pytest.raises(WorkerError, match="before they were ready"),
        ScoringPool(ScoreSettings(), 1, environment, timeout_s=9, module="no_such_module") as pool,
    ):
        pool.wait_until_ready()
    with pytest.raises(InputError, match="ask for more"):
        ScoringPool(ScoreSettings(), 0, environment, timeout_s=9)
    with pytest.raises(InputError, match="ask for more"):
        ScoringPool(ScoreSettings(), 1, environment, timeout_s=0)
