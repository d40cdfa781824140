"""Reading a plan: YAML, defaults under it, overrides over it, then typed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fl_core.errors import PlanError
from fl_core.plan.aliases import with_own_names
from fl_core.plan.schema import Plan, Section, Task

INSTALLED = Path(__file__).parent


def load_plan(path: Path, overrides: Mapping[str, Any] | None = None) -> Plan:
    """Load a plan and everything under it.

    A section's ``defaults`` names a file that is looked for in the workspace (the folder above
    ``plan/``, or the plan's own) and then among the installed ones; the section is merged over it.

    Args:
        path: The plan's YAML file.
        overrides: Values by dotted key, e.g. ``{"aggregator.settings.rounds_to_train": 5}``.

    Raises:
        PlanError: Unknown key, wrong type, missing file: the message names the key and the file.
    """
    raw = read_sections(path)
    merged = {str(name): _with_defaults(str(name), section, path) for name, section in raw.items()}
    if not overrides:
        return parse_plan(merged, source=str(path))
    for key, value in overrides.items():
        _override(merged, key, value)
    return parse_plan(merged, source=f"{path} with overrides")


def parse_plan(raw: Mapping[str, Any], source: str = "the plan") -> Plan:
    """Return a typed plan; names of OpenFL in it are replaced by their counterparts here.

    Raises:
        PlanError: Names the key, what is wrong with it and the source.

    Example:
        >>> plan = parse_plan({"aggregator": {"settings": {"rounds_to_train": 3}}})
        >>> plan.aggregator.settings.rounds_to_train
        3
    """
    raw = with_own_names(raw, source)
    try:
        return Plan.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise PlanError(f"{source}: {key}: {first['msg']}{_nearest(first)}") from error


def _nearest(error: Any) -> str:
    if error["type"] != "extra_forbidden":
        return ""
    known = {*Plan.model_fields, *Section.model_fields, *Task.model_fields}
    for section in Plan().model_dump().values():
        known |= set(section.get("settings") or ())
    near = difflib.get_close_matches(str(error["loc"][-1]), sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


def read_sections(path: Path) -> dict[str, Any]:
    """Return a plan's sections as they stand in its file.

    Raises:
        PlanError: The file is missing, no YAML, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise PlanError(f"{path}: no such plan") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PlanError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise PlanError(f"{path}: a plan is a mapping of sections, this is {type(content).__name__}")
    return content


def _with_defaults(name: str, section: Any, path: Path) -> Any:
    if not isinstance(section, dict) or not section.get("defaults"):
        return section
    wanted = Path(str(section["defaults"]))
    if wanted.is_absolute() or ".." in wanted.parts:
        raise PlanError(f"{path}: {name}.defaults: {wanted} leaves the workspace; name a file inside it")
    installed = Path(*wanted.parts[1:]) if wanted.parts[:1] == ("plan",) else wanted
    for candidate in (path.parent.parent / wanted, path.parent / wanted, INSTALLED / installed):
        if candidate.is_file():
            return _merge(read_sections(candidate), section)
    known = ", ".join(sorted(file.name for file in (INSTALLED / "defaults").glob("*.yaml")))
    raise PlanError(f"{path}: {name}.defaults: {wanted} is neither in the workspace nor installed ({known})")


def _merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _override(raw: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    place = raw
    for part in parents:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise PlanError(f"override {key}: {part} is a value, not a section")
    place[last] = value
