"""Outages by name: ``none``, ``mild``, ``severe``, and the unit in which they are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from types import MappingProxyType

from tasks.task1_aggregation.clock.base import SiteTimes
from tasks.task1_aggregation.errors import SettingsError
from tasks.task1_aggregation.outages.settings import ProcessSettings, Resolved, read_settings

PRESETS: Mapping[str, ProcessSettings] = MappingProxyType(
    {
        "none": ProcessSettings(mean_up=1, mean_down=0),
        "mild": ProcessSettings(mean_up=20, mean_down=0.5),
        "severe": ProcessSettings(mean_up=6, mean_down=2),
    }
)
"""Mean times online and offline, in units of `median_round_time_s`; all with the default `Rules`."""


def outage_settings(choice: str) -> Resolved:
    """Return the settings that ``--outages NAME|FILE`` means.

    Args:
        choice: A preset's name, or the path of a YAML file or of a trace CSV.

    Raises:
        SettingsError: There is no such preset or file, or the file is wrong.
    """
    if choice in PRESETS:
        return PRESETS[choice]
    path = Path(choice)
    if not path.is_file():
        raise SettingsError(f"no outages {choice!r}; use {', '.join(PRESETS)}, or a file (.yaml or .csv)")
    return read_settings(path)


def median_round_time_s(times: Mapping[str, SiteTimes]) -> float:
    """Return the unit of the outages: the median over the sites of a round's ``total_s``.

    Args:
        times: Every site's times of round 0 when all train one epoch, drawn from the run's clock.

    Raises:
        SettingsError: There are no sites.
    """
    if not times:
        raise SettingsError("the outages' unit is the sites' median round time, and there are no sites")
    return float(median(site.total_s for site in times.values()))
