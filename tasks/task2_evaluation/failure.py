"""What a participant is told of a failure: nothing that could carry a value of the data.

A package sees images and chooses how it fails, so all that a report holds is taken from short lists:
names of Python's own exceptions, lines of the package's own files, steps of time. Messages stay behind.
"""

from __future__ import annotations

import builtins
import math
import traceback
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

Phase = Literal["load", "predict", "answer"]

CUSTOM: Final = "custom"
BUILT_IN: Final = frozenset(
    name
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
)
MOST_FRAMES: Final = 10
MOST_ITEMS: Final = 10


@dataclass(frozen=True)
class Frame:
    """A line that an error passed through: the package's file, and the line's number from 1."""

    file: str
    line: int


@dataclass(frozen=True)
class Failure:
    """A failure without a word of the package's own.

    Attributes:
        phase: While the model was loaded, predicted, or once its answer was looked at.
        exception: Name of Python's own exception, ``custom`` for any other, or nothing.
        frames: Lines of the package, outermost first.
    """

    phase: Phase
    exception: str | None = None
    frames: tuple[Frame, ...] = ()


def exception_name(error: BaseException) -> str:
    """Return the name of an exception if it is one of Python's own, else ``custom``.

    Example:
        >>> exception_name(KeyError("patient 7")), exception_name(type("Smith", (KeyError,), {})())
        ('KeyError', 'custom')
    """
    kind = type(error)
    return kind.__name__ if kind.__module__ == "builtins" and kind.__name__ in BUILT_IN else CUSTOM


def frames_in(error: BaseException, folder: Path) -> list[tuple[str, int]]:
    """Return the places in a folder's files that an error passed through, outermost first."""
    found = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(folder) and frame.lineno is not None:
            found.append((path.relative_to(folder).as_posix(), frame.lineno))
    return found[-MOST_FRAMES:]


def filtered(
    phase: Phase, exception: str | None, frames: Iterable[tuple[str, int]], lines: Mapping[str, int]
) -> Failure:
    """Return what may be told of a failure that a package's process has described.

    Args:
        phase: Of the failure.
        exception: The name it gave.
        frames: The places it gave.
        lines: Number of lines by file of the package.

    Example:
        >>> filtered("predict", "Age57", [("m.py", 3), ("m.py", 99), ("/x", 1)], {"m.py": 5})
        Failure(phase='predict', exception='custom', frames=(Frame(file='m.py', line=3),))
    """
    name = exception if exception is None or exception in BUILT_IN else CUSTOM
    known = [Frame(file, line) for file, line in frames if 1 <= line <= lines.get(file, 0)]
    return Failure(phase, name, tuple(known[-MOST_FRAMES:]))


def lines_of(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Return the number of lines of each Python file of a package."""
    return {name: len((folder / name).read_bytes().splitlines()) for name in names if name.endswith(".py")}


def coarse(seconds: float) -> str:
    """Return a time as a step: of two neighbouring steps one is twice the other.

    Example:
        >>> coarse(0.4), coarse(3.0), coarse(4.0)
        ('up to 1 s', 'up to 4 s', 'up to 4 s')
    """
    return f"up to {2 ** max(0, math.ceil(math.log2(max(seconds, 1.0))))} s"


def failure_report(
    package: str, failures: Sequence[tuple[str, Failure]], by_status: Mapping[str, int], slowest_s: float
) -> dict[str, Any]:
    """Return what a site may tell a participant.

    Equal failures stand there once with their number, and the order is theirs, not the cases': which
    case failed is not told.

    Args:
        package: Its digest.
        failures: Status and failure of each case that has one.
        by_status: Number of cases by status.
        slowest_s: The longest prediction.

    Returns:
        Plain values, schema ``failure-report/1``; at most `MOST_ITEMS` kinds of failures.
    """
    counts = Counter(failures)
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], repr(item[0][1])))
    return {
        "schema": "failure-report/1",
        "package": package,
        "by_status": dict(sorted(by_status.items())),
        "slowest": coarse(slowest_s),
        "failures": [
            {"status": status, "cases": count, **asdict(failure)}
            for (status, failure), count in ordered[:MOST_ITEMS]
        ],
        "not_itemised": sum(count for _, count in ordered[MOST_ITEMS:]),
    }
