"""What a strategy answered, checked against the rules before anything acts on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fl_core.executor.base import OPTIMIZER_PREFIX
from fl_core.tensors import Tensors
from tasks.task1_aggregation.errors import StrategyError
from tasks.task1_aggregation.strategy import RoundConfig


@dataclass(frozen=True)
class Selection:
    """Checked names, in name order, and remarks."""

    sites: tuple[str, ...]
    notes: tuple[str, ...] = ()


def check_selection(answer: Iterable[object], sites: Iterable[str]) -> Selection:
    """Return the selected sites; duplicates are merged with a note.

    Raises:
        StrategyError: No site, or one that does not exist.

    Example:
        >>> check_selection(["2", "1", "2"], ["1", "2", "3"])
        Selection(sites=('1', '2'), notes=('select_sites named 2 more than once; merged',))
    """
    known = list(sites)
    names = [str(name) for name in answer]
    if not names:
        raise StrategyError("select_sites", "it selected no site; select at least one of " + ", ".join(known))
    unknown = sorted(set(names) - set(known))
    if unknown:
        shown = ", ".join(repr(name) for name in unknown[:3])
        raise StrategyError("select_sites", f"no site is called {shown}; the sites are {', '.join(known)}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    notes = (f"select_sites named {', '.join(repeated)} more than once; merged",) if repeated else ()
    return Selection(tuple(sorted(set(names))), notes)


def check_configs(
    answer: RoundConfig | Mapping[str, RoundConfig], selected: Iterable[str], model: Tensors
) -> dict[str, RoundConfig]:
    """Return one checked configuration for each selected site.

    Raises:
        StrategyError: A site without one, or a value that is out of range.
    """
    names = list(selected)
    configs = dict.fromkeys(names, answer) if isinstance(answer, RoundConfig) else dict(answer)
    missing = [name for name in names if name not in configs]
    if missing:
        raise StrategyError(
            "configure_round",
            f"no RoundConfig for the selected site {missing[0]}; return one per site or one for all",
        )
    return {name: _checked(configs[name], f"site {name}: ", model) for name in names}


def _checked(config: RoundConfig, where: str, model: Tensors) -> RoundConfig:
    """Return the configuration with plain numbers: numpy's print otherwise, and a resume would lose that."""
    if not isinstance(config, RoundConfig):
        raise StrategyError("configure_round", f"{where}a RoundConfig is wanted, not {type(config).__name__}")
    config = replace(
        config,
        learning_rate=_plain(config.learning_rate),
        epochs=_plain(config.epochs),
        batches=_plain(config.batches),
        proximal_mu=_plain(config.proximal_mu),
    )
    _check_config(config, where, model)
    return config


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _check_config(config: RoundConfig, where: str, model: Tensors) -> None:
    _positive(config.learning_rate, "learning_rate", where)
    _positive(config.epochs, "epochs", where)
    if config.epochs is not None and config.batches is not None:
        raise StrategyError("configure_round", f"{where}give epochs or batches, not both")
    if config.batches is not None and (not _whole(config.batches) or config.batches < 1):
        raise StrategyError("configure_round", f"{where}batches is {config.batches!r}; a whole number from 1")
    mu = config.proximal_mu
    if not isinstance(mu, (int, float)) or not math.isfinite(mu) or mu < 0:
        raise StrategyError("configure_round", f"{where}proximal_mu is {mu!r}; a finite number from 0")
    unknown = sorted(set(config.local_names) - set(model))
    if unknown:
        raise StrategyError(
            "configure_round", f"{where}local_names has {unknown[0]!r}, no tensor of the model"
        )
    for name, array in config.broadcast.items():
        if name.startswith(OPTIMIZER_PREFIX):
            raise StrategyError(
                "configure_round",
                f"{where}broadcast {name!r}: names with {OPTIMIZER_PREFIX!r} are taken",
            )
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            raise StrategyError(
                "configure_round", f"{where}broadcast {name!r} has values that are not finite"
            )


def _positive(value: float | None, name: str, where: str) -> None:
    if value is None:
        return
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise StrategyError("configure_round", f"{where}{name} is {value!r}; it must be finite and positive")


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
