"""Checks every case of a data folder: rules over facts, and a thin shell that reads the facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partitions.case import MODALITIES, SEG, Case, CaseIndex, Problem, find_cases
from partitions.errors import DataError
from partitions.reader import Geometry, Volume, geometry_differences, label_fault, label_values, read_volume

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class FileFacts:
    """What the rules need to know of one file.

    Attributes:
        geometry: Its grid; None where the file could not be read.
        error: Why it could not be read.
        not_finite: Number of NaN or infinite voxels.
        nonzero: Whether any voxel is not zero.
        labels: The distinct values, of a label file.
    """

    geometry: Geometry | None
    error: str = ""
    not_finite: int = 0
    nonzero: bool = True
    labels: tuple[float, ...] = ()


@dataclass(frozen=True)
class CaseCheck:
    """One case's result: no problems means that it can be used."""

    case: str
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class CheckReport:
    """The result for a data folder.

    Attributes:
        folder: What was checked.
        cases: One entry for each case folder, sorted by id.
        orphans: Problems of files outside any case folder.
        notes: What the reader does on its own account.
    """

    folder: Path
    cases: tuple[CaseCheck, ...]
    orphans: tuple[Problem, ...]
    notes: tuple[str, ...]

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems, by case."""
        return self.orphans + tuple(problem for check in self.cases for problem in check.problems)

    @property
    def ok(self) -> bool:
        """Whether there are cases and none has a problem."""
        return bool(self.cases) and not self.problems


def check_folder(
    folder: Path, progress: Progress | None = None, *, workers: int = 2, labels: bool = True
) -> CheckReport:
    """Read every file of a data folder and report what is wrong, by case.

    Args:
        folder: Holds one folder for each case.
        progress: Called with (cases done, cases in all), from this thread.
        workers: Threads that read; SimpleITK and zlib let go of the interpreter lock meanwhile.
        labels: Whether a case without labels is a problem.

    Raises:
        DataError: There is no such folder, or it holds no case folder.
    """
    index = find_cases(folder, labels=labels)
    by_case: dict[str, list[Problem]] = {case.id: [] for case in index.cases}
    for problem in index.problems:
        by_case.setdefault(problem.case, []).append(problem)
    orphans = tuple(by_case.pop("", ()))
    if not by_case:
        raise DataError(f"{folder}: holds no case; expected folders like CASE/CASE_t1.nii.gz")
    for case, found in zip(index.cases, _read_all(index, workers, progress), strict=True):
        by_case[case.id] += judge(case, found)
    checks = tuple(CaseCheck(case, tuple(by_case[case])) for case in sorted(by_case))
    return CheckReport(folder, checks, orphans, index.notes)


def judge(case: Case, facts: Mapping[str, FileFacts]) -> list[Problem]:
    """Apply the rules to one case's facts.

    Args:
        case: Names the files.
        facts: By modality and ``seg``.
    """
    problems: list[Problem] = []
    first: Geometry | None = None
    for name in (*MODALITIES, SEG):
        if name not in facts:
            continue
        fact, path = facts[name], case.files[name]
        if fact.geometry is None:
            problems.append(Problem(case.id, "unreadable", fact.error, path))
            continue
        first = first or fact.geometry
        differences = geometry_differences(first, fact.geometry)
        if differences:
            line = f"{path.name}: {' and '.join(differences)} differ from the case's first image"
            problems.append(Problem(case.id, "misaligned", line, path))
        if fact.not_finite:
            line = f"{path.name}: {fact.not_finite} voxels are NaN or infinite"
            problems.append(Problem(case.id, "values", line, path))
        fault = label_fault(fact.labels, case.naming) if name == SEG else None
        if fault is not None:
            problems.append(Problem(case.id, "labels", f"{path.name}: {fault}", path))
    empty = [name for name in MODALITIES if name in facts and not facts[name].nonzero]
    if empty:
        line = f"{' and '.join(empty)}: every voxel is zero, there is no brain to crop to"
        problems.append(Problem(case.id, "empty brain", line, case.files[empty[0]]))
    return problems


def read_facts(case: Case) -> dict[str, FileFacts]:
    """Read one case's facts; a file that cannot be read is a fact too."""
    facts: dict[str, FileFacts] = {}
    for name, path in case.files.items():
        try:
            volume = read_volume(path)
        except DataError as error:
            facts[name] = FileFacts(None, error=str(error))
            continue
        facts[name] = _facts(volume, is_labels=name == SEG)
    return facts


def _facts(volume: Volume, *, is_labels: bool) -> FileFacts:
    array = volume.array
    if is_labels:
        return FileFacts(volume.geometry, not_finite=volume.not_finite, labels=label_values(array))
    # As float32, because that is what training will see: a large float64 becomes infinite.
    with np.errstate(over="ignore"):
        infinite = int(np.count_nonzero(~np.isfinite(array.astype(np.float32))))
    return FileFacts(volume.geometry, not_finite=volume.not_finite + infinite, nonzero=bool(np.any(array)))


def _read_all(index: CaseIndex, workers: int, progress: Progress | None) -> list[dict[str, FileFacts]]:
    found = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        for done, facts in enumerate(pool.map(read_facts, index.cases), start=1):
            found.append(facts)
            if progress is not None:
                progress(done, len(index.cases))
    return found
