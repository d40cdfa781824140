"""Cases: folders of four images and their labels, found by exact file names and never guessed.

Known names, for a folder ``CASE`` (any id: ``-``, spaces and ``.`` are kept as they are):

- BraTS/FeTS: ``CASE_{t1,t1ce,t2,flair,seg}.nii.gz``, also ``CASE_brain_...`` and ``CASE_final_seg``;
- BraTS 2023: ``CASE-{t1n,t1c,t2w,t2f,seg}.nii.gz``, whose label 3 is the enhancing tumour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from partitions.errors import DataError

MODALITIES = ("t1", "t1ce", "t2", "flair")
SEG = "seg"

Naming = Literal["fets", "brats2023"]
ProblemKind = Literal[
    "missing", "double", "orphan", "mixed", "unreadable", "misaligned", "labels", "values", "empty brain"
]

_EXTENSIONS = (".nii.gz", ".nii")
_FETS = {
    **{f"_{middle}{name}": name for middle in ("", "brain_") for name in MODALITIES},
    **{f"_{middle}seg": SEG for middle in ("", "brain_", "final_", "brain_final_")},
}
_BRATS2023 = {"-t1n": "t1", "-t1c": "t1ce", "-t2w": "t2", "-t2f": "flair", "-seg": SEG}


@dataclass(frozen=True)
class Case:
    """One subject's images.

    Attributes:
        id: The folder's name.
        folder: Where the files lie.
        files: Path by modality (``t1, t1ce, t2, flair``) and, where there are labels, ``seg``.
        naming: Whose file names these are; ``brats2023`` labels 3 are read as 4.
    """

    id: str
    folder: Path
    files: Mapping[str, Path]
    naming: Naming = "fets"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a case: its kind, one line of what and where, and the file if it is one file's."""

    case: str
    kind: ProblemKind
    message: str
    file: Path | None = None


@dataclass(frozen=True)
class CaseIndex:
    """The cases of a data folder.

    Attributes:
        cases: Complete ones, sorted by id.
        problems: Why the other folders are no case, and files that belong to none.
        notes: What the reader does on its own account, a line each (the 2023 label mapping).
    """

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()

    @property
    def by_id(self) -> dict[str, Case]:
        """The cases by their id, in order."""
        return {case.id: case for case in self.cases}


def find_cases(folder: Path, *, labels: bool = True) -> CaseIndex:
    """List the cases below a data folder, without opening an image.

    A folder with a missing or a double file is a problem and not a case; nothing is chosen for the
    user. Hidden folders, and files of the data folder that are no images, are passed over.

    Args:
        folder: Holds one folder for each case.
        labels: Whether a case without ``seg`` is incomplete.

    Raises:
        DataError: There is no such folder, or one that may not be listed.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such data folder; give one that holds CASE/CASE_t1.nii.gz and so on")
    cases: list[Case] = []
    problems: list[Problem] = []
    for entry in _listing(folder):
        if entry.name.startswith("."):
            continue
        if not entry.exists():
            line = f"{entry.name} is a link to nothing; mend the link or remove it"
            problems.append(Problem(entry.name, "unreadable", line, entry))
            continue
        if entry.is_dir():
            case, found = _inspect(entry, labels)
            problems += found
            if case is not None:
                cases.append(case)
        elif _stem(entry.name) is not None:
            line = f"{entry.name} lies outside any case folder; move it into one or away"
            problems.append(Problem("", "orphan", line, entry))
    return CaseIndex(tuple(cases), tuple(problems), _notes(cases))


def modality_of(case_id: str, file_name: str) -> tuple[str, Naming] | None:
    """Return which file of the case this name is, or None if it is none.

    Example:
        >>> modality_of("a-b.1", "a-b.1_brain_t1ce.nii.gz"), modality_of("a", "b_t1.nii.gz")
        (('t1ce', 'fets'), None)
    """
    stem = _stem(file_name)
    if stem is None or not stem.startswith(case_id):
        return None
    rest = stem[len(case_id) :]
    if rest in _FETS:
        return _FETS[rest], "fets"
    if rest in _BRATS2023:
        return _BRATS2023[rest], "brats2023"
    return None


def _listing(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); check its rights") from error


def _stem(file_name: str) -> str | None:
    """Return an image's name without its extension; None for a file that is no image."""
    if file_name.startswith("."):
        return None
    for extension in _EXTENSIONS:
        if file_name.endswith(extension):
            return file_name.removesuffix(extension)
    return None


def _inspect(folder: Path, labels: bool) -> tuple[Case | None, list[Problem]]:
    case_id = folder.name
    found: dict[str, list[Path]] = {}
    namings: dict[Naming, list[str]] = {}
    problems: list[Problem] = []
    for path in _listing(folder):
        known = modality_of(case_id, path.name)
        if known is not None:
            found.setdefault(known[0], []).append(path)
            namings.setdefault(known[1], []).append(path.name)
        elif _stem(path.name) is not None:
            line = f"{path.name} is not a file of this case: its name is not {case_id} and a known ending"
            problems.append(Problem(case_id, "orphan", line, path))
    needed = (*MODALITIES, SEG) if labels else MODALITIES
    faults = [
        Problem(case_id, "missing", f"{name} is missing: no {case_id}_{name}.nii.gz in {folder}")
        for name in needed
        if name not in found
    ]
    for name, paths in found.items():
        if len(paths) > 1:
            listed = " and ".join(path.name for path in paths)
            faults.append(Problem(case_id, "double", f"{name} is there twice: {listed}; keep one", paths[1]))
    if len(namings) > 1:
        listed = " and ".join(names[0] for names in namings.values())
        line = f"names of BraTS/FeTS and of BraTS 2023 are mixed ({listed}), so label 3 is ambiguous; rename"
        faults.append(Problem(case_id, "mixed", line))
    if faults:
        return None, problems + faults
    naming = next(iter(namings))
    return Case(case_id, folder, {name: found[name][0] for name in sorted(found)}, naming), problems


def _notes(cases: list[Case]) -> tuple[str, ...]:
    count = sum(case.naming == "brats2023" for case in cases)
    if not count:
        return ()
    return (f"BraTS 2023 names in {count} of {len(cases)} cases: label 3 (enhancing tumour) is read as 4",)
