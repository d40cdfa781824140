"""The organizer's outage file: what takes sites offline, and the rules of a round.

Three kinds::

    kind: process          # random, by site        kind: windows              kind: trace
    mean_up: 20            # in units, see below     windows:                   file: outages.csv
    mean_down: 0.5                                   - {site: "3", start_s: 600, end_s: 900}

each with optional ``sites`` (what holds for single sites instead) and ``rules``.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.effects import Rules
from tasks.task1_aggregation.outages.process import Outages, SiteOutages, Window
from tasks.task1_aggregation.outages.trace import read_trace

EVERY_SITE = "*"


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class WindowForm(_Form):
    """One outage, in seconds since the run began; without `end_s` the site never comes back."""

    start_s: float = Field(ge=0)
    end_s: float | None = None

    def window(self) -> Window:
        """Return the outage."""
        return Window(self.start_s, math.inf if self.end_s is None else self.end_s)

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        self.window()
        return self


class SiteWindowForm(WindowForm):
    """One outage of one site, or of all with ``"*"``."""

    site: str = Field(min_length=1)


class SiteForm(_Form):
    """What holds for a single site, instead of what holds for all."""

    mean_up: float | None = Field(default=None, gt=0)
    mean_down: float = Field(default=0.0, ge=0)
    windows: tuple[WindowForm, ...] = ()

    @model_validator(mode="after")
    def _has_both_means(self) -> Self:
        if self.mean_up is None and self.mean_down > 0:
            raise ValueError("mean_down needs mean_up")
        return self


class OutageSettings(_Form):
    """What all kinds have in common.

    Attributes:
        unit_s: Seconds of a unit of `mean_up` and `mean_down`; None for the median round time of a site
            at one epoch.
        sites: By name, what holds for a site instead.
        rules: The rules of a round.
    """

    unit_s: float | None = Field(default=None, gt=0)
    sites: dict[str, SiteForm] = Field(default_factory=dict)
    rules: Rules = Rules()

    def with_unit(self, unit_s: float) -> Self:
        """Return the settings with their unit filled in, as a run's resolved configuration has them."""
        return self if self.unit_s is not None else self.model_copy(update={"unit_s": unit_s})

    def outages(self, seed: int, sites: Sequence[str]) -> Outages:
        """Return the outages of a run.

        Args:
            seed: The run's seed.
            sites: The names of all sites.

        Raises:
            SettingsError: A name is not a site's, a number is out of range, or the unit is missing.
        """
        named = {*self.sites, *self._names()}
        if unknown := sorted(named - set(sites)):
            raise SettingsError(
                f"the outages name unknown sites: {', '.join(unknown)}; the sites are {', '.join(sites)}"
            )
        return Outages(seed, {site: self._own(site) or self._general(site) for site in sites})

    def _names(self) -> Collection[str]:
        return ()

    def _general(self, site: str) -> SiteOutages:
        return SiteOutages()

    def _own(self, site: str) -> SiteOutages | None:
        form = self.sites.get(site)
        if form is None:
            return None
        windows = tuple(window.window() for window in form.windows)
        if form.mean_up is None:
            return SiteOutages(windows=windows)
        return SiteOutages(self._seconds(form.mean_up), self._seconds(form.mean_down), windows)

    def _seconds(self, units: float) -> float:
        if self.unit_s is None:
            raise SettingsError("the outages have no unit_s; give it in seconds or call with_unit first")
        return units * self.unit_s


class ProcessSettings(OutageSettings):
    """A random on/off process by site; `mean_down` 0 is no outages."""

    kind: Literal["process"] = "process"
    mean_up: float = Field(gt=0)
    mean_down: float = Field(ge=0)

    def _general(self, site: str) -> SiteOutages:
        if self.mean_down == 0:
            return SiteOutages()
        return SiteOutages(self._seconds(self.mean_up), self._seconds(self.mean_down))


class WindowsSettings(OutageSettings):
    """Scheduled outages."""

    kind: Literal["windows"] = "windows"
    windows: tuple[SiteWindowForm, ...]

    def _names(self) -> Collection[str]:
        return {window.site for window in self.windows} - {EVERY_SITE}

    def _general(self, site: str) -> SiteOutages:
        return SiteOutages(windows=tuple(w.window() for w in self.windows if w.site in (site, EVERY_SITE)))


class TraceSettings(OutageSettings):
    """Outages from a CSV table; a relative `file` is looked for beside the settings."""

    kind: Literal["trace"] = "trace"
    file: Path

    def read(self, folder: Path) -> WindowsSettings:
        """Return the same outages with the trace's lines in the settings, so that no file is needed."""
        return WindowsSettings(
            unit_s=self.unit_s, sites=self.sites, rules=self.rules, windows=_traced(folder / self.file)
        )


Resolved = ProcessSettings | WindowsSettings
_AnyKind = Annotated[ProcessSettings | WindowsSettings | TraceSettings, Field(discriminator="kind")]


def parse_settings(content: Mapping[str, Any], source: str, folder: Path) -> Resolved:
    """Return outage settings from plain values, with a trace read in.

    Args:
        content: What the YAML held; ``settings.model_dump(mode="json")`` gives it back.
        source: Where it is from, for the messages.
        folder: Where a relative path of a trace starts.

    Raises:
        SettingsError: A key is unknown or a value is wrong; the message names both.
    """
    try:
        settings: ProcessSettings | WindowsSettings | TraceSettings = TypeAdapter(_AnyKind).validate_python(
            dict(content)
        )
        return settings.read(folder) if isinstance(settings, TraceSettings) else settings
    except ValidationError as error:
        raise SettingsError(f"{source}: {_first(error)}") from error
    except SettingsError as error:
        raise SettingsError(f"{source}: {error}") from error


def read_settings(path: Path) -> Resolved:
    """Return the outage settings of a YAML file, or those of a bare trace CSV.

    Raises:
        SettingsError: The file cannot be read, or what it says is wrong.
    """
    if path.suffix.lower() == ".csv":
        return WindowsSettings(windows=_traced(path))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"cannot read the outages {path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected keys and values, such as 'kind: process'")
    return parse_settings(content, str(path), path.parent)


def _traced(path: Path) -> tuple[SiteWindowForm, ...]:
    return tuple(
        SiteWindowForm(site=site, start_s=w.start_s, end_s=None if math.isinf(w.end_s) else w.end_s)
        for site, windows in read_trace(path).items()
        for w in windows
    )


def _first(error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in found["loc"])
    if found["type"] in ("union_tag_not_found", "union_tag_invalid"):
        given = found["input"].get("kind")
        return "kind must be process, windows or trace" + (f", not {given!r}" if given is not None else "")
    if found["type"] == "string_type":
        return f"{key} is {found['input']!r}, a number; names of sites are text: put them in quotes"
    return f"{key}: {found['msg']}, got {found['input']!r}"
