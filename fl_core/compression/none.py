"""No compression: tensors travel as they are."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic.dataclasses import dataclass

from fl_core.compression.base import SETTINGS, raw_part
from fl_core.compression.wire import RAW, Encoded, array_of, entry_of, read_entries
from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors


@dataclass(frozen=True, config=SETTINGS)
class NoCompression:
    """Every tensor under its own name, in its own dtype; nothing is copied or looked into.

    Example:
        >>> import numpy as np
        >>> codec = NoCompression()
        >>> model = {"w": np.array([1.5, float("nan")])}
        >>> codec.decode(codec.encode(model, seed=0))["w"] is model["w"]
        True
    """

    name: ClassVar[str] = "none"
    sparse: ClassVar[bool] = False
    error_feedback: ClassVar[bool] = False

    def compresses(self, name: str, array: Array) -> bool:
        """Return that nothing is lost."""
        return False

    def encode(self, tensors: Tensors, *, seed: int) -> Encoded:
        """Return tensors as they are; the seed has no influence."""
        arrays = {name: array_of(tensors[name]) for name in sorted(tensors)}
        entries: dict[str, Any] = {name: entry_of(name, arrays[name], RAW).plain() for name in arrays}
        return Encoded(arrays, {"codec": self.name, "tensors": entries})

    def decode(self, encoded: Encoded) -> dict[str, Array]:
        """Return the tensors, once they are what the metadata says.

        Raises:
            TensorError: They are not.
        """
        if encoded.codec != self.name:
            raise TensorError(f"tensors were compressed with {encoded.codec!r:.80}, not with {self.name!r}")
        entries = read_entries(encoded.metadata)
        differing = set(entries) ^ set(encoded.tensors)
        if differing:
            raise TensorError(f"tensor {min(differing)!r} is not both sent and in the metadata")
        decoded = {}
        for name, entry in entries.items():
            if entry.form != RAW:
                raise TensorError(f"tensor {name!r}: it came in the form {entry.form!r:.80}")
            try:
                decoded[name] = raw_part(entry, {RAW: encoded.tensors[name]})
            except TensorError as error:
                raise TensorError(f"tensor {name!r}: {error}") from error
        return decoded
