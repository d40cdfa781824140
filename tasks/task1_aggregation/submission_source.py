"""A submission's code: which file a path means, and its text, from a module or a notebook."""

from __future__ import annotations

import ast
import io
import tokenize
from dataclasses import dataclass
from pathlib import Path
from types import CodeType

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.notebook import join_cells
from tasks.task1_aggregation.fets.stand_in import PACKAGE


@dataclass(frozen=True)
class SubmissionSource:
    """The text of a submission.

    Attributes:
        path: The ``.py`` or ``.ipynb`` file.
        text: Its Python code.
        cells: For a notebook, the line on which each cell starts, with the cell's number.
        notes: What was left out.
    """

    path: Path
    text: str
    cells: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_notebook(self) -> bool:
        """Whether the code is the cells of a notebook."""
        return self.path.suffix == ".ipynb"

    @property
    def filename(self) -> str:
        """The name that tracebacks show; a notebook's lines are not those of its file."""
        return f"{self.path} (code)" if self.is_notebook else str(self.path)

    def place(self, line: int) -> str:
        """Return a line's place in words that its author knows."""
        for start, number in reversed(self.cells):
            if start < line:
                return f"{self.path.name} cell {number} line {line - start}"
        return f"{self.path.name} line {line}"

    def compiled(self) -> CodeType:
        """Compile the code.

        Raises:
            StrategyError: A syntax error, with its line.
        """
        try:
            return compile(self.text, self.filename, "exec", dont_inherit=True)
        except SyntaxError as error:
            line = (error.text or "").strip()
            shown = f": {line}" if line else ""
            raise StrategyError("load", f"{self.place(error.lineno or 1)}: {error.msg}{shown}") from error
        except ValueError as error:
            raise StrategyError("load", f"{self.path.name} is not Python code: {error}") from error

    def imports_fets_challenge(self) -> bool:
        """Whether the code, which must compile, imports ``fets_challenge`` anywhere."""
        names: set[str] = set()
        for node in ast.walk(ast.parse(self.text)):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module)
        return any(name.split(".")[0] == PACKAGE for name in names)


def read_source(path: Path) -> SubmissionSource:
    """Read the submission that a path means: a ``.py``, an ``.ipynb``, or a folder with one of them.

    In a folder, ``submission.py`` counts, else the only ``.py``, else the only ``.ipynb``.

    Raises:
        StrategyError: There is no such file, several could be meant, or it cannot be read.
    """
    file = _file(path)
    if file.suffix == ".ipynb":
        notebook = join_cells(_text(file), file.name)
        return SubmissionSource(file, notebook.text, notebook.starts, notebook.notes)
    return SubmissionSource(file, _text(file))


def _file(path: Path) -> Path:
    path = path.resolve()
    if path.is_dir():
        return _main_file(path)
    if not path.is_file():
        raise StrategyError("load", f"{path} does not exist; give a .py or .ipynb file, or a folder with one")
    if path.suffix not in (".py", ".ipynb"):
        raise StrategyError("load", f"{path.name} is neither a .py nor an .ipynb file")
    return path


def _main_file(folder: Path) -> Path:
    named = folder / "submission.py"
    if named.is_file():
        return named
    for suffix in (".py", ".ipynb"):
        files = sorted(file for file in folder.glob(f"*{suffix}") if not file.name.startswith((".", "__")))
        if len(files) == 1:
            return files[0]
        if files:
            names = ", ".join(file.name for file in files)
            raise StrategyError(
                "load", f"{folder} has {names}; name the one to load, or call it submission.py"
            )
    raise StrategyError("load", f"{folder} has no submission.py, and no other .py or .ipynb file")


def _text(file: Path) -> str:
    try:
        content = file.read_bytes()
        encoding = (
            "utf-8" if file.suffix == ".ipynb" else tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        )
        return io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except OSError as error:
        raise StrategyError("load", f"{file} cannot be read: {error.strerror}") from error
    except (UnicodeDecodeError, SyntaxError) as error:
        raise StrategyError(
            "load", f"{file.name} is not text in the encoding it declares: {error}"
        ) from error
