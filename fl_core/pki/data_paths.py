"""Each collaborator's data on its own machine: `plan/data.yaml`, ``NAME: DATA``, outside the plan's hash."""

from __future__ import annotations

from pathlib import Path

from fl_core.durable import Disk
from fl_core.errors import InputError
from fl_core.pki.names import check_name
from fl_core.pki.yaml_file import read_mapping, write_mapping


def read_data_paths(path: Path) -> dict[str, str]:
    """Return the data of each collaborator (a path, or what its data loader takes), sorted by name.

    Raises:
        InputError: Another form, or a bad name.
    """
    found: dict[str, str] = {}
    for name, value in sorted(read_mapping(path).items()):
        if not isinstance(value, str):
            raise InputError(f"{path}: {name}: must be one path, not {type(value).__name__}")
        found[check_name(name)] = value
    return found


def record_data_path(path: Path, name: str, data: str, disk: Disk) -> None:
    r"""Record the data of a collaborator, replacing what stood there.

    Raises:
        InputError: As for `read_data_paths`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     record_data_path(Path(folder) / "data.yaml", "one", "/data/brats", Disk())
        ...     (Path(folder) / "data.yaml").read_text()
        'one: /data/brats\n'
    """
    paths: dict[str, object] = {**read_data_paths(path), check_name(name): data}
    write_mapping(path, dict(sorted(paths.items())), disk)
