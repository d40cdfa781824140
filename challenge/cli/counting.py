"""Progress of work that counts up: a bar on a terminal, now and then a plain line in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

_EVERY_S = 10.0


@contextmanager
def counting(
    what: str, stream: TextIO | None = None, now: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[int, int], None]]:
    """Give a function to call with (done, all).

    Args:
        what: What is counted, e.g. ``cases checked``.
        stream: Where it shows; standard error unless given, so that results stay apart.
        now: A clock in seconds; without a terminal a line is written every ten of them.
    """
    target = stream if stream is not None else sys.stderr
    if target.isatty():
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(file=target), transient=True) as bars:
            task = bars.add_task(what, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)
        return
    last = now()

    def report(done: int, total: int) -> None:
        nonlocal last
        if now() - last >= _EVERY_S:
            last = now()
            target.write(f"{done} of {total} {what}\n")

    yield report
