"""Whether tensors are what was agreed on: the names, shapes, dtypes and finite values of a template."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from fl_core.errors import TensorError
from fl_core.tensors import Array, Tensors

_NAMES_SHOWN: Final = 5


def check_like(tensors: Tensors, template: Tensors, *, what: str) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Return tensors in the template's order and dtypes, or say what is wrong with the first.

    One difference is mended: float64 where the template has float32 (numpy's default crept in) is
    cast back, with a note.

    Args:
        tensors: What came, e.g. a strategy's aggregate.
        template: What it has to look like, e.g. the global model.
        what: Whose tensors these are, to begin messages with (``the aggregate``).

    Returns:
        The tensors, and notes on what was mended. Arrays that fit are passed on, not copied.

    Raises:
        TensorError: A name is missing or extra, a value is no array, a shape or dtype differs, or a
            value is not finite.

    Example:
        >>> model = {"w": np.zeros(2, np.float32)}
        >>> checked, notes = check_like({"w": np.array([0.5, 1.5])}, model, what="the aggregate")
        >>> checked["w"].dtype.name, notes
        ('float32', ("the aggregate: tensor 'w' came as float64 and was cast back to float32",))
    """
    check_names(tensors, template, what=what)
    checked: dict[str, Array] = {}
    notes = []
    for name, expected in template.items():
        checked[name], note = check_tensor(tensors[name], expected, f"{what}: tensor {name!r}")
        notes += [note] * bool(note)
    return checked, tuple(notes)


def check_names(names: Iterable[str], template: Iterable[str], *, what: str) -> None:
    """Check that the names are the template's.

    Raises:
        TensorError: A name is missing or extra.
    """
    missing, extra = set(template) - set(names), set(names) - set(template)
    if missing or extra:
        found = [
            f"{kind} {_listed(names)}" for kind, names in (("missing", missing), ("extra", extra)) if names
        ]
        raise TensorError(f"{what}: tensor names differ from the model's: {'; '.join(found)}")


def check_tensor(given: object, expected: Array, subject: str) -> tuple[Array, str]:
    """Return one tensor in the expected dtype, and a note where it was cast; see `check_like`.

    Args:
        given: What came.
        expected: An array of the shape and dtype it has to have.
        subject: What to begin messages with (``the aggregate: tensor 'w'``).

    Raises:
        TensorError: It is no array, its shape or dtype differs, or a value is not finite.
    """
    array = fitted(given, expected, subject)
    if not _finite(array):
        raise TensorError(
            f"{subject} holds {_worst(np.asarray(given))}; every value must be finite in {array.dtype}"
        )
    came = np.asarray(given).dtype
    if came.newbyteorder("=") == expected.dtype:
        return array, ""
    return array, f"{subject} came as {came} and was cast back to {expected.dtype}"


def fitted(given: object, expected: Array, subject: str) -> Array:
    """Return one tensor in the expected dtype, whatever its values; see `check_tensor`.

    Raises:
        TensorError: It is no array, or its shape or dtype differs.
    """
    # Arithmetic makes numpy scalars of arrays without dimensions.
    array = np.asarray(given) if isinstance(given, np.generic) else given
    if not isinstance(array, np.ndarray):
        raise TensorError(f"{subject} is a {type(given).__name__}; it must be a numpy array")
    if array.shape != expected.shape:
        raise TensorError(f"{subject} has shape {array.shape}; it must be {expected.shape}")
    return array if array.dtype == expected.dtype else _mended(array, expected, subject)


def form_of(tensors: Tensors) -> dict[str, Array]:
    """Return arrays of the same names, shapes and dtypes that take no memory: a template to keep."""
    return {
        name: np.broadcast_to(np.zeros((), tensors[name].dtype), tensors[name].shape)
        for name in sorted(tensors)
    }


def _mended(array: Array, expected: Array, subject: str) -> Array:
    native, wanted = array.dtype.newbyteorder("="), expected.dtype
    if native == wanted or (native.name == "float64" and wanted.name == "float32"):
        with np.errstate(over="ignore"):  # what overflows is reported as not finite
            return array.astype(wanted)
    raise TensorError(f"{subject} has dtype {array.dtype}; it must be {wanted}")


def _finite(array: Array) -> bool:
    if array.dtype.kind not in "fc" or array.size == 0:
        return True
    numbers = array.reshape(-1).view(array.real.dtype) if array.dtype.kind == "c" else array
    # The extremes carry every NaN and infinity, and need no array of booleans beside a large tensor.
    return bool(np.isfinite(numbers.min()) and np.isfinite(numbers.max()))


def _worst(array: Array) -> str:
    wrong = array[~np.isfinite(array)]
    if not wrong.size:
        return f"{array.flat[np.argmax(np.abs(array))]}"
    return f"{wrong.size} values such as {wrong[0]}"


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(names, key=str)
    more = f" and {len(ordered) - _NAMES_SHOWN} more" if len(ordered) > _NAMES_SHOWN else ""
    return ", ".join(map(repr, ordered[:_NAMES_SHOWN])) + more
