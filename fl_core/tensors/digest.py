"""The digest of a set of tensors: the same for equal names, dtypes, shapes and bytes, in any order."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from fl_core.errors import TensorError
from fl_core.tensors import Tensors
from fl_core.tensors.raw import dtype_name, raw_bytes


def digest(tensors: Tensors) -> str:
    """Return SHA-256 over (name, dtype, shape, bytes) of each tensor, in name order.

    Neither strides nor byte order count, nor the file that held the tensors. Zeros of either sign
    and NaNs of different payload are different bytes.

    Raises:
        TensorError: A value is no array, has a dtype that cannot be stored, or a name that is no
            valid text.

    Example:
        >>> import numpy as np
        >>> model = {"w": np.zeros((2, 3), np.float32), "b": np.ones(3, np.float32)}
        >>> digest(model) == digest(dict(reversed(model.items())))
        True
        >>> digest(model)[:15]
        'sha256:8d5c416a'
    """
    sha = hashlib.sha256()
    _feed(sha.update, tensors)
    return f"sha256:{sha.hexdigest()}"


def fingerprint(tensors: Tensors) -> str:
    """Return XXH3-128 over the same bytes as `digest`, about twenty times as fast.

    It tells models apart that nobody forged: what one process wrote and another reads. Where somebody
    might want two models to look alike, use `digest`.

    Raises:
        TensorError: See `digest`.

    Example:
        >>> import numpy as np
        >>> fingerprint({"w": np.zeros(2)}) == fingerprint({"w": np.zeros(3)})
        False
    """
    import xxhash

    state = xxhash.xxh3_128()
    _feed(state.update, tensors)
    return f"xxh3:{state.hexdigest()}"


def _feed(update: Callable[[Any], object], tensors: Tensors) -> None:
    for name in sorted(tensors):
        array = tensors[name]
        head = json.dumps([name, dtype_name(array, name), list(array.shape)], ensure_ascii=False)
        try:
            described = head.encode()
        except UnicodeEncodeError as error:
            raise TensorError(f"tensor name {name!r} holds half a surrogate pair; use valid text") from error
        # The length first, so that no name can run over into what follows.
        update(len(described).to_bytes(8, "little"))
        update(described)
        update(raw_bytes(array, name).data)
