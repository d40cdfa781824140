"""Loads a submission: a strategy class, three functions, or a file written for the FeTS challenge."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from fl_core.tensors import Tensors
from tasks.task1_aggregation.context import RoundContext
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets import stand_in
from tasks.task1_aggregation.fets.adapter import FetsStrategy
from tasks.task1_aggregation.fets.capture import Capture
from tasks.task1_aggregation.fets.functions import NAMES as FETS_NAMES
from tasks.task1_aggregation.fets.functions import FetsFunctions
from tasks.task1_aggregation.fets.settings import CapturedExperiment, CapturedSettings
from tasks.task1_aggregation.strategy import RoundConfig, Strategy, Update
from tasks.task1_aggregation.submission_module import run_module
from tasks.task1_aggregation.submission_source import SubmissionSource, read_source

Kind = Literal["class", "functions", "fets-functions", "fets-script", "fets-notebook"]

NATIVE_NAMES = {"select_sites": 1, "configure_round": 1, "aggregate": 3}
"""The functions of a submission without a class, and their numbers of arguments."""


@dataclass(frozen=True)
class LoadedSubmission:
    """A submission, ready to be called.

    Attributes:
        strategy: What to call.
        kind: In which form it was written.
        settings: What a FeTS script asked for (``rounds_to_train``,
            ``include_validation_with_hausdorff``, ``db_store_rounds`` and what is ignored), plain
            values; empty for other kinds.
        notes: What was ignored or took its default, and why; a line each.
    """

    strategy: Strategy
    kind: Kind
    settings: CapturedSettings = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def resumes_from_state(self) -> bool:
        """Whether all that the strategy remembers is in ``context.state``, so that a resume repeats no call.

        Its own class must say so: a subclass of one that does may remember more.
        """
        return bool(vars(type(self.strategy)).get("resumes_from_state", False))


class FunctionStrategy(Strategy):
    """A strategy made of functions instead of a class; what is missing is FedAvg's."""

    resumes_from_state = False

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions

    def select_sites(self, context: RoundContext) -> Iterable[str]:
        """Call the function ``select_sites(context)``."""
        names: Iterable[str] = self._functions.get("select_sites", super().select_sites)(context)
        return names

    def configure_round(self, context: RoundContext) -> RoundConfig | Mapping[str, RoundConfig]:
        """Call the function ``configure_round(context)``."""
        config: RoundConfig | Mapping[str, RoundConfig] = self._functions.get(
            "configure_round", super().configure_round
        )(context)
        return config

    def aggregate(self, context: RoundContext, model: Tensors, updates: Sequence[Update]) -> Tensors:
        """Call the function ``aggregate(context, model, updates)``."""
        tensors: Tensors = self._functions.get("aggregate", super().aggregate)(context, model, updates)
        return tensors


def load(path: Path) -> LoadedSubmission:
    """Load the submission at `path`, running its code up to its functions.

    The code runs here, in this process: call it where that may do no harm.

    Args:
        path: A ``.py`` or ``.ipynb`` file, or a folder with ``submission.py`` or one such file.

    Raises:
        StrategyError: With the function ``load``: there is no submission, its code does not compile,
            imports what the runtime lacks, raises, exits, or defines nothing that can be called.
    """
    source = read_source(path)
    source.compiled()
    capture = Capture()
    stand_in.install(stand_in.build(capture))
    try:
        module = run_module(source, as_main=source.imports_fets_challenge())
    finally:
        capture.close()
    if capture.experiment is not None:
        return _fets(capture.experiment, "fets-notebook" if source.is_notebook else "fets-script", source)
    return _from_module(module, source)


def _from_module(module: ModuleType, source: SubmissionSource) -> LoadedSubmission:
    strategy = _strategy_class(module, source)
    if strategy is not None:
        stand_in.remove()
        return LoadedSubmission(_instance(strategy), "class", notes=source.notes)
    native, fets = _callables(module, NATIVE_NAMES), _callables(module, FETS_NAMES)
    if native and fets:
        raise StrategyError(
            "load",
            f"{source.path.name} defines {', '.join(native)} of this API and {', '.join(fets)} of the FeTS "
            "challenge's; keep those of one",
        )
    if fets:
        experiment = CapturedExperiment(FetsFunctions(**fets))
        return _fets(experiment, "fets-notebook" if source.is_notebook else "fets-functions", source)
    if native:
        stand_in.remove()
        for name, function in native.items():
            _check_arguments(name, function, NATIVE_NAMES[name])
        return LoadedSubmission(FunctionStrategy(native), "functions", notes=source.notes)
    raise StrategyError(
        "load",
        f"{source.path.name} has neither a subclass of Strategy nor one of the functions "
        f"{', '.join((*NATIVE_NAMES, *FETS_NAMES))}, and calls no run_challenge_experiment",
    )


def _fets(experiment: CapturedExperiment, kind: Kind, source: SubmissionSource) -> LoadedSubmission:
    settings = experiment.settings
    rounds = settings.get("db_store_rounds")
    strategy = FetsStrategy(experiment.functions, rounds if isinstance(rounds, int) else 5)
    defaults = tuple(
        f"{name} is missing: {default}"
        for name, default in _DEFAULTS.items()
        if getattr(experiment.functions, name) is None
    )
    return LoadedSubmission(strategy, kind, settings, source.notes + experiment.notes + defaults)


_DEFAULTS = {
    "aggregation_function": "the average weighted by training cases",
    "choose_training_collaborators": "all sites train",
    "training_hyper_parameters_for_round": "the plan's learning rate and epochs",
}


def _strategy_class(module: ModuleType, source: SubmissionSource) -> type[Strategy] | None:
    """Return the subclass of Strategy that is called Submission, or the only one defined in the module."""
    named = getattr(module, "Submission", None)
    if inspect.isclass(named) and issubclass(named, Strategy):
        return named
    classes = {
        name: value
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Strategy) and value.__module__ == module.__name__
    }
    if not classes:
        return None
    distinct = set(classes.values())
    if len(distinct) > 1:
        raise StrategyError(
            "load",
            f"{source.path.name} has several strategies, {', '.join(sorted(c.__name__ for c in distinct))}; "
            "call the one to run Submission",
        )
    return distinct.pop()


def _instance(strategy: type[Strategy]) -> Strategy:
    try:
        return strategy()
    except Exception as error:  # the border to the participant's code
        raise StrategyError(
            "load",
            f"{strategy.__name__}() raised {type(error).__name__}: {error}; it is made without arguments",
        ) from error


def _callables(module: ModuleType, names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    found = {name: getattr(module, name, None) for name in names}
    return {name: value for name, value in found.items() if callable(value)}


def _check_arguments(name: str, function: Callable[..., Any], arguments: int) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # written in C: the first call will tell
    try:
        signature.bind(*range(arguments))
    except TypeError:
        raise StrategyError(
            "load", f"{name}{signature} is called with {arguments} arguments by position"
        ) from None
