"""From what a round's sites handed in to the next standing: score, aggregate, write down."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fl_core.aggregator.service import Aggregator
from fl_core.federation.open_round import OpenRound
from fl_core.federation.round_row import RoundRow, SiteRow, mean_metrics, score_of
from fl_core.federation.standing import Standing, Stored
from fl_core.federation.state_folder import StateFolder
from fl_core.federation.terms import Terms


@dataclass(frozen=True)
class Closing:
    """What is to be committed for a round.

    Attributes:
        standing: After it.
        written: Files that it names and that are not durable yet.
        row: Of the round.
        sites: Of each site in it, in name order.
        notes: Remarks on the aggregate.
    """

    standing: Standing
    written: tuple[Stored, ...]
    row: RoundRow
    sites: tuple[SiteRow, ...]
    notes: tuple[str, ...] = ()


def close(
    terms: Terms,
    aggregator: Aggregator,
    opened: OpenRound,
    standing: Standing,
    folder: StateFolder,
    joined: tuple[str, ...],
) -> Closing:
    """Close a round that nobody owes anything; the next model's file is written, but not yet durable.

    Raises:
        TensorError: The aggregate breaks a rule.
        OSError: The disk refused.
    """
    score = score_of(terms, opened.reports)
    best, scored = standing.best, standing.scored
    if score is not None:
        scored, before = aggregator.state.model, aggregator.state.best
        aggregator.score(score)
        if aggregator.state.best is not before:
            best = standing.model
    sites = tuple(opened.row(site) for site in sorted(opened.tasks))
    dropped = len(opened.dropped)
    optimizer_before = aggregator.optimizer
    closed = aggregator.close_round(terms.aggregation)
    after = replace(
        standing,
        aggregator=aggregator.state,
        best=best,
        scored=scored,
        joined=joined,
        answers={**standing.answers, **opened.answers},
    )
    written: list[Stored] = []
    if closed.changed:
        written.append(folder.store("model", aggregator.round, aggregator.model))
        after = replace(after, model=written[0])
        if aggregator.optimizer is not optimizer_before and aggregator.optimizer:
            stored = folder.store("optimizer", aggregator.round, aggregator.optimizer)
            after = replace(after, optimizer=stored)
            written.append(stored)
            aggregator.optimizer = folder.tensors(stored)
    # From here on the models are mapped from their files and occupy no memory of their own.
    aggregator.rebase(folder.tensors(after.model), folder.tensors(after.best or after.model))
    row = RoundRow(
        round=opened.round,
        status=_status(terms, opened, closed.changed),
        score=score,
        best_score=aggregator.state.best.score,
        selected=sum(bool(tasks) for tasks in opened.tasks.values()),
        received=len(opened.reports),
        dropped=dropped,
        metrics=mean_metrics(opened.reports),
    )
    after = replace(after, finished=is_finished(terms, after))
    return Closing(after, tuple(written), row, sites, closed.notes)


def is_finished(terms: Terms, standing: Standing) -> bool:
    """Return whether nothing is left to do, not even to validate the last model."""
    following, model = standing.aggregator.round, standing.aggregator.model
    if following < terms.rounds:
        return False
    measurable = any(map(terms.validates_globally, terms.collaborator.tasks))
    return following > terms.rounds or not measurable or standing.scored == model


def _status(terms: Terms, opened: OpenRound, changed: bool) -> str:
    if changed:
        return "ok"
    had_to_train = any(terms.trains(task) for tasks in opened.tasks.values() for task in tasks)
    return "too few updates" if had_to_train else "validation"
