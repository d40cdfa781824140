"""The header of a safetensors file: JSON that tells of each tensor's dtype, shape and place.

What a header says is believed only after it is checked: sizes are sizes, places neither overlap nor
leave gaps, nothing is named twice, and no number asks for more memory than the limits allow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from fl_core.errors import TensorError
from fl_core.tensors import Array
from fl_core.tensors.raw import DTYPES

METADATA_KEY: Final = "fl_core"
RESERVED: Final = "__metadata__"
LENGTH_BYTES: Final = 8
_MAX_DIMENSIONS: Final = 64  # numpy's own limit


@dataclass(frozen=True)
class Limits:
    """How much a file may ask of its reader.

    Attributes:
        header_bytes: Length of the JSON header.
        tensors: Number of tensors.
        total_bytes: Length of the whole file.
        name_length: Characters of a tensor's name.
    """

    header_bytes: int = 8 * 2**20
    tensors: int = 100_000
    total_bytes: int = 64 * 2**30
    name_length: int = 1024


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True)
class Entry:
    """What the header says of one tensor.

    Attributes:
        name: The tensor's name.
        code: Its dtype's name in safetensors.
        shape: Its shape.
        begin: Its first byte, counted from the first array's first byte.
        end: The byte after its last.
    """

    name: str
    code: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """The numpy dtype, little-endian."""
        return DTYPES[self.code]


def write_header(entries: Sequence[Entry], metadata: Mapping[str, Any] | None, limits: Limits) -> bytes:
    """Return the length and the header, padded so that the arrays that follow are aligned.

    Raises:
        TensorError: Metadata that JSON does not keep as it is, text that is none, or a limit exceeded.
    """
    header: dict[str, Any] = {}
    if metadata is not None:
        header[RESERVED] = {METADATA_KEY: _canonical(metadata)}
    for entry in entries:
        _check_shape(entry.name, entry.shape, entry.dtype.itemsize, limits)
        header[entry.name] = {
            "dtype": entry.code,
            "shape": list(entry.shape),
            "data_offsets": [entry.begin, entry.end],
        }
    text = _utf8(json.dumps(header, separators=(",", ":"), ensure_ascii=False))
    text += b" " * (-len(text) % LENGTH_BYTES)
    total = LENGTH_BYTES + len(text) + (entries[-1].end if entries else 0)
    _check_limits(limits, header=len(text), tensors=len(entries), total=total)
    return len(text).to_bytes(LENGTH_BYTES, "little") + text


def header_end(first: bytes, size: int, limits: Limits) -> int:
    """Return where the arrays start.

    Args:
        first: The file's first `LENGTH_BYTES` bytes, or more.
        size: Length of the whole file.
        limits: How much it may ask for.

    Raises:
        TensorError: This is no header, or one beyond the limits.
    """
    if size < LENGTH_BYTES + 2:
        raise TensorError(f"{size} bytes are no safetensors file; it is empty or was cut off")
    length = int.from_bytes(first[:LENGTH_BYTES], "little")
    _check_limits(limits, header=length, tensors=0, total=size)
    if LENGTH_BYTES + length > size:
        raise TensorError(
            f"the header's {length} bytes are not all there; this is no safetensors file or cut off"
        )
    return LENGTH_BYTES + length


def read_header(
    content: bytes, limits: Limits, *, size: int | None = None
) -> tuple[int, list[Entry], dict[str, Any] | None]:
    """Return where the arrays start, what they are in name order, and the metadata.

    Args:
        content: The file, or its part up to `header_end`.
        limits: How much it may ask for.
        size: Length of the whole file, where `content` is a part.

    Raises:
        TensorError: The header is no header, or does not fit the file.
    """
    size = len(content) if size is None else size
    start = header_end(content, size, limits)
    header = _header(content[LENGTH_BYTES:start])
    metadata = _metadata(header.pop(RESERVED, None))
    _check_limits(limits, header=start, tensors=len(header), total=size)
    entries = [_entry(name, fields, limits) for name, fields in sorted(header.items())]
    end = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != end:
            raise TensorError(f"tensor {entry.name!r} overlaps another or leaves a gap; the file is corrupt")
        end = entry.end
    if start + end != size:
        raise TensorError(
            f"the file has {size - start} bytes of tensors where its header tells of {end}; "
            "it was cut off or is corrupt, fetch it again"
        )
    return start, entries, metadata


def array_of(entry: Entry, content: bytes | memoryview, place: int) -> Array:
    """Return a tensor as a read-only view of the file's bytes (a copy where they are not aligned).

    Args:
        entry: The tensor, of a header that `read_header` accepted.
        content: The file, or a part of it.
        place: Where in `content` the tensor's first byte is.

    Raises:
        TensorError: It holds booleans that are none.
    """
    count = math.prod(entry.shape)
    if count:
        array: Array = np.frombuffer(content, entry.dtype, count, place).reshape(entry.shape)
    else:
        array = np.empty(entry.shape, entry.dtype)
    if entry.dtype.kind == "b" and count and array.view(np.uint8).max() > 1:
        raise TensorError(f"tensor {entry.name!r} holds booleans other than 0 and 1; the file is corrupt")
    if not array.flags.aligned:  # only in other programs' files
        array = array.copy()
    array.flags.writeable = False
    return array


def _canonical(metadata: Mapping[str, Any]) -> str:
    plain = dict(metadata)
    try:
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        kept = json.loads(text) == plain
    except (TypeError, ValueError, RecursionError) as error:
        raise TensorError(f"metadata cannot be written as JSON: {error}") from error
    if not kept:
        raise TensorError("metadata would not survive JSON; use text keys and lists, no tuples")
    return text


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise TensorError("a tensor name or metadata holds half a surrogate pair; use valid text") from error


def _header(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text.decode(), object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
    except (ValueError, RecursionError) as error:
        raise TensorError(
            f"the header is not valid JSON ({error}); this is no safetensors file or corrupt"
        ) from error
    if not isinstance(header, dict):
        raise TensorError("the header is not a JSON object; this is no safetensors file or corrupt")
    return header


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise TensorError("the header names a tensor or a field twice; the file is corrupt")
    return found


def _no_constants(constant: str) -> None:
    raise TensorError(f"the header or its metadata holds {constant}, which is not JSON")


def _metadata(notes: object) -> dict[str, Any] | None:
    if notes is None:
        return None
    if not isinstance(notes, dict) or not all(isinstance(note, str) for note in notes.values()):
        raise TensorError("the header's metadata is not a map of texts; the file is corrupt")
    if METADATA_KEY not in notes:
        return None
    try:
        metadata = json.loads(
            notes[METADATA_KEY], object_pairs_hook=_no_duplicates, parse_constant=_no_constants
        )
    except (ValueError, RecursionError) as error:
        raise TensorError(f"the metadata {METADATA_KEY!r} is not valid JSON: {error}") from error
    if not isinstance(metadata, dict):
        raise TensorError(f"the metadata {METADATA_KEY!r} is not a JSON object; the file is corrupt")
    return metadata


def _entry(name: str, fields: object, limits: Limits) -> Entry:
    known = repr(name[: limits.name_length])
    if not isinstance(fields, dict) or set(fields) != {"dtype", "shape", "data_offsets"}:
        raise TensorError(f"tensor {known} must have dtype, shape and data_offsets; the file is corrupt")
    code, shape, offsets = fields["dtype"], fields["shape"], fields["data_offsets"]
    if not isinstance(code, str) or code not in DTYPES:
        raise TensorError(
            f"tensor {known} has dtype {str(code)[:20]}; convert it to one of {', '.join(DTYPES)}"
        )
    if not _sizes(shape) or not _sizes(offsets) or len(offsets) != 2:
        raise TensorError(f"tensor {known} has a shape or offsets that are no sizes; the file is corrupt")
    dtype = DTYPES[code]
    _check_shape(name, shape, dtype.itemsize, limits)
    begin, end = offsets
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise TensorError(f"tensor {name!r}: {end - begin} bytes do not fit {code} of shape {tuple(shape)}")
    return Entry(name, code, tuple(shape), begin, end)


def _sizes(values: object) -> bool:
    # bool is an int to Python, but `true` is no size.
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_shape(name: str, shape: Sequence[int], itemsize: int, limits: Limits) -> None:
    if len(name) > limits.name_length:
        raise TensorError(f"tensor {name[:40]!r}… has a name of {len(name)} characters; shorten it")
    if len(shape) > _MAX_DIMENSIONS:  # before any product: of a million sizes it would take hours
        raise TensorError(f"tensor {name!r} has {len(shape)} dimensions; numpy ends at {_MAX_DIMENSIONS}")
    # An empty array with a huge axis has no bytes, and still numpy cannot make it.
    if math.prod(max(size, 1) for size in shape) * itemsize > limits.total_bytes:
        raise TensorError(f"tensor {name!r} has a shape beyond the {limits.total_bytes} bytes allowed")


def _check_limits(limits: Limits, *, header: int, tensors: int, total: int) -> None:
    for what, amount, allowed in (
        ("bytes of header", header, limits.header_bytes),
        ("tensors", tensors, limits.tensors),
        ("bytes in all", total, limits.total_bytes),
    ):
        if amount > allowed:
            raise TensorError(
                f"{amount} {what} are more than the {allowed} allowed; this is no model or corrupt"
            )
