"""From a standing to an open round: who does what, on which files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash

from fl_core.aggregator.journal import Journal
from fl_core.aggregator.service import Aggregator
from fl_core.errors import FederationError
from fl_core.federation.admission import Admission
from fl_core.federation.open_round import OpenRound
from fl_core.federation.served import serve
from fl_core.federation.standing import Standing
from fl_core.federation.state_folder import StateFolder
from fl_core.federation.terms import Terms
from fl_core.transport.messages import BlobRef, Work


def open_round(
    terms: Terms,
    aggregator: Aggregator,
    standing: Standing,
    folder: StateFolder,
    admission: Admission,
    caps: Mapping[str, int | None],
) -> OpenRound:
    """Open the round, or go on with the one that an earlier process opened.

    Args:
        terms: What was agreed on.
        aggregator: Between two rounds.
        standing: What the round begins with.
        folder: Of the federation.
        admission: Is told of the round.
        caps: The authorised sites, each with the most samples that it may claim. A round that was
            opened before keeps the sites that it had.

    Raises:
        FederationError: No site is authorised.
        OSError: The disk refused.
    """
    round = aggregator.round
    served = serve(
        terms.exchange,
        round,
        standing.model.blob,
        folder.path_of(standing.model),
        folder.folder / "served" / str(round),
    )
    resumed = folder.resume_journal(round, standing.model.blob)
    if resumed is None:
        if not caps:
            raise FederationError(
                "no collaborator is authorised, so nobody can do the work of "
                f"round {round}: certify one (fx collaborator certify) and start again"
            )
        tasks = terms.tasks_of(round, tuple(sorted(caps)))
        journal: Journal = folder.begin_journal(
            round,
            {
                "plan": standing.plan,
                "model": standing.model.blob.checksum,
                "tasks": {site: list(names) for site, names in sorted(tasks.items())},
            },
        )
        records: tuple[Mapping[str, Any], ...] = ()
    else:
        journal, entries = resumed
        tasks = {site: tuple(names) for site, names in entries.about["tasks"].items()}
        records = entries.records
    extras = standing.optimizer.blob if standing.optimizer else None
    works = {
        site: _work(terms, standing, round, names, served.blob, extras)
        for site, names in tasks.items()
        if names
    }
    admission.begin(served, caps)
    opened = OpenRound(aggregator, journal, folder, admission, served, works, tasks)
    for record in records:
        opened.replay(record)
    return opened


def _work(
    terms: Terms,
    standing: Standing,
    round: int,
    tasks: tuple[str, ...],
    model: BlobRef,
    optimizer: BlobRef | None,
) -> Work:
    extras = optimizer if any(map(terms.trains, tasks)) else None
    # What the work is made of is part of its name: another work never has the answer of this one.
    made_of = json.dumps([list(tasks), model.checksum, extras.checksum if extras else ""])
    key = f"{round}.{standing.federation}.{xxhash.xxh3_64_hexdigest(made_of.encode())}"
    return Work(key, round, tasks, model, extras=extras)
