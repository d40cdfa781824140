import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import hashlib
from partitions.phantom.case import make_case
from partitions.phantom.federation import DEFAULT
from partitions.phantom.grid import grid_at
case = make_case(3, DEFAULT[2], 0, grid_at(3.0))
print(hashlib.sha256(case.images.tobytes() + case.labels.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing() -> None:
    root = Path(__file__).parents[3]
    printed = set()
    for threads in ("1", "2", "4"):
        settings = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, **settings, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.add(run.stdout)
    assert len(printed) == 1
    assert len(printed.pop().strip()) == 64
