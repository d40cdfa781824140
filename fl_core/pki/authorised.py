"""The authorised list: which collaborators may take part, and with how many samples at most.

Its form, `plan/cols.yaml`: ``collaborators: [one, {name: two, max_samples: 500}]``. It stands outside the
plan's hash, so that a collaborator may be added after the plan was exported.
"""

from __future__ import annotations

from pathlib import Path

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.pki.names import check_name
from fl_core.pki.yaml_file import read_mapping, write_mapping


def read_authorised(path: Path) -> dict[str, int | None]:
    """Return the authorised names in order, each with its registered cap on samples or None.

    Nobody is authorised where there is no file.

    Raises:
        InputError: Another form, a bad name, a cap below 1, or a name that stands twice.
    """
    names: dict[str, int | None] = {}
    for entry in _entries(path):
        name, cap = _parsed(entry, path)
        if name in names:
            raise InputError(f"{path}: {name} stands in it twice; remove one")
        names[name] = cap
    return dict(sorted(names.items()))


def add_authorised(path: Path, name: str, disk: Disk, max_samples: int | None = None) -> bool:
    """Add a name to the list, sorted; return whether anything changed.

    An entry that is there keeps its cap unless a new one is given.

    Raises:
        InputError: As for `read_authorised`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "cols.yaml"
        ...     _ = add_authorised(path, "two", Disk()), add_authorised(path, "one", Disk(), max_samples=9)
        ...     read_authorised(path)
        {'one': 9, 'two': None}
    """
    names = read_authorised(path)
    check_name(name)
    if max_samples is not None and max_samples < 1:
        raise InputError(f"the cap on samples of {name} is {max_samples}; it is at least 1")
    if name in names and max_samples in (None, names[name]):
        return False
    names[name] = max_samples if max_samples is not None else names.get(name)
    entries: list[object] = [
        each if cap is None else {"name": each, "max_samples": cap} for each, cap in sorted(names.items())
    ]
    write_mapping(path, {"collaborators": entries}, disk)
    return True


def _entries(path: Path) -> list[object]:
    content = read_mapping(path)
    unknown = sorted(content.keys() - {"collaborators"})
    if unknown:
        raise InputError(f"{path}: unknown key {unknown[0]}; the only one is `collaborators`")
    entries = content.get("collaborators", [])
    if entries == "":
        return []
    if not isinstance(entries, list):
        raise InputError(f"{path}: `collaborators` must be a list of names")
    return entries


def _parsed(entry: object, path: Path) -> tuple[str, int | None]:
    if isinstance(entry, str):
        return check_name(entry), None
    if isinstance(entry, dict) and isinstance(entry.get("name"), str):
        cap = entry.get("max_samples")
        if entry.keys() <= {"name", "max_samples"} and (cap is None or _is_count(cap)):
            return check_name(entry["name"]), None if cap is None else int(cap)
    raise InputError(
        f"{path}: {str(entry)[:80]!r} is neither a name nor {{name: NAME, max_samples: whole number from 1}}"
    )


def _is_count(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isdigit() and len(text) < 16 and int(text) >= 1
