"""Errors of the data: each message names the file or case and how to mend it."""

from __future__ import annotations

from typing import ClassVar


class DataError(Exception):
    """Data or a partition that cannot be used; the command line exits with 2."""

    exit_code: ClassVar[int] = 2
