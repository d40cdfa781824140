"""Names of OpenFL 1.x in a plan, and their counterparts here: a plan written for it loads as it is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fl_core.errors import PlanError

FOREIGN: Final = "openfl."

SECTION_NAMES: Final[Mapping[str, str]] = {"straggler_handling_policy": "straggler_policy"}
"""Sections that have another name there."""

TASK_FUNCTIONS: Final[Mapping[str, str]] = {
    "train_task": "train",
    "train_batches": "train",
    "validate_task": "validate",
}
"""Functions of a task runner that have another name there."""


@dataclass(frozen=True)
class Counterpart:
    """What stands here for a template of OpenFL.

    Attributes:
        path: Dotted path of the counterpart; none where the engine's own is meant anyway.
        renamed: Settings that have another name here.
        dropped: Settings that mean nothing here.
    """

    path: str | None
    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()


_CUTOFF = Counterpart(
    "fl_core.straggler.cutoff.Cutoff",
    {"straggler_cutoff_time": "cutoff_s", "minimum_reporting": "minimum"},
    ("round_start_time",),
)
_PERCENTAGE = Counterpart(
    "fl_core.straggler.percentage.Percentage",
    {"percent_collaborators_needed": "share", "minimum_reporting": "minimum"},
)
_WAIT = Counterpart("fl_core.straggler.wait_for_all.WaitForAll")
_PYTORCH = Counterpart("fl_core.task_runner.pytorch.PyTorchTaskRunner")
_KERAS = Counterpart("fl_core.task_runner.keras.KerasTaskRunner")
_MEAN = Counterpart("fl_core.aggregation.weighted_mean.WeightedMean")
_RANDOM = Counterpart("fl_core.assigner.random_grouped.RandomGroupedAssigner")
_STATIC = Counterpart("fl_core.assigner.static_grouped.StaticGroupedAssigner")
_AGGREGATOR = Counterpart("fl_core.aggregator.service.Aggregator")
_COLLABORATOR = Counterpart("fl_core.collaborator.loop.Collaborator")
_NETWORK = Counterpart(None)
_NONE = Counterpart("fl_core.compression.none.NoCompression")
_K_MEANS = Counterpart("fl_core.compression.k_means.KMeans", dropped=("p_sparsity",))
_SPARSE_K_MEANS = Counterpart("fl_core.compression.sparse_k_means.SparseKMeans")
_TERNARY = Counterpart("fl_core.compression.ternary.Ternary", dropped=("n_clusters",))
_EDEN = Counterpart("fl_core.compression.eden.Eden", dropped=("device",))

_STRAGGLERS = "openfl.component.straggler_handling_functions."
_POLICIES = "openfl.component.aggregator.straggler_handling."

COUNTERPARTS: Final[Mapping[str, Counterpart]] = {
    "openfl.component.Aggregator": _AGGREGATOR,
    "openfl.component.aggregator.Aggregator": _AGGREGATOR,
    "openfl.component.Collaborator": _COLLABORATOR,
    "openfl.component.collaborator.Collaborator": _COLLABORATOR,
    "openfl.component.RandomGroupedAssigner": _RANDOM,
    "openfl.component.assigner.RandomGroupedAssigner": _RANDOM,
    "openfl.component.StaticGroupedAssigner": _STATIC,
    "openfl.component.assigner.StaticGroupedAssigner": _STATIC,
    "openfl.federation.Network": _NETWORK,
    f"{_STRAGGLERS}CutoffTimeBasedStragglerHandling": _CUTOFF,
    f"{_STRAGGLERS}cutoff_time_based_straggler_handling.CutoffTimeBasedStragglerHandling": _CUTOFF,
    f"{_STRAGGLERS}PercentageBasedStragglerHandling": _PERCENTAGE,
    f"{_STRAGGLERS}percentage_based_straggler_handling.PercentageBasedStragglerHandling": _PERCENTAGE,
    f"{_POLICIES}CutoffTimePolicy": _CUTOFF,
    f"{_POLICIES}CutoffPolicy": _CUTOFF,
    f"{_POLICIES}PercentagePolicy": _PERCENTAGE,
    f"{_POLICIES}StragglerPolicy": _WAIT,
    "openfl.pipelines.NoCompressionPipeline": _NONE,
    "openfl.pipelines.RandomShiftPipeline": _NONE,
    "openfl.pipelines.KCPipeline": _K_MEANS,
    "openfl.pipelines.SKCPipeline": _SPARSE_K_MEANS,
    "openfl.pipelines.STCPipeline": _TERNARY,
    "openfl.pipelines.EdenPipeline": _EDEN,
    "openfl.federated.PyTorchTaskRunner": _PYTORCH,
    "openfl.federated.task.PyTorchTaskRunner": _PYTORCH,
    "openfl.federated.task.runner_pt.PyTorchTaskRunner": _PYTORCH,
    "openfl.federated.KerasTaskRunner": _KERAS,
    "openfl.federated.task.KerasTaskRunner": _KERAS,
    "openfl.federated.task.runner_keras.KerasTaskRunner": _KERAS,
    "openfl.federated.TensorFlowTaskRunner": _KERAS,
    "openfl.interface.aggregation_functions.WeightedAverage": _MEAN,
    "openfl.component.aggregation_functions.WeightedAverage": _MEAN,
}


def counterpart(template: str, where: str) -> Counterpart:
    """Return what stands here for a template that begins with ``openfl.``.

    Args:
        template: A dotted path; a colon counts as a dot.
        where: File and key, to begin the message with.

    Raises:
        PlanError: There is none; the nearest name is told.

    Example:
        >>> counterpart("openfl.component.Aggregator", "plan.yaml").path
        'fl_core.aggregator.service.Aggregator'
    """
    found = COUNTERPARTS.get(template.replace(":", "."))
    if found is None:
        near = difflib.get_close_matches(template, COUNTERPARTS, n=1, cutoff=0.0)
        raise PlanError(f"{where}: {template!r} has no counterpart here; the nearest that has is {near[0]}")
    return found


def with_own_names(raw: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return a plan's sections with every name of OpenFL replaced by ours; other values stay.

    Args:
        raw: The sections, defaults merged.
        source: The plan's file, for messages.

    Raises:
        PlanError: A template or one of its settings has no counterpart, or a section stands there under
            both of its names.
    """
    sections: dict[str, Any] = {}
    for name, section in raw.items():
        ours = SECTION_NAMES.get(name, name)
        if ours in sections:
            raise PlanError(f"{source}: {name}: the plan has {ours} as well; keep one of them")
        sections[ours] = _section(section, f"{source}: {name}")
    if isinstance(sections.get("tasks"), dict):
        sections["tasks"] = {name: _task(task) for name, task in sections["tasks"].items()}
    if isinstance(sections.get("network"), dict):
        sections["network"] = _network(sections["network"], f"{source}: network.settings")
    return sections


