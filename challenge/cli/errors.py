"""Which errors are for the user, what they read, and with which exit code each ends the command."""

from __future__ import annotations

import errno
from typing import Final

_OF_THE_MACHINE: Final = {
    errno.ENOSPC: "free space there",
    errno.EDQUOT: "free space there, your quota is used up",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EACCES: "check its rights",
    errno.EPERM: "check its rights",
    errno.EROFS: "choose a folder that can be written to",
    errno.EIO: "check the disk",
}
"""What mends an error of the operating system that is no fault of the program."""


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
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE:
        return 1
    return None


def message_of(error: Exception) -> str:
    """Return what the user reads of an error that has an exit code: one or two lines.

    Example:
        >>> message_of(OSError(errno.ENOSPC, "No space left on device", "/runs/a/state.json"))
        'error: /runs/a/state.json: No space left on device; free space there'
    """
    if isinstance(error, OSError) and error.errno in _OF_THE_MACHINE and not hasattr(error, "exit_code"):
        where = f"{error.filename}: " if error.filename is not None else ""
        return f"error: {where}{error.strerror}; {_OF_THE_MACHINE[error.errno]}"
    context = getattr(error, "ctx", None)
    if context is None:
        return f"error: {error}"
    # A wrong call, as typer found it; of its own four lines two say nothing.
    text = str(error.format_message() if hasattr(error, "format_message") else error)
    if text.startswith("Usage:"):  # a group without a command: the help itself
        return text
    return f"error: {' '.join(text.split())}\n`{context.command_path} --help` shows what there is"
