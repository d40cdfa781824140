"""A scoring worker that fails as the case's name says: run by the pool's tests."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from challenge.scoring.case_score import CaseScore, Grid, ScoreSettings, score_pair
from challenge.scoring.pairing import Pair
from challenge.scoring.worker import main


def score(pair: Pair, settings: ScoreSettings, told: Callable[[Grid], None]) -> CaseScore:
    """Score a case, unless its name asks for something else."""

    def then(grid: Grid) -> None:
        told(grid)
        if pair.case.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if pair.case.startswith("once"):
            mark = pair.reference.with_suffix(".mark")
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        if pair.case.startswith("hang"):
            time.sleep(600)
        if pair.case.startswith("raise"):
            raise ValueError("something odd")

    return score_pair(pair, settings, then)


if __name__ == "__main__":
    main(score)
