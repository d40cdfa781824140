"""Reads the arguments of ``run_challenge_experiment``: what counts here, and what is only noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from typing import Any

from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.fets.functions import NAMES, FetsFunctions

Plain = None | bool | int | float | str
CapturedSettings = dict[str, Plain]
"""What a script asked for, by the names of the challenge; plain values only."""

_SHARED = (
    "institution_split_csv_filename",
    "brats_training_data_parent_dir",
    "db_store_rounds",
    "rounds_to_train",
    "device",
    "save_checkpoints",
    "restore_from_checkpoint_folder",
    "include_validation_with_hausdorff",
)
ORDER_2022 = (*NAMES, *_SHARED, "use_pretrained_model")
ORDER_2021 = (*NAMES, "validation_functions", *_SHARED, "challenge_metrics_validation_interval")

DEFAULTS: CapturedSettings = {"rounds_to_train": 5, "db_store_rounds": 5}
"""The challenge's defaults of the arguments that count here."""

_DATA = "the run's --data and --partition choose the data"
IGNORED = {
    "institution_split_csv_filename": _DATA,
    "brats_training_data_parent_dir": _DATA,
    "device": "the run's --device chooses it",
    "save_checkpoints": "the run always saves its checkpoint",
    "restore_from_checkpoint_folder": "the run's --resume does that",
    "use_pretrained_model": "the run's --init does that",
    "challenge_metrics_validation_interval": "the run's score_every does that",
    "validation_functions": "a submission never sees an image; metrics come from the harness",
}
"""Arguments that are recorded and never acted on, and who decides instead."""


@dataclass(frozen=True)
class CapturedExperiment:
    """A call of ``run_challenge_experiment``.

    Attributes:
        functions: The participant's functions.
        settings: `DEFAULTS`, and the plain arguments that were given.
        notes: What was ignored and why, a line each.
    """

    functions: FetsFunctions = field(default_factory=FetsFunctions)
    settings: CapturedSettings = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> CapturedExperiment:
    """Read a call in the form of either edition; 2021's has validation functions in fourth place.

    Example:
        >>> call = read_call((), {"rounds_to_train": 3, "device": "cuda"})
        >>> call.settings["rounds_to_train"], call.notes
        (3, ("device='cuda' is ignored: the run's --device chooses it",))

    Raises:
        StrategyError: Too many arguments, one given twice, a function that is none or takes other
            arguments, or a number that is none.
    """
    given = _by_name(args, kwargs)
    functions = FetsFunctions(**{name: given.pop(name, None) for name in NAMES})
    settings = dict(DEFAULTS)
    notes: list[str] = []
    for name, value in given.items():
        if name in _READERS:
            settings[name] = _READERS[name](name, value)
            continue
        settings[name] = value if isinstance(value, Plain) else _shown(value)
        if value is None or (name == "save_checkpoints" and value is True):
            continue
        if name in IGNORED:
            notes.append(f"{name}={_shown(value)} is ignored: {IGNORED[name]}")
        else:
            notes.append(f"{name}={_shown(value)} is ignored: run_challenge_experiment has no such argument")
    notes += [
        f"{name} was not given: {value}, run_challenge_experiment's default"
        for name, value in DEFAULTS.items()
        if name not in given and name == "rounds_to_train"
    ]
    return CapturedExperiment(functions, settings, tuple(notes))


def _by_name(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    of_2021 = len(args) > len(NAMES) and not isinstance(args[len(NAMES)], str | PathLike)
    order = ORDER_2021 if of_2021 else ORDER_2022
    if len(args) > len(order):
        raise StrategyError(
            "load", f"run_challenge_experiment got {len(args)} arguments by position; it has {len(order)}"
        )
    given = dict(zip(order, args, strict=False))
    twice = sorted(given.keys() & kwargs.keys())
    if twice:
        raise StrategyError("load", f"run_challenge_experiment got {twice[0]} twice")
    return given | dict(kwargs)


def _whole(name: str, value: Any, least: int) -> int:
    number = getattr(value, "item", lambda: value)()
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or number < least:
        raise StrategyError("load", f"{name} must be a whole number from {least}, not {_shown(value)}")
    return number


_READERS: dict[str, Callable[[str, Any], Plain]] = {
    "rounds_to_train": lambda name, value: _whole(name, value, 1),
    "db_store_rounds": lambda name, value: _whole(name, value, -1),
    "include_validation_with_hausdorff": lambda _, value: bool(value),
}


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple) and value and all(isinstance(item, tuple) for item in value):
        return "[" + ", ".join(str(item[0]) for item in value if item) + "]"
    if isinstance(value, PathLike):
        value = fspath(value)
    text = repr(value) if isinstance(value, Plain | list | tuple | dict) else f"a {type(value).__name__}"
    return text if len(text) <= 80 else text[:77] + "..."
