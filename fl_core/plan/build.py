"""From a plan's sections to what they describe: assigner, aggregation, stragglers, compression, workers."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from fl_core.errors import InputError, PlanError
from fl_core.plan.schema import Plan
from fl_core.plan.template import resolve

if TYPE_CHECKING:
    from fl_core.aggregation.base import Aggregation
    from fl_core.assigner.base import Assigner
    from fl_core.compression.exchange import Exchange
    from fl_core.executor.base import WorkerSetup
    from fl_core.straggler.base import StragglerPolicy

RANDOM: Final = "fl_core.assigner.random_grouped.RandomGroupedAssigner"
STATIC: Final = "fl_core.assigner.static_grouped.StaticGroupedAssigner"
WAIT: Final = "fl_core.straggler.wait_for_all.WaitForAll"
MEAN: Final = "fl_core.aggregation.weighted_mean.WeightedMean"
NO_COMPRESSION: Final = "fl_core.compression.none.NoCompression"
SOURCE: Final = "fl_core.workspace.source:open_source"


def assigner_of(plan: Plan, source: str = "the plan") -> Assigner:
    """Return the assigner; without a template everybody has every task of the plan.

    Args:
        plan: The plan.
        source: Its file, for messages.

    Raises:
        PlanError: An unknown setting or task, or groups that cannot be.
    """
    from fl_core.assigner.random_grouped import RandomGroup, RandomGroupedAssigner
    from fl_core.assigner.static_grouped import StaticGroup, StaticGroupedAssigner

    section, where = plan.assigner, f"{source}: assigner.settings"
    tasks = tuple(plan.tasks.entries)
    template = (section.template or RANDOM).replace(":", ".")
    try:
        if section.template is None and not section.settings:
            return RandomGroupedAssigner([RandomGroup("all", 1.0, tasks)], plan.aggregator.settings.seed)
        if template == RANDOM:
            groups = _groups(section.settings, "percentage", tasks, where)
            shares = [RandomGroup(g["name"], _number(g, "percentage", where), g["tasks"]) for g in groups]
            return RandomGroupedAssigner(shares, plan.aggregator.settings.seed)
        if template == STATIC:
            groups = _groups(section.settings, "collaborators", tasks, where)
            return StaticGroupedAssigner(
                [
                    StaticGroup(g["name"], _names(g["collaborators"], f"{where}.collaborators"), g["tasks"])
                    for g in groups
                ]
            )
    except InputError as error:
        told = str(error) if isinstance(error, PlanError) else f"{where}.task_groups: {error}"
        raise PlanError(told) from error
    return cast("Assigner", make(template, section.settings, f"{source}: assigner"))


def aggregation_of(plan: Plan, source: str = "the plan") -> Aggregation:
    """Return the aggregation function; the weighted mean if the plan names none.

    Raises:
        PlanError: It cannot be reached, or has no such setting.
    """
    settings = plan.aggregator.settings
    where = f"{source}: aggregator.settings.aggregation"
    return cast("Aggregation", make(settings.aggregation or MEAN, settings.aggregation_settings, where))


def straggler_policy_of(plan: Plan, source: str = "the plan") -> StragglerPolicy:
    """Return what becomes of sites that are late; without a template everybody is waited for.

    Raises:
        PlanError: It cannot be reached, or has no such setting.
    """
    section = plan.straggler_policy
    where = f"{source}: straggler_policy"
    return cast("StragglerPolicy", make(section.template or WAIT, section.settings, where))


def exchange_of(plan: Plan, source: str = "the plan", *, seed: int | None = None) -> Exchange:
    """Return who compresses what.

    A section of the form ``template, settings`` compresses what sites send. The settings ``upload`` and
    ``download``, each with a template and settings of its own, set the directions apart; one left out is not
    compressed.

    Args:
        plan: The plan.
        source: Its file, for messages.
        seed: The run's seed; by default the plan's own.

    Raises:
        PlanError: A codec cannot be reached, or has no such setting.
    """
    from fl_core.compression.registry import exchange_of

    section = plan.compression_pipeline
    template = section.template
    if template == NO_COMPRESSION and section.settings:
        template = None  # it stands in the defaults, under directions that the plan sets apart
    try:
        return exchange_of(
            template,
            section.settings,
            seed=plan.aggregator.settings.seed if seed is None else seed,
            delta_updates=plan.collaborator.settings.delta_updates,
        )
    except InputError as error:
        raise PlanError(f"{source}: {error}") from error


def worker_setup(
    plan: Plan,
    *,
    workspace: Path | None = None,
    data: Mapping[str, str] | None = None,
    seed: int | None = None,
) -> WorkerSetup:
    """Return what a worker needs to serve the sites of a plan.

    Args:
        plan: The plan.
        workspace: The folder whose ``src`` holds the plan's own code.
        data: Where each site's data is, by the site's name.
        seed: The run's seed; by default the plan's own.
    """
    from fl_core.executor.base import WorkerSetup

    settings = {
        "workspace": str(workspace.resolve()) if workspace else None,
        "task_runner": {"template": plan.task_runner.template, "settings": plan.task_runner.settings},
        "data_loader": {"template": plan.data_loader.template, "settings": plan.data_loader.settings},
        "data": dict(data or {}),
        "seed": plan.aggregator.settings.seed if seed is None else seed,
    }
    return WorkerSetup(SOURCE, settings, plan.collaborator_settings(seed))


def make(template: str, settings: Mapping[str, Any], where: str, *first: Any) -> Any:
    """Call what a template names with settings as its keyword arguments.

    Args:
        template: Dotted path of a class or function.
        settings: Its keyword arguments.
        where: File and section, to begin messages with.
        *first: Positional arguments that come before them.

    Raises:
        PlanError: The template cannot be reached, or its signature has no such setting or misses one.

    Example:
        >>> make("fractions.Fraction", {"numerator": 1, "denominator": 3}, "plan.yaml: x")
        Fraction(1, 3)
    """
    try:
        function = resolve(template)
    except PlanError as error:
        raise PlanError(f"{where}.template: {error}") from error
    check_settings(function, settings, where, *first)
    try:
        return function(*first, **settings)
    except InputError as error:
        raise PlanError(f"{where}.settings: {error}") from error


def check_settings(
    function: Callable[..., Any], settings: Mapping[str, Any], where: str, *first: Any
) -> None:
    """Check that a function can be called with these settings.

    Raises:
        PlanError: It has no such setting (the nearest is told), or one is missing.
    """
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        known = [
            p.name for p in parameters[len(first) :] if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
        _check_known(settings, known, f"{where}.settings")
    try:
        signature.bind(*first, **settings)
    except TypeError as error:
        raise PlanError(f"{where}.settings: {error}") from error


def _check_known(settings: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known) or 'none'}"
            raise PlanError(f"{where}.{name}: is no setting of this template; {hint}")


def _groups(
    settings: Mapping[str, Any], share: str, tasks: Sequence[str], where: str
) -> list[dict[str, Any]]:
    _check_known(settings, ["task_groups"], where)
    groups = settings.get("task_groups")
    if not isinstance(groups, list) or not groups:
        raise PlanError(f"{where}.task_groups: write a list of groups with name, {share} and tasks")
    checked = []
    for index, group in enumerate(groups):
        place = f"{where}.task_groups.{index}"
        if not isinstance(group, dict):
            raise PlanError(f"{place}: write name, {share} and tasks")
        _check_known(group, ["name", share, "tasks"], place)
        if missing := [key for key in (share, "tasks") if key not in group]:
            raise PlanError(f"{place}: {missing[0]} is missing")
        wanted = _names(group["tasks"], f"{place}.tasks")
        for task in wanted:
            if task not in tasks:
                near = difflib.get_close_matches(task, tasks, n=1)
                hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(tasks) or 'none'}"
                raise PlanError(f"{place}.tasks: {task!r} is no task of the plan; {hint}")
        checked.append({**group, "name": str(group.get("name", index)), "tasks": wanted})
    return checked


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise PlanError(f"{where}: write a list of names, not {type(value).__name__}")
    return tuple(str(name) for name in value)


def _number(group: Mapping[str, Any], key: str, where: str) -> float:
    value = group[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PlanError(f"{where}.task_groups: {key} of {group['name']} must be a number, not {value!r}")
    return float(value)
