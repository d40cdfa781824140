from __future__ import annotations

import numpy as np
import pytest

from fl_core.errors import TensorError
from fl_core.tensors.raw import DTYPES, dtype_name, raw_bytes


def test_every_dtype_has_its_name_in_any_byte_order() -> None:
    for name, dtype in DTYPES.items():
        for order in "<>=":
            assert dtype_name(np.zeros(2, dtype.newbyteorder(order)), "w") == name
    # On this platform two C types of eight bytes exist; both are I64.
    assert dtype_name(np.zeros(2, np.longlong), "w") == dtype_name(np.zeros(2, np.long), "w") == "I64"


def test_bytes_are_little_endian_in_c_order() -> None:
    array = np.array([[1, 2], [3, 4]], ">u2")
    assert raw_bytes(array, "w").tobytes() == b"\1\0\2\0\3\0\4\0"
    assert raw_bytes(array.T, "w").tobytes() == b"\1\0\3\0\2\0\4\0"
    assert raw_bytes(array[:, ::-1], "w").tobytes() == b"\2\0\1\0\4\0\3\0"
    assert raw_bytes(np.array(5, np.uint8), "w").tolist() == [5]
    assert raw_bytes(np.zeros((0, 3)), "w").shape == (0,)


def test_nothing_is_copied_without_need() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert np.shares_memory(raw_bytes(array, "w"), array)


def test_booleans_are_0_and_1() -> None:
    odd = np.array([0, 1, 2, 255], np.uint8).view(np.bool_)
    assert raw_bytes(odd, "w").tolist() == [0, 1, 1, 1]


@pytest.mark.parametrize("dtype", ["U3", "S3", "O", "M8[s]", "c16", "g", "V2"])
def test_other_dtypes_are_refused(dtype: str) -> None:
    with pytest.raises(
        TensorError, match=r"tensor 'w' has dtype .* cannot be stored; use one of bool, uint8"
    ):
        dtype_name(np.zeros(2, dtype), "w")
