"""An update as it was received: taken apart, checked, and made a whole model."""

from __future__ import annotations

import numpy as np

from fl_core.executor.base import OPTIMIZER_PREFIX
from fl_core.tensors import Array, Tensors
from fl_core.tensors.check import check_names, check_tensor, fitted
from fl_core.tensors.lazy import LazyTensors


def received_update(
    tensors: Tensors, form: Tensors, *, base: Tensors | None, what: str, checked: bool = False
) -> tuple[Tensors, Tensors]:
    """Return a site's whole model and its optimizer's arrays, both read-only.

    Arrays in a dict are checked and made whole at once. Of any other mapping (`SpooledTensors`, say)
    one tensor at a time is read and checked; what comes back reads, casts and adds again on access,
    so that memory holds only the tensors in use.

    Args:
        tensors: What the site sent; without training there are no arrays of a model.
        form: Arrays of the names, shapes and dtypes that it has to have.
        base: The model it received, where it sent ``trained - received``.
        what: Whose update this is, to begin messages with.
        checked: Whether it went through here before, so that its values need not be read again.

    Raises:
        TensorError: See `fl_core.tensors.check.check_like`.
    """
    names = {name for name in tensors if not name.startswith(OPTIMIZER_PREFIX)}
    if names:
        check_names(names, form, what=what)

    def whole(name: str) -> Array:
        value = fitted(tensors[name], form[name], f"{what}: tensor {name!r}")
        return value if base is None else add_delta(base[name], value)

    for name in () if checked else sorted(names):
        check_tensor(tensors[name], form[name], f"{what}: tensor {name!r}")
    model = LazyTensors(names, whole)
    optimizer = LazyTensors(set(tensors) - names, tensors.__getitem__)
    if isinstance(tensors, dict):
        return dict(model), dict(optimizer)
    return model, optimizer


def split_optimizer(tensors: Tensors) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the model's arrays and the optimizer's."""
    model = {n: v for n, v in tensors.items() if not n.startswith(OPTIMIZER_PREFIX)}
    return model, {n: v for n, v in tensors.items() if n.startswith(OPTIMIZER_PREFIX)}


def apply_delta(received: Tensors, delta: Tensors) -> dict[str, Array]:
    """Return whole models from ``trained - received``; booleans travel whole."""
    return {name: add_delta(received[name], value) for name, value in delta.items()}


def add_delta(received: Array, delta: Array) -> Array:
    """Return one tensor of `apply_delta`."""
    return delta if delta.dtype == np.bool_ else np.add(received, delta, dtype=delta.dtype)