def _section(section: Any, where: str) -> Any:
    if not isinstance(section, dict):
        return {} if section is None else section
    changed = dict(section)
    template, settings = section.get("template"), section.get("settings")
    if isinstance(template, str) and template.startswith(FOREIGN):
        found = counterpart(template, f"{where}.template")
        changed["template"] = found.path
        if isinstance(settings, dict):
            changed["settings"] = settings = _settings(settings, found, f"{where}.settings")
    if isinstance(settings, dict):
        changed["settings"] = {name: _nested(name, value, where) for name, value in settings.items()}
    return changed


def _nested(name: str, value: Any, where: str) -> Any:
    """Return a setting that may name a template itself: an aggregation, a direction's codec."""
    if name == "aggregation" and isinstance(value, str) and value.startswith(FOREIGN):
        return counterpart(value, f"{where}.settings.aggregation").path
    if name in ("upload", "download") and isinstance(value, dict):
        return _section(value, f"{where}.settings.{name}")
    return value


def _settings(settings: Mapping[str, Any], found: Counterpart, where: str) -> dict[str, Any]:
    for theirs, ours in found.renamed.items():
        if theirs in settings and ours in settings:
            raise PlanError(f"{where}: {theirs} and {ours} are the same setting; keep one of them")
    return {
        found.renamed.get(name, name): value for name, value in settings.items() if name not in found.dropped
    }


def _task(task: Any) -> Any:
    if not isinstance(task, dict):
        return task
    changed = dict(task)
    if isinstance(task.get("function"), str):
        changed["function"] = TASK_FUNCTIONS.get(task["function"], task["function"])
    kwargs = task.get("kwargs")
    if isinstance(kwargs, dict) and "apply" in kwargs:
        changed["kwargs"] = {name: value for name, value in kwargs.items() if name != "apply"}
        changed.setdefault("apply", kwargs["apply"])
    return changed


def _network(section: dict[str, Any], where: str) -> dict[str, Any]:
    settings = section.get("settings")
    if not isinstance(settings, dict):
        return section
    ours = dict(settings)
    for theirs, name, inverted in (
        ("use_tls", "tls", False),
        ("disable_tls", "tls", True),
        ("disable_client_auth", "require_client_auth", True),
    ):
        if theirs in ours:
            value = ours.pop(theirs)
            value = not value if inverted and isinstance(value, bool) else value
            if ours.setdefault(name, value) != value:
                raise PlanError(f"{where}: {theirs} and {name} contradict each other; keep one of them")
    if ours.get("hash_salt") == "auto":
        del ours["hash_salt"]
    ours.pop("client_reconnect_interval", None)  # here retries have a bound and a jitter of their own
    return {**section, "settings": ours}
