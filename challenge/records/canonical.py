"""One way to write a value as JSON, so that equal values have equal bytes and can be signed."""

from __future__ import annotations

import json
from typing import Any

from challenge.records.errors import RecordError


def canonical_json(value: Any) -> bytes:
    r"""Return `value` as UTF-8 JSON: sorted keys, one space of indent, one newline at the end.

    Raises:
        RecordError: `value` holds something that JSON has no word for: NaN, an infinity, an array, a
            key that is not text.

    Example:
        >>> canonical_json({"b": 1, "a": "é"}).decode()
        '{\n "a": "é",\n "b": 1\n}\n'
    """
    try:
        _refuse_foreign(value, "the record")
    except RecursionError as error:
        raise RecordError("the record is nested too deeply; flatten its facts") from error
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    try:
        return (text + "\n").encode("utf-8")
    except UnicodeEncodeError as error:
        raise RecordError(
            f"the record holds text that is not UTF-8: {error.object[error.start : error.end]!r}"
        ) from error


def _refuse_foreign(value: Any, where: str) -> None:
    """Walk through `value` so that the error can say where the odd part is."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise RecordError(f"{where} has the key {key!r}, which is not text; write it as text")
            _refuse_foreign(part, f"{where}.{key}")
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            _refuse_foreign(part, f"{where}[{index}]")
    elif isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise RecordError(f"{where} is {value}, which JSON cannot hold; leave it out or write None")
    elif value is not None and not isinstance(value, str | int):
        raise RecordError(f"{where} is a {type(value).__name__}; records hold text, numbers, lists and maps")
