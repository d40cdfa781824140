"""Runs a submission's code as a module of its own, and says in one line what went wrong in it."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import linecache
import logging
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.capture import ExperimentCaptured
from tasks.task1_aggregation.submission_source import SubmissionSource

OFFERED = ("numpy", "torch", "scipy", "pandas", "scikit-learn", "matplotlib", "monai", "SimpleITK", "nilearn")
"""Distributions that a message about a missing import names."""

_LOG = logging.getLogger(__name__)


class SubmissionFolder(str):
    """A submission's folder on ``sys.path``; the type tells it from all other entries."""


def run_module(source: SubmissionSource, *, as_main: bool) -> ModuleType:
    """Run the code in a new module and return it, complete or as far as its experiment's call.

    Files beside the submission can be imported, as for a script; its folder comes first on the import
    path while the code is loaded, and last from then on, for imports inside its functions, until
    another submission is loaded.

    Args:
        source: The code.
        as_main: Whether the code sees itself as ``__main__``.

    Raises:
        StrategyError: The code does not compile, imports what is not there, raises or exits.
    """
    code = source.compiled()
    module = _new_module(source)
    lines = source.text.splitlines(keepends=True)
    linecache.cache[source.filename] = (len(source.text), None, lines, source.filename)
    with _importable(source.path), _registered(module, as_main):
        try:
            exec(code, module.__dict__)
        except ExperimentCaptured:
            pass
        except StrategyError:
            raise
        except SystemExit as error:
            raise _exited(error, source) from error
        except ImportError as error:
            _LOG.error("the submission cannot be imported", exc_info=error)
            raise _not_importable(error, source) from error
        except Exception as error:  # the border to the participant's code
            _LOG.error("the submission raised while it was loaded", exc_info=error)
            what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise StrategyError("load", f"raised {what} ({_where(error, source)})") from error
    return module


def _new_module(source: SubmissionSource) -> ModuleType:
    name = f"_submission_{source.path.stem}"
    loader = importlib.machinery.SourceFileLoader(name, str(source.path))
    spec = importlib.util.spec_from_file_location(name, source.path, loader=loader)
    if spec is None:  # only without a loader
        raise StrategyError("load", f"{source.path.name} cannot be loaded as a module")
    return importlib.util.module_from_spec(spec)


@contextmanager
def _registered(module: ModuleType, as_main: bool) -> Iterator[None]:
    """Keep the module where dataclasses and typing look for it; arguments are those of a bare call."""
    sys.modules[module.__name__] = module
    main, argv, written = sys.modules["__main__"], sys.argv, sys.dont_write_bytecode
    sys.argv, sys.dont_write_bytecode = [str(module.__file__)], True
    if as_main:
        module.__name__ = "__main__"
        sys.modules["__main__"] = module
    try:
        yield
    finally:
        sys.modules["__main__"], sys.argv, sys.dont_write_bytecode = main, argv, written


@contextmanager
def _importable(path: Path) -> Iterator[None]:
    _forget_earlier_folders()
    folder = SubmissionFolder(path.parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path[:] = [entry for entry in sys.path if entry is not folder]
        sys.path.append(folder)


def _forget_earlier_folders() -> None:
    earlier = [Path(entry) for entry in sys.path if isinstance(entry, SubmissionFolder)]
    sys.path[:] = [entry for entry in sys.path if not isinstance(entry, SubmissionFolder)]
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name != "__main__" and file and any(Path(file).is_relative_to(folder) for folder in earlier):
            del sys.modules[name]


def _exited(error: SystemExit, source: SubmissionSource) -> StrategyError:
    code = "" if error.code is None else repr(error.code)
    return StrategyError(
        "load",
        f"calls exit({code}) while it is loaded ({_where(error, source)}); "
        "it is loaded without arguments of a command line",
    )


def _not_importable(error: ImportError, source: SubmissionSource) -> StrategyError:
    where = _where(error, source)
    if not isinstance(error, ModuleNotFoundError):
        return StrategyError("load", f"{error.msg} ({where})")
    if error.name and error.name.startswith("fets_challenge"):
        return StrategyError(
            "load",
            f"imports {error.name} ({where}), which the stand-in for fets_challenge lacks; "
            "it has fets_challenge.experiment, .spec_sens_code and .inference",
        )
    return StrategyError(
        "load", f"imports {error.name} ({where}), which is not in this runtime; it offers {offered()}"
    )


def offered() -> str:
    """Return what a submission can import, with versions."""
    found = []
    for name in OFFERED:
        try:
            found.append(f"{name} {'.'.join(version(name).split('+')[0].split('.')[:2])}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _where(error: BaseException, source: SubmissionSource) -> str:
    """Return the last place in the submission's own code that the error passed through."""
    place = source.path.name
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == source.filename:
            place = source.place(frame.lineno or 1)
        elif Path(frame.filename).parent == source.path.parent:
            place = f"{Path(frame.filename).name} line {frame.lineno}"
    return place
