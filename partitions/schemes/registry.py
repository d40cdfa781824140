"""The schemes by name, and the partition that a user's ``--partition NAME|CSV`` means."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from partitions.case import Case
from partitions.errors import DataError
from partitions.schemes.base import Parameters, Scheme
from partitions.schemes.dirichlet import dirichlet
from partitions.schemes.fets23 import fets23
from partitions.schemes.fets33 import fets33
from partitions.schemes.iid import iid
from partitions.schemes.natural import natural
from partitions.schemes.quantity_skew import quantity_skew
from partitions.schemes.tumour_size import tumour_size
from partitions.table import Partition, check_known, read_partition
from partitions.tumour import tumour_volumes

NATURAL_CSV = "partition.csv"


@dataclass(frozen=True)
class SchemeEntry:
    """A scheme, what it does in one line, and whether it looks at tumour volumes."""

    function: Scheme
    summary: str
    needs_volumes: bool = False


SCHEMES: Mapping[str, SchemeEntry] = {
    "natural": SchemeEntry(natural, "the institutions of the data folder's partition.csv"),
    "tumour-size": SchemeEntry(tumour_size, "natural, its largest cut into thirds by tumour size", True),
    "iid": SchemeEntry(iid, "equal numbers of random cases"),
    "dirichlet": SchemeEntry(dirichlet, "tumour sizes spread unevenly, by --alpha", True),
    "quantity-skew": SchemeEntry(quantity_skew, "random cases in unequal numbers, by --alpha"),
    "fets23": SchemeEntry(fets23, "23 institutions with the sizes of FeTS 2022, scaled"),
    "fets33": SchemeEntry(fets33, "33 institutions as in FeTS 2022's second partition, scaled", True),
}


def choose_partition(
    name_or_csv: str,
    folder: Path,
    cases: Sequence[Case],
    *,
    seed: int,
    parameters: Parameters | None = None,
    volumes: Mapping[str, float] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Partition:
    """Return the partition that a scheme's name or a CSV's path means for a data folder.

    A name of a scheme goes before a file of that name; write ``./natural`` for the file. Cases of the
    folder that the answer does not name are hidden test cases: split it with ``named_csv=True``.

    Args:
        name_or_csv: A key of `SCHEMES` or a path.
        folder: The data folder, for its partition.csv.
        cases: The folder's complete cases.
        seed: The seed of a scheme's draws.
        parameters: A scheme's settings.
        volumes: Whole-tumour volumes in ml by case id, if they are known already; else they are read
            where the scheme needs them.
        progress: Called with (cases done, cases in all) while volumes are read.

    Raises:
        DataError: Neither a scheme nor a file, or the scheme or file cannot serve these cases.
    """
    entry = SCHEMES.get(name_or_csv)
    if entry is None:
        return read_named_csv(name_or_csv)
    own = natural_partition(folder, cases)
    if volumes is None and entry.needs_volumes:
        volumes = tumour_volumes(cases, progress=progress)
    elif volumes is None:
        volumes = {case.id: 0.0 for case in cases}
    settings = parameters or Parameters()
    return entry.function(volumes, own, seed=seed, parameters=settings)


def read_named_csv(name_or_csv: str) -> Partition:
    """Read the CSV that a name which is no scheme's means.

    Raises:
        DataError: It is no file either, or the file cannot be used.
    """
    path = Path(name_or_csv)
    if path.suffix != ".csv" and not path.is_file():
        near = get_close_matches(name_or_csv, SCHEMES, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(
            f"partition {name_or_csv}: neither a CSV file nor a scheme; {hint}"
            f"the schemes are {', '.join(SCHEMES)}"
        )
    return read_partition(path)


def natural_partition(folder: Path, cases: Sequence[Case]) -> Partition | None:
    """Return the partition in the data folder's partition.csv, None if there is no such file.

    Raises:
        DataError: The file cannot be used, or names a case that the folder has not.
    """
    path = folder / NATURAL_CSV
    if not path.exists():
        return None
    partition = read_partition(path)
    check_known(partition, [case.id for case in cases])
    return partition
