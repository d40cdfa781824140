"""Which errors are for the user, and with which exit code each ends the command."""

from __future__ import annotations

import errno


def exit_code_of(error: Exception) -> int | None:
    """Return 1 where the work failed, 2 where the call or an input was wrong; None for a fault of ours.

    Example:
        >>> from fl_core.errors import InputError
        >>> exit_code_of(InputError("no")), exit_code_of(KeyError("x"))
        (2, None)
    """
    code = getattr(error, "exit_code", None)
    if isinstance(code, int):
        return code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
        return 1
    return None
