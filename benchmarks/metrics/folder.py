"""How long ``challenge score`` takes over a folder, beside reading the same files."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.metrics.volumes import CASES, Labels
from benchmarks.report import Measurement
from challenge.scoring.case_score import ScoreSettings
from challenge.scoring.pairing import pair_folders
from challenge.scoring.pool import ScoringPool
from fl_core.executor.environment import worker_environment

FILES: Final = 100
_MIX: Final = ("medium", "large", "multifocal", "medium", "medium", "far-fp")


def folder_case(repeats: int, cases: int = FILES, workers: int = 2) -> Measurement:
    """Time scoring of a folder, start-up excluded, against SimpleITK's reading in as many threads."""
    with tempfile.TemporaryDirectory(prefix="score-") as name:
        references, predictions = Path(name) / "references", Path(name) / "predictions"
        _write(references, predictions, cases)
        pairs = pair_folders(references, predictions).pairs
        files = [file for pair in pairs for file in (pair.reference, *pair.predictions)]
        scoring, reading = [], []
        environment = worker_environment(os.environ)
        with (
            ThreadPoolExecutor(workers) as threads,
            ScoringPool(ScoreSettings(), workers, environment, timeout_s=600) as pool,
        ):
            pool.wait_until_ready()
            for _ in range(repeats + 1):
                begin = time.perf_counter()
                list(threads.map(_read, files))
                between = time.perf_counter()
                statuses = {one.status for one in pool.score(pairs)}
                scoring.append(time.perf_counter() - between)
                reading.append(between - begin)
                if statuses != {"ok"}:
                    raise RuntimeError(f"cases of the benchmark were not scored: {statuses}")
    reference = f"SimpleITK reading in {workers} threads"
    return Measurement(
        f"peer-reading-{cases}",
        statistics.median(scoring[1:]),
        "s",
        reference,
        statistics.median(reading[1:]),
    )


def _read(path: Path) -> int:
    import SimpleITK

    return int(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).nbytes)


def _write(references: Path, predictions: Path, cases: int) -> None:
    made = {name: CASES[name]() for name in dict.fromkeys(_MIX)}
    for folder in (references, predictions):
        folder.mkdir()
    for number in range(cases):
        pair = made[_MIX[number % len(_MIX)]]
        # Moved a little each time, so that no two files are the same.
        _write_mask(references / f"case{number:03}_seg.nii.gz", np.roll(pair.reference, number % 9, axis=1))
        _write_mask(predictions / f"case{number:03}.nii.gz", np.roll(pair.prediction, number % 9, axis=1))


def _write_mask(path: Path, labels: Labels) -> None:
    import SimpleITK

    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(labels), str(path), True)
