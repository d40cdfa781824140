"""Names and values as MLflow accepts them, and addresses without their passwords."""

from __future__ import annotations

import posixpath
import re

_LONGEST_NAME = 250
_LONGEST_PARAMETER = 6000


def mlflow_name(name: str) -> str:
    """Return `name` with what MLflow refuses in metric, parameter and tag names replaced by ``_``.

    Letters, digits and ``_ .:/-`` stay; the name is made a plain relative path of at most 250
    characters, as MLflow uses it as one.

    Example:
        >>> mlflow_name("dice@wt"), mlflow_name("../loss"), mlflow_name("")
        ('dice_wt', '_/loss', '_')
    """
    clean = re.sub(r"[^A-Za-z0-9_ .:/-]", "_", name)
    parts = [part if part not in (".", "..") else "_" for part in clean.split("/") if part]
    return posixpath.join(*parts)[:_LONGEST_NAME].rstrip("/") if parts else "_"


def parameter_value(value: object) -> str:
    """Return `value` as the text of a parameter, cut to MLflow's 6000 characters with a mark."""
    text = str(value)
    return text if len(text) <= _LONGEST_PARAMETER else text[: _LONGEST_PARAMETER - 1] + "…"


def without_password(text: str) -> str:
    """Return `text` with the user and password of every address in it replaced by ``***``.

    Example:
        >>> without_password("postgresql://ann:secret@db/board is down")
        'postgresql://***@db/board is down'
    """
    return re.sub(r"://[^/\s]*@", "://***@", text)
