"""The rivals: what each one's run is configured with, so that they differ in one thing alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from challenge.config import WEEK_S
from partitions.table import Partition, Row, partition_csv

FEDAVG = "fedavg"
POOLED = "pooled"
LOCAL = "local-"
"""What the names of models of one institution begin with."""

_POOLED = '''\
"""All cases at one institution; as many steps a round as FedAvg takes at all institutions together."""

from tasks.task1_aggregation.strategy import RoundConfig, Strategy


class Pooled(Strategy):
    resumes_from_state = True

    def configure_round(self, context):
        return RoundConfig(batches={batches})
'''

_LOCAL = '''\
"""The model of one institution: it alone trains, in every round, as much as it does under FedAvg."""

from tasks.task1_aggregation.strategy import Strategy


class Local(Strategy):
    resumes_from_state = True

    def select_sites(self, context):
        return [{site!r}]
'''


@dataclass(frozen=True)
class Rival:
    """One run.

    Attributes:
        name: ``fedavg``, ``pooled`` or ``local-SITE``.
        values: Of its configuration; `files` are named by their names.
        files: What the configuration refers to, by name.
    """

    name: str
    values: Mapping[str, Any]
    files: Mapping[str, bytes] = field(default_factory=dict)


def fedavg(values: Mapping[str, Any]) -> Rival:
    """Return the built-in FedAvg; its split of the cases is the other rivals' too.

    Args:
        values: What all rivals of a seed have in common.
    """
    return Rival(FEDAVG, {**values})


def pooled(values: Mapping[str, Any], split: Partition, rounds: int, batches: int) -> Rival:
    """Return training on the cases of all institutions in one place.

    It has the training, validation and hidden cases that FedAvg had, and takes as many optimisation
    steps. The simulated clock charges one institution with all of the work, so its horizon is a week and
    its simulated time is not to be compared.

    Args:
        values: What all rivals of a seed have in common.
        split: FedAvg's, every choice made.
        rounds: As many as FedAvg played.
        batches: A round; FedAvg's sum over the institutions.
    """
    rows = tuple(Row(POOLED, row.case, row.part) for row in split.rows)
    files = {
        "pooled.py": _POOLED.format(batches=batches).encode(),
        "pooled.csv": partition_csv(Partition(rows, POOLED)),
    }
    given = {"submission": "pooled.py", "partition": "pooled.csv", "rounds": rounds, "horizon_s": WEEK_S}
    return Rival(POOLED, {**values, **given}, files)


def local(values: Mapping[str, Any], split: Partition, rounds: int, number: int, site: str) -> Rival:
    """Return training at one institution alone, scored on the validation cases of all.

    Args:
        values: What all rivals of a seed have in common.
        split: FedAvg's, every choice made.
        rounds: As many as FedAvg played.
        number: Names the files, since an institution's name need not be a file's.
        site: The institution.
    """
    submission, partition = f"local-{number}.py", f"local-{number}.csv"
    files = {submission: _LOCAL.format(site=site).encode(), partition: partition_csv(split)}
    given = {"submission": submission, "partition": partition, "rounds": rounds, "horizon_s": WEEK_S}
    return Rival(f"{LOCAL}{site}", {**values, **given}, files)
