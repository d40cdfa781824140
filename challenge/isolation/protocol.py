"""What the harness and a participant's process say to each other.

Every answer comes with two sets of arrays: its own, and those of the strategy's state. Nothing in
an answer is trusted: types and counts are checked while it is decoded, values by the experiment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal

import msgspec

from challenge.isolation.contexts import Context
from challenge.isolation.limits import Limits
from fl_core.ipc.frames import BadFrame
from fl_core.tensors import Array, Tensors
from tasks.task1_aggregation.strategy import RoundConfig, Update

MAX_NAMES: Final = 10_000
MAX_TEXT: Final = 2_000
_SEPARATOR: Final = "/"

Function = Literal["load", "restore", "select_sites", "configure_round", "aggregate"]
Name = Annotated[str, msgspec.Meta(max_length=256)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_NAMES)]
Plain = None | bool | int | float | Text


class Load(msgspec.Struct, tag=True):
    """To the child, first of all: whose code to run, within which limits."""

    submission: str
    seed: int
    limits: Limits


class Restore(msgspec.Struct, tag=True):
    """To the child: a state from a checkpoint; its arrays are the set beside it."""

    state: bytes


class UpdateFacts(msgspec.Struct):
    """An `Update` without its arrays."""

    site: str
    weight: float
    n_train: int
    metrics: Mapping[str, float]
    staleness: int


class Call(msgspec.Struct, tag=True):
    """To the child: call a function of the strategy.

    For ``aggregate`` the sets beside it are the model and all updates' arrays; else there is none.
    """

    number: int
    function: Function
    context: Context
    updates: tuple[UpdateFacts, ...] = ()


class Loaded(msgspec.Struct, tag=True):
    """From the child: the submission is loaded."""

    kind: Name
    settings: dict[Name, Plain]
    notes: Annotated[tuple[Text, ...], msgspec.Meta(max_length=1000)]
    resumes_from_state: bool


class Restored(msgspec.Struct, tag=True):
    """From the child: the state is back."""


class Selected(msgspec.Struct, tag=True):
    """From the child: the answer of ``select_sites``."""

    number: int
    names: Names
    state: bytes | None


class ConfigValues(msgspec.Struct):
    """A `RoundConfig` without its arrays; numbers are checked by the experiment."""

    learning_rate: Plain
    epochs: Plain
    batches: Plain
    proximal_mu: Plain
    local_names: Names


class Configured(msgspec.Struct, tag=True):
    """From the child: the answer of ``configure_round``.

    `sites` maps names to places in `configs`, or is None for one configuration for all. The broadcast
    arrays of all configurations are the set beside it.
    """

    number: int
    configs: Annotated[tuple[ConfigValues, ...], msgspec.Meta(max_length=MAX_NAMES)]
    sites: Annotated[dict[Name, int], msgspec.Meta(max_length=MAX_NAMES)] | None
    state: bytes | None


class Aggregated(msgspec.Struct, tag=True):
    """From the child: the answer of ``aggregate`` is the set beside it."""

    number: int
    state: bytes | None


class Failed(msgspec.Struct, tag=True):
    """From the child: the function broke a rule, or its code raised."""

    function: Name
    rule: Text


def prefixed(groups: Iterable[Tensors]) -> dict[str, Array]:
    """Return several groups of arrays as one, the names prefixed by the group's number.

    Example:
        >>> import numpy as np
        >>> sorted(prefixed([{"w": np.zeros(1)}, {"w": np.zeros(1)}]))
        ['0/w', '1/w']
    """
    return {
        f"{index}{_SEPARATOR}{name}": array
        for index, group in enumerate(groups)
        for name, array in group.items()
    }


def grouped(tensors: Tensors, count: int) -> list[dict[str, Array]]:
    """Undo `prefixed` for `count` groups.

    Raises:
        BadFrame: A name without the number of a group.
    """
    groups: list[dict[str, Array]] = [{} for _ in range(count)]
    for key, array in tensors.items():
        number, separator, name = key.partition(_SEPARATOR)
        if not separator or not number.isascii() or not number.isdigit() or not int(number[:9]) < count:
            raise BadFrame(f"array {key[:80]!r} belongs to none of {count} groups")
        groups[int(number)][name] = array
    return groups


def update_facts(updates: Sequence[Update]) -> tuple[UpdateFacts, ...]:
    """Return the updates without their arrays."""
    return tuple(UpdateFacts(u.site, u.weight, u.n_train, u.metrics, u.staleness) for u in updates)


def updates_of(facts: Sequence[UpdateFacts], groups: Sequence[Tensors]) -> list[Update]:
    """Return updates with their arrays."""
    return [
        Update(fact.site, tensors, fact.weight, fact.n_train, fact.metrics, fact.staleness)
        for fact, tensors in zip(facts, groups, strict=True)
    ]


def configs_of(answer: Configured, broadcasts: Tensors) -> RoundConfig | dict[str, RoundConfig]:
    """Return the round's configuration from an answer, its values as they came.

    Raises:
        BadFrame: Numbers of configurations and of arrays that do not fit together.
    """
    groups = grouped(broadcasts, len(answer.configs))
    configs = [
        RoundConfig(
            learning_rate=values.learning_rate,  # type: ignore[arg-type]
            epochs=values.epochs,  # type: ignore[arg-type]
            batches=values.batches,  # type: ignore[arg-type]
            proximal_mu=values.proximal_mu,  # type: ignore[arg-type]
            broadcast=broadcast,
            local_names=values.local_names,
        )
        for values, broadcast in zip(answer.configs, groups, strict=True)
    ]
    if answer.sites is None:
        if len(configs) != 1:
            raise BadFrame(f"one configuration for all is wanted, {len(configs)} came")
        return configs[0]
    if any(not 0 <= place < len(configs) for place in answer.sites.values()):
        raise BadFrame("a site's configuration is not among those that came")
    return {site: configs[place] for site, place in answer.sites.items()}
