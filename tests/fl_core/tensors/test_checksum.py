"""The checksum of bytes on their way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_core.tensors.checksum import Checksum, file_checksum


@pytest.mark.parametrize(
    ("content", "text"),
    [
        # XXH3_128bits of the reference implementation (xxhsum -H2).
        (b"", "xxh3:99aa06d3014798d86001c324468d497f"),
        (b"abc", "xxh3:06b05ab6733a618578af5f94892f3950"),
    ],
)
def test_it_is_xxh3_of_128_bits(content: bytes, text: str) -> None:
    assert Checksum(content).text == text


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_it_does_not_depend_on_how_the_bytes_are_cut(parts: list[bytes]) -> None:
    grown = Checksum()
    for part in parts:
        grown.update(part)

    assert grown.text == Checksum(b"".join(parts)).text


def test_arrays_and_files_have_the_checksum_of_their_bytes(tmp_path: Path) -> None:
    array = np.arange(400_000, dtype=np.float32).reshape(2, -1)
    (tmp_path / "a").write_bytes(array.tobytes())

    assert file_checksum(tmp_path / "a") == Checksum(array.data).text == Checksum(array.tobytes()).text
    assert Checksum(array[::-1].tobytes()).text != Checksum(array.data).text
