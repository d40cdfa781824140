"""A read-only mapping of a file that keeps no descriptor open.

`mmap.mmap` duplicates the descriptor and holds it as long as the mapping lives (``trackfd=False``
came with Python 3.13): a thousand updates in memory would use up all descriptors of a process.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import weakref


def map_read_only(handle: int, size: int) -> memoryview:
    """Map `size` bytes of a file; the pages go when the last view of them goes.

    The mapping is private: before Linux 6.7 a write-sealed file could not be mapped shared, not
    even for reading. Only for files that cannot be shortened, which would mean SIGBUS.

    Args:
        handle: An open descriptor; it may be closed afterwards.
        size: At least 1.

    Raises:
        OSError: The system refused.
    """
    library = _library()
    address = library.mmap(None, size, mmap.PROT_READ, mmap.MAP_PRIVATE, handle, 0)
    if address is None or address == ctypes.c_void_p(-1).value:
        number = ctypes.get_errno()
        raise OSError(number, f"{size} bytes of a file cannot be mapped: {os.strerror(number)}")
    pages = (ctypes.c_char * size).from_address(address)
    # Not at exit: then the process's end does it, and arrays may still be in use until then.
    weakref.finalize(pages, library.munmap, address, size).atexit = False
    return memoryview(pages).toreadonly()


@functools.cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    integer, size = ctypes.c_int, ctypes.c_size_t
    # off_t is as wide as a pointer wherever memory is large enough for models.
    library.mmap.argtypes = [ctypes.c_void_p, size, integer, integer, integer, ctypes.c_ssize_t]
    library.mmap.restype = ctypes.c_void_p
    library.munmap.argtypes = [ctypes.c_void_p, size]
    return library
