"""Tensors as safetensors: equal tensors give equal bytes, and no input does worse than a `TensorError`.

The layout is that of https://github.com/huggingface/safetensors: eight bytes with the header's
length, the header in JSON, then the arrays without gaps. It is written here and not by the library
because the order of several metadata keys is random there; files hold one at most, ``fl_core``,
whose value is canonical JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fl_core.durable import Disk
from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors
from fl_core.tensors.header import DEFAULT_LIMITS, Limits, array_of, read_header
from fl_core.tensors.stream import stream


def encode(
    tensors: Tensors, metadata: Mapping[str, Any] | None = None, *, limits: Limits = DEFAULT_LIMITS
) -> bytes:
    """Return tensors as one safetensors file.

    Args:
        tensors: Arrays by name; any order, byte order and strides.
        metadata: Plain JSON values to keep beside them; no time or path, or equal runs differ.
        limits: What `decode` will accept.

    Raises:
        TensorError: A name or dtype that files do not hold, metadata that JSON does not keep as it
            is, or a limit exceeded.

    Example:
        >>> import numpy as np
        >>> content = encode({"b": np.zeros(2), "a": np.ones((), np.float32)}, {"round": 3})
        >>> tensors, metadata = decode(content)
        >>> sorted(tensors), metadata
        (['a', 'b'], {'round': 3})
    """
    return b"".join(stream(tensors, metadata, limits=limits))


def decode(
    content: bytes, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[dict[str, Array], dict[str, Any] | None]:
    """Return the tensors of a safetensors file, in name order, and its metadata.

    The arrays are read-only views of `content` where it is aligned. Metadata under other keys than
    ``fl_core`` (other programs' notes) is passed over; without that key it is None.

    Args:
        content: The whole file.
        limits: How much it may ask for.

    Raises:
        TensorError: The file is torn, corrupt, too large or of a dtype that numpy lacks (BF16, F8).
    """
    start, entries, metadata = read_header(content, limits)
    return {entry.name: array_of(entry, content, start + entry.begin) for entry in entries}, metadata


def write_file(
    path: Path,
    tensors: Tensors,
    metadata: Mapping[str, Any] | None = None,
    *,
    disk: Disk,
    limits: Limits = DEFAULT_LIMITS,
) -> None:
    """Write tensors to a file, atomically and durably.

    Raises:
        TensorError: See `encode`.
        OSError: The disk refused; the file still has its old content.
    """
    disk.write(path, encode(tensors, metadata, limits=limits))


def read_file(
    path: Path, *, limits: Limits = DEFAULT_LIMITS
) -> tuple[dict[str, Array], dict[str, Any] | None]:
    """Read what `write_file`, or another program, has written as safetensors.

    Raises:
        TensorError: The file cannot be read or is not valid; the message names it. See `decode`.
    """
    try:
        size = path.stat().st_size
        if size > limits.total_bytes:
            raise TensorError(f"{size} bytes are more than the {limits.total_bytes} allowed")
        return decode(path.read_bytes(), limits=limits)
    except OSError as error:
        raise TensorError(f"{path}: cannot be read: {error.strerror or error}") from error
    except TensorError as error:
        raise TensorError(f"{path}: {error}") from error
