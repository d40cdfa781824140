"""Makes one Python text of a notebook's code cells."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tasks.task1_aggregation.errors import StrategyError

_MAGIC = re.compile(r"\s*(?:[%!?]|[\w\s,.\[\]'\"]+=\s*[%!])|.*\?\s*$")
_PYTHON_CELLS = ("%%time", "%%timeit", "%%capture", "%%prun")


@dataclass(frozen=True)
class NotebookText:
    """The code of a notebook.

    Attributes:
        text: The code cells one after the other, each under a comment with its number.
        starts: The line of `text`, from 1, on which each cell's comment stands, with the cell's number.
        notes: What was commented out.
    """

    text: str
    starts: tuple[tuple[int, int], ...]
    notes: tuple[str, ...]


def join_cells(content: str, name: str) -> NotebookText:
    """Join a notebook's code cells; magics and shell lines become comments, with a note each.

    Args:
        content: The file's content, JSON of notebook format 3 or 4.
        name: The file's name, for messages.

    Raises:
        StrategyError: It is no notebook.
    """
    lines: list[str] = []
    starts: list[tuple[int, int]] = []
    notes: list[str] = []
    for number, source in enumerate(_code_cells(content, name), start=1):
        starts.append((len(lines) + 1, number))
        lines.append(f"# cell {number}")
        cell, commented = _without_magics(source.splitlines())
        lines += cell
        notes += [f"{name} cell {number}: {line.strip()!r} is left out" for line in commented]
    return NotebookText("\n".join(lines) + "\n", tuple(starts), tuple(notes))


def _code_cells(content: str, name: str) -> list[str]:
    try:
        notebook = json.loads(content)
        sheets = notebook.get("worksheets", [notebook])
        cells = [cell for sheet in sheets for cell in sheet["cells"] if cell["cell_type"] == "code"]
        sources = [cell["source"] if "source" in cell else cell["input"] for cell in cells]
        return ["".join(source) for source in sources]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StrategyError("load", f"{name} is not a notebook that can be read: {error!r}") from error


def _without_magics(lines: list[str]) -> tuple[list[str], list[str]]:
    """Comment out what is no Python.

    Only a line at which the parser stops can be a magic: a ``%`` at the start of a line may as well
    stand in the middle of an expression.
    """
    first = next((line.strip() for line in lines if line.strip()), "")
    if first.startswith("%%") and first.split()[0] not in _PYTHON_CELLS:
        return [f"# {line}" for line in lines], [first]
    lines = list(lines)
    commented: list[str] = []
    for _ in range(len(lines)):
        stop = _syntax_error_line("\n".join(lines) + "\n")
        if stop is None or stop > len(lines) or not _MAGIC.match(lines[stop - 1]):
            break
        line = lines[stop - 1]
        commented.append(line)
        indent = line[: len(line) - len(line.lstrip())]
        lines[stop - 1] = f"{indent}pass  # {line.strip()}"
    return lines, commented


def _syntax_error_line(text: str) -> int | None:
    try:
        compile(text, "<cell>", "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.lineno
    except ValueError:  # null bytes: no line to name here, compiling the whole will tell
        return None
    return None
