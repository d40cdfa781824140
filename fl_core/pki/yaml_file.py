"""The small YAML files of a workspace that name collaborators: every value in them is text.

YAML would take a collaborator ``1`` for a number and ``no`` for a truth value; read here, they are names.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from fl_core.durable import Disk
from fl_core.errors import InputError

_LARGEST = 4 << 20


def read_mapping(path: Path) -> dict[str, object]:
    """Return the mapping of a file, its values text, lists or mappings; empty if there is no file.

    Raises:
        InputError: It is there and holds no mapping.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{path}: is larger than {_LARGEST} bytes")
        content = yaml.load(path.read_bytes(), Loader=yaml.BaseLoader)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if content in (None, ""):
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path}: must be a mapping (`name: value`)")
    return content


def write_mapping(path: Path, content: dict[str, object], disk: Disk) -> None:
    """Replace a file, keeping the comment at its head.

    Raises:
        OSError: The disk refused; the file has its old content.
    """
    head: list[str] = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if line.strip() and not line.startswith("#"):
                break
            head.append(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    for key, value in content.items():
        style = False if isinstance(value, str) else None  # `name: value`, and `names: [a, b]`
        head.append(yaml.safe_dump({key: value}, allow_unicode=True, default_flow_style=style, width=100))
    disk.write(path, "".join(head).encode())
