"""Write a phantom federation as NIfTI folders, so that a run cannot tell it from real data."""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partitions.errors import DataError
from partitions.phantom.case import make_case
from partitions.phantom.contrast import MODALITIES, TISSUES
from partitions.phantom.federation import DEFAULT, InstitutionSpec, scaled
from partitions.phantom.grid import Grid, grid_at

SCHEMA = "phantom/1"
DESCRIPTION = "phantom.json"


@dataclass(frozen=True)
class _Job:
    """One case to write."""

    case: str
    seed: int
    institution: InstitutionSpec
    number: int
    spacing_mm: float
    folder: Path

    @property
    def hidden(self) -> bool:
        return self.number >= self.institution.train_validation


def write_phantom(
    folder: Path,
    *,
    seed: int = 0,
    institutions: Sequence[InstitutionSpec] | None = None,
    cases: int | None = None,
    spacing_mm: float = 3.0,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write cases, `partition.csv` and `phantom.json` into `folder`.

    The same arguments write the same bytes, whatever the number of workers. `phantom.json` is
    written last, so a folder that has it is complete.

    Args:
        folder: Where to write; made if need be. It may hold these cases already, but no others.
        seed: Seed of everything drawn.
        institutions: The federation; `federation.DEFAULT` if not given.
        cases: Cases in all, hidden ones included; the federation's own number if not given.
        spacing_mm: Edge of the cubic voxels in mm.
        workers: Processes that make cases.
        progress: Called with (cases done, cases in all) after each case.

    Returns:
        The case folders, in order of case name.

    Raises:
        DataError: No institutions, a name twice, too few cases, a spacing out of range, or a folder
            that holds other cases.
        OSError: The folder cannot be written.
    """
    chosen = tuple(DEFAULT if institutions is None else institutions)
    names = [spec.name for spec in chosen]
    if not names or len(set(names)) != len(names):
        raise DataError(f"A phantom needs institutions of different names, not {names}.")
    if cases is not None:
        chosen = scaled(chosen, cases)
    grid = grid_at(spacing_mm)
    folder.mkdir(parents=True, exist_ok=True)
    jobs = list(_jobs(folder, seed, chosen, spacing_mm))
    _refuse_other_cases(folder, {job.case for job in jobs})
    (folder / DESCRIPTION).unlink(missing_ok=True)
    for done, _ in enumerate(_run(jobs, workers), start=1):
        if progress is not None:
            progress(done, len(jobs))
    _write_partition(folder / "partition.csv", jobs)
    description = {
        "schema": SCHEMA,
        "seed": seed,
        "grid": {"shape_zyx": grid.shape, "spacing_mm": grid.spacing, "origin_zyx_mm": grid.origin},
        "intensities": {"modalities": MODALITIES, "tissues": TISSUES},
        "institutions": [asdict(spec) for spec in chosen],
    }
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n")
    return [folder / job.case for job in jobs]


def _jobs(
    folder: Path, seed: int, institutions: Sequence[InstitutionSpec], spacing_mm: float
) -> Iterator[_Job]:
    running = 0
    for spec in institutions:
        for number in range(spec.cases):
            running += 1
            yield _Job(f"Phantom_{running:04d}", seed, spec, number, spacing_mm, folder)


def _write_partition(path: Path, jobs: Sequence[_Job]) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("Partition_ID", "Subject_ID", "TrainOrVal"))
        table.writerows((job.institution.name, job.case, "test" if job.hidden else "") for job in jobs)


def _refuse_other_cases(folder: Path, cases: set[str]) -> None:
    """Refuse a folder with cases that the partition file would not name: they would become test cases."""
    others = sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name not in cases)
    if others:
        raise DataError(
            f"{folder} holds folders that are not part of this phantom ({others[0]}, {len(others)} in all);"
            " choose an empty folder."
        )


def _run(jobs: Sequence[_Job], workers: int) -> Iterator[str]:
    """Write the jobs' cases and yield each name when its case is there."""
    if workers <= 1 or len(jobs) <= 1:
        yield from map(_write_job, jobs)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        futures = [pool.submit(_write_job, job) for job in jobs]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def _write_job(job: _Job) -> str:
    grid = grid_at(job.spacing_mm)
    made = make_case(job.seed, job.institution, job.number, grid)
    target = job.folder / job.case
    target.mkdir(exist_ok=True)
    for image, modality in zip(made.images, MODALITIES, strict=True):
        _write_volume(target / f"{job.case}_{modality}.nii.gz", image, grid)
    _write_volume(target / f"{job.case}_seg.nii.gz", made.labels, grid)
    return job.case


def _write_volume(path: Path, values: NDArray[np.generic], grid: Grid) -> None:
    """Write one volume; the gzip stream that SimpleITK writes holds neither time nor name."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(values)
    image.SetSpacing([grid.spacing] * 3)
    image.SetOrigin(list(grid.origin[::-1]))
    sitk.WriteImage(image, str(path), useCompression=True)
