"""The command ``fx`` in this process: the whole command line but for the start of an interpreter."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from fl_core.cli.main import run


@dataclass(frozen=True)
class Called:
    """What a call ended with."""

    returncode: int
    stdout: str
    stderr: str


def fx(*words: str, cwd: Path) -> Called:
    """Call ``fx`` in a folder."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", ["fx", *words]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            run()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return Called(code, out.getvalue(), err.getvalue())
