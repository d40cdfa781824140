"""Which prediction belongs to which reference, by exact file names and never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from fl_core.errors import InputError
from partitions.case import Naming

_EXTENSIONS = (".nii.gz", ".nii")
_REFERENCE_ENDINGS: Mapping[str, Naming] = {"_final_seg": "fets", "_seg": "fets", "-seg": "brats2023"}


@dataclass(frozen=True)
class Pair:
    """One case.

    Attributes:
        case: Its id.
        reference: The file of the reference.
        predictions: The files of the prediction: one, none where it is missing, two where it is not clear
            which of them is meant.
        naming: Whose file name the reference has; ``brats2023`` calls the enhancing tumour 3.
    """

    case: str
    reference: Path
    predictions: tuple[Path, ...]
    naming: Naming = "fets"


@dataclass(frozen=True)
class Pairing:
    """The cases of two folders.

    Attributes:
        pairs: One for each reference, sorted by case id.
        notes: What is done on the reader's own account, a line each.
    """

    pairs: tuple[Pair, ...]
    notes: tuple[str, ...]


def pair_folders(references: Path, predictions: Path, naming: Naming | None = None) -> Pairing:
    """Pair the masks of two folders.

    References are called ``<case>``, ``<case>_seg``, ``<case>_final_seg`` or, as in BraTS 2023,
    ``<case>-seg``; predictions ``<case>`` or as the reference is. All end with ``.nii.gz`` or ``.nii``.

    Args:
        references: The folder that says which cases there are.
        predictions: The other one; what is in it beyond those cases is passed over, with a note.
        naming: Whose labels the references have; told by their names unless given.

    Raises:
        InputError: A folder is none or cannot be listed; there is no reference, or two of one case.
    """
    truths, guesses = _masks(references), _masks(predictions)
    by_case: dict[str, list[tuple[str, Path, Naming]]] = {}
    for stem, paths in truths.items():
        case, found = case_of(stem)
        by_case.setdefault(case, []).extend((stem, path, naming or found) for path in paths)
    if not by_case:
        raise InputError(
            f"{references}: holds no reference; expected masks like CASE.nii.gz or CASE_seg.nii.gz in it"
        )
    pairs, used = [], set[str]()
    for case in sorted(by_case):
        if len(by_case[case]) > 1:
            listed = " and ".join(path.name for _, path, _ in by_case[case])
            raise InputError(f"{references}: case {case} has two references, {listed}; keep one")
        stem, path, whose = by_case[case][0]
        stems = dict.fromkeys((case, stem))
        used.update(stems)
        found_files = tuple(file for name in stems for file in guesses.get(name, ()))
        pairs.append(Pair(case, path, found_files, whose))
    surplus = sorted(guesses.keys() - used)
    return Pairing(tuple(pairs), tuple(_notes(pairs, surplus)))


def case_of(stem: str) -> tuple[str, Naming]:
    """Return which case a reference's name is of, and whose naming that is.

    Example:
        >>> case_of("FeTS-01 a_final_seg"), case_of("BraTS-GLI-00001-000-seg")
        (('FeTS-01 a', 'fets'), ('BraTS-GLI-00001-000', 'brats2023'))
    """
    for ending, naming in _REFERENCE_ENDINGS.items():
        if stem.endswith(ending) and stem != ending:
            return stem.removesuffix(ending), naming
    return stem, "fets"


def _masks(folder: Path) -> dict[str, list[Path]]:
    """Return the folder's images by their name without extension."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name one that holds masks like CASE.nii.gz")
    try:
        entries = sorted(folder.iterdir(), key=lambda path: path.name)
    except OSError as error:
        raise InputError(f"{folder}: cannot be listed ({error.strerror}); check its rights") from error
    found: dict[str, list[Path]] = {}
    for entry in entries:
        extension = next((end for end in _EXTENSIONS if entry.name.endswith(end)), None)
        if extension is not None and not entry.name.startswith("."):
            # A name that is no UTF-8 stands escaped in tables; its file is found all the same.
            name = entry.name.encode(errors="backslashreplace").decode()
            found.setdefault(name.removesuffix(extension), []).append(entry)
    return found


def _notes(pairs: Iterable[Pair], surplus: list[str]) -> Iterable[str]:
    namings = [pair.naming for pair in pairs]
    count = namings.count("brats2023")
    if count:
        yield (
            f"BraTS 2023 labels in {count} of {len(namings)} references: label 3 (enhancing tumour) is read "
            "as 4, there and in their predictions"
        )
    if surplus:
        listed = ", ".join(surplus[:5]) + (" ..." if len(surplus) > 5 else "")
        yield f"{len(surplus)} predictions without a reference are passed over: {listed}"
