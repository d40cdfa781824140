"""What this process's C library does with memory that was freed."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable
from typing import Final

# <malloc.h>
TRIM_THRESHOLD: Final = -1
TOP_PAD: Final = -2
MMAP_THRESHOLD: Final = -3
MMAP_MAX: Final = -4
ARENA_MAX: Final = -8


def tell_glibc(settings: Iterable[tuple[int, int]]) -> bool:
    """Give settings to glibc's ``mallopt``, all of them even if one is refused.

    Returns:
        Whether the C library took them; other libraries than glibc have none.
    """
    if sys.platform != "linux":
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return all([mallopt(name, value) == 1 for name, value in settings])
