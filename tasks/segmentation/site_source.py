"""A site's own cases, divided and prepared where they are: what a collaborator of Task 1 works on.

The plan names `open_source` as its task runner's template. No case's name is in the plan: each site divides
its cases by the same rule, and with the same seed, as the organizer does for a run on one machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fl_core.errors import InputError
from partitions.cache import CaseCache
from partitions.case import find_cases
from partitions.errors import DataError
from partitions.home import cache_home
from partitions.schemes.registry import natural_partition
from partitions.split import InstitutionSplit, split
from partitions.table import Partition, Row
from tasks.segmentation import runner
from tasks.segmentation.preprocessing import TRANSFORM_ID, crop_and_normalise
from tasks.segmentation.runner import SPLITS, SegmentationRunner, SegmentationSource

NO_SITE: Final = "initial"
"""Asked for where only the initial model is wanted; see `fl_core.workspace.source`."""


class SiteSource(SegmentationSource):
    """The sites of a process, each with a data path of its own.

    Args:
        settings: See `open_source`.
        data: Folder of cases by site.
    """

    def __init__(self, settings: Mapping[str, Any], data: Mapping[str, str]) -> None:
        device = runner_device(str(settings.get("device", "cpu")))
        self._files: dict[str, dict[str, list[str]]] = {NO_SITE: {name: [] for name in SPLITS}}
        super().__init__({**settings, "device": device, "sites": self._files})
        self._settings = settings
        self._data = data

    def open(self, site: str) -> SegmentationRunner:
        """Return the runner of a site; its cases are prepared when it is opened first.

        Raises:
            InputError: The site has no data path here.
            DataError: Its cases cannot be used.
        """
        if site not in self._files:
            if site not in self._data:
                raise InputError(
                    f"site {site}: its data path is not known here; write `{site}: FOLDER` into "
                    "plan/data.yaml, or give -d FOLDER"
                )
            self._files[site] = self._prepared(site, Path(self._data[site]))
        return super().open(site)

    def _prepared(self, site: str, folder: Path) -> dict[str, list[str]]:
        index = find_cases(folder)
        divided = own_split(
            site,
            folder,
            seed=int(self._settings.get("seed", 0)),
            train_fraction=float(self._settings["train_fraction"]),
            test_fraction=float(self._settings["test_fraction"]),
        )
        cases = {case.id: case for case in index.cases}
        used = [cases[name] for name in sorted({*divided.train, *divided.validate, *divided.test})]
        cache = CaseCache(cache_home(os.environ) / "cases")
        entries = cache.prepare(used, crop_and_normalise, TRANSFORM_ID, os.cpu_count() or 1)
        return {name: [str(entries[case]) for case in getattr(divided, name)] for name in SPLITS}


def own_split(
    site: str, folder: Path, *, seed: int, train_fraction: float, test_fraction: float
) -> InstitutionSplit:
    """Divide a site's cases as the organizer's split does.

    With a ``partition.csv`` in the folder the site's cases are the rows of its name, and what `TrainOrVal`
    says holds; without one they are all cases of the folder.

    Args:
        site: Its name, which the draws depend on.
        folder: Its data.
        seed: The run's seed.
        train_fraction: Share of the open cases that train.
        test_fraction: Share that stays hidden; 0 where the organizer's partition marks hidden cases.

    Raises:
        DataError: There is no case, or not one to train and one to validate.
    """
    index = find_cases(folder)
    table = natural_partition(folder, index.cases)
    if table is None:
        rows = tuple(Row(site, case.id) for case in index.cases)
        source = str(folder)
    else:
        rows, source = table.institutions.get(site, ()), table.source
    if not rows:
        raise DataError(f"{source}: has no case of site {site}")
    names = [row.case for row in rows]
    own = split(
        Partition(rows, source),
        names,
        seed=seed,
        train_fraction=train_fraction,
        test_fraction=test_fraction,
        named_csv=False,
    )
    return own.institutions[site]


def runner_device(wanted: str) -> str:
    """Return ``cpu`` or ``cuda``: each site uses what it has where ``auto`` stands in the plan."""
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def open_source(settings: Mapping[str, Any], data: Mapping[str, str]) -> SiteSource:
    """Open the network of a process, and each site's data when it is asked for.

    Sets PyTorch to one thread, see `tasks.segmentation.runner.open_source`.

    Args:
        settings: ``network``, ``training``, ``device``, ``seed``, ``train_fraction``, ``test_fraction``.
        data: Folder of cases by site.

    Raises:
        InputError: A setting is not known, or is missing.
    """
    known = {"network", "training", "device", "seed", "train_fraction", "test_fraction"}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise InputError(
            f"task_runner.settings.{unknown[0]}: is no setting; there are {', '.join(sorted(known))}"
        )
    for name in ("train_fraction", "test_fraction"):
        if name not in settings:
            raise InputError(f"task_runner.settings.{name}: is missing")
    runner.compute_alike(runner_device(str(settings.get("device", "cpu"))))
    return SiteSource(settings, data)
