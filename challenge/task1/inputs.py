"""The data of a run: real or embedded cases, divided among institutions and prepared once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from challenge.config import Task1Config
from challenge.task1.embedded import embedded_phantom
from partitions.cache import CaseCache
from partitions.case import Case, find_cases
from partitions.errors import DataError
from partitions.schemes.base import Parameters
from partitions.schemes.registry import choose_partition, read_named_csv
from partitions.split import Split, split
from partitions.table import Partition, partition_csv
from tasks.task1_aggregation.context import SiteInfo

HIDDEN_SITE = "hidden"
"""Where hidden test cases are listed that belong to no institution."""

Progress = Callable[[str, int, int], None]
"""Told (what is being done, how many are done, how many there are)."""


@dataclass(frozen=True)
class Inputs:
    """Cases, ready to be trained on.

    Attributes:
        split: Who has which case for what.
        entries: The prepared case by its id; none for cases that are elsewhere.
        notes: Remarks on the data.
        draws_test: Whether hidden test cases were drawn, since nothing said which they are.
    """

    split: Split
    entries: Mapping[str, Path]
    notes: tuple[str, ...]
    draws_test: bool = False

    @property
    def sites(self) -> tuple[SiteInfo, ...]:
        """The institutions, in name order."""
        return tuple(
            SiteInfo(name, len(parts.train), len(parts.validate))
            for name, parts in sorted(self.split.institutions.items())
        )

    @property
    def test_sites(self) -> tuple[str, ...]:
        """The institutions that have hidden test cases, and `HIDDEN_SITE` for those without one."""
        names = [name for name, parts in sorted(self.split.institutions.items()) if parts.test]
        return (*names, *((HIDDEN_SITE,) if self.split.hidden else ()))

    def site_files(self) -> dict[str, dict[str, list[str]]]:
        """Return the prepared cases' folders by site and role, as plain values."""
        files = {
            name: {
                role: [str(self.entries[case]) for case in getattr(parts, role) if case in self.entries]
                for role in ("train", "validate", "test")
            }
            for name, parts in self.split.institutions.items()
        }
        if self.split.hidden:
            hidden = [str(self.entries[case]) for case in self.split.hidden]
            files[HIDDEN_SITE] = {"train": [], "validate": [], "test": hidden}
        return files

    def split_csv(self) -> bytes:
        """Return the split as a partition CSV with every choice written out."""
        return partition_csv(self.split.to_partition())

    def data_digest(self) -> str:
        """Return ``sha256:...`` over the contents of all cases (each entry's name is one)."""
        state = hashlib.sha256()
        for case, entry in sorted(self.entries.items()):
            state.update(f"{len(case)}:{case}={entry.name}\n".encode())
        return f"sha256:{state.hexdigest()}"


def read_inputs(config: Task1Config, cache_root: Path, workers: int, progress: Progress) -> Inputs:
    """Find, divide and prepare the cases that a configuration names.

    For a federation whose cases are elsewhere the partition's CSV is enough: it says who has which.

    Args:
        config: The run's configuration; without ``data`` the embedded phantom is used (and made).
        cache_root: Where the phantom and the prepared cases are kept for every later run.
        workers: Threads or processes for preparing.
        progress: Told how far it is.

    Raises:
        DataError: The data cannot be used; the message names the case or file.
    """
    from tasks.segmentation.preprocessing import TRANSFORM_ID, crop_and_normalise

    if config.federation is not None and config.data is None and config.partition.endswith(".csv"):
        return _cases_elsewhere(config)
    if config.data is not None:
        folder = config.data
    else:
        folder = embedded_phantom(
            cache_root, workers, lambda done, total: progress("making the phantom", done, total)
        )
    index = find_cases(folder)
    if not index.cases:
        raise DataError(
            f"{folder}: has no complete case; `challenge data check {folder}` says what is missing"
        )
    notes = list(index.notes)
    if index.problems:
        notes.append(
            f"{len(index.problems)} problems in {folder} (`challenge data check {folder}` lists them), "
            f"first: {index.problems[0].message}"
        )
    table = choose_partition(
        config.partition,
        folder,
        index.cases,
        seed=config.seed,
        parameters=Parameters(config.institutions, config.alpha),
        progress=lambda done, total: progress("measuring tumours", done, total),
    )
    chosen = split(
        table,
        [case.id for case in index.cases],
        seed=config.seed,
        train_fraction=config.train_fraction,
        test_fraction=config.test_fraction,
        named_csv=True,
    )
    if chosen.hidden and HIDDEN_SITE in chosen.institutions:
        raise DataError(
            f"{config.partition}: no institution can be called {HIDDEN_SITE!r} when cases are hidden that "
            "belong to none; rename it"
        )
    used = _used(chosen, {case.id: case for case in index.cases})
    entries = CaseCache(cache_root / "cases").prepare(
        used,
        crop_and_normalise,
        TRANSFORM_ID,
        workers,
        lambda done, total: progress("preparing cases", done, total),
    )
    return Inputs(chosen, entries, tuple(notes), _draws_test(chosen, table))


def worker_settings(config: Task1Config, inputs: Inputs, device: str) -> dict[str, Any]:
    """Return the plain settings of `tasks.segmentation.runner.open_source`."""
    from tasks.segmentation.recipe import network_settings, training_settings

    return {
        "sites": inputs.site_files(),
        "network": network_settings(config.network),
        "training": training_settings(config.training),
        "device": device,
        "seed": config.seed,
    }


def _cases_elsewhere(config: Task1Config) -> Inputs:
    table = read_named_csv(config.partition)
    divided = split(
        table,
        [row.case for row in table.rows],
        seed=config.seed,
        train_fraction=config.train_fraction,
        test_fraction=config.test_fraction,
        named_csv=False,
    )
    return Inputs(divided, {}, (), _draws_test(divided, table))


def _draws_test(chosen: Split, table: Partition) -> bool:
    return not chosen.hidden and not any(row.part == "test" for row in table.rows)


def _used(chosen: Split, cases: Mapping[str, Case]) -> list[Case]:
    named = {
        c for parts in chosen.institutions.values() for c in (*parts.train, *parts.validate, *parts.test)
    }
    return [cases[name] for name in sorted(named | set(chosen.hidden))]
