"""How models and updates stand in the files that travel.

A file without a codec in its metadata holds the arrays themselves, so that the aggregator can serve a
model, and map an update, as it is. Any other file says what its codec needs to know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fl_core.compression.none import NoCompression
from fl_core.compression.wire import Encoded
from fl_core.tensors import Tensors
from fl_core.tensors.header import DEFAULT_LIMITS, LENGTH_BYTES, array_of, header_end, read_header


def file_form(encoded: Encoded) -> tuple[Tensors, Mapping[str, Any] | None]:
    """Return the arrays and the metadata of the file for what was encoded.

    Example:
        >>> import numpy as np
        >>> file_form(NoCompression().encode({"w": np.zeros(1)}, seed=0))
        ({'w': array([0.])}, None)
    """
    return encoded.tensors, None if encoded.codec == NoCompression.name else encoded.metadata


def encoded_form(tensors: Tensors, metadata: Mapping[str, Any] | None) -> Encoded:
    """Return what was encoded, from the arrays and the metadata of a file.

    Raises:
        TensorError: An array is of a dtype that files do not hold.
    """
    if metadata is None or "codec" not in metadata:
        return NoCompression().encode(tensors, seed=0)
    return Encoded(tensors, metadata)


def read_blob(content: memoryview) -> Encoded:
    """Return what a file holds, without a copy of its arrays.

    Raises:
        TensorError: It is no safetensors file, or a damaged one.
    """
    end = header_end(bytes(content[:LENGTH_BYTES]), len(content), DEFAULT_LIMITS)
    start, entries, metadata = read_header(bytes(content[:end]), DEFAULT_LIMITS, size=len(content))
    arrays = {entry.name: array_of(entry, content, start + entry.begin) for entry in entries}
    return encoded_form(arrays, metadata)
