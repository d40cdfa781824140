"""How a lead comes to its aggregator: anew from the initial model, or from where it stood."""

from __future__ import annotations

from pathlib import Path

from fl_core.aggregator.service import Aggregator
from fl_core.aggregator.state import AggregatorState
from fl_core.errors import InputError
from fl_core.federation.standing import Standing
from fl_core.federation.state_folder import StateFolder
from fl_core.federation.terms import Terms
from fl_core.tensors.digest import fingerprint
from fl_core.tensors.spooled import SpooledTensors


def begin(terms: Terms, folder: StateFolder, initial: Path, name: str) -> Standing:
    """Write down that a federation begins, with the initial model as that of round 0.

    Raises:
        InputError: There is no such file.
        TensorError: It is no model.
        OSError: The disk refused.
    """
    if not initial.is_file():
        raise InputError(f"{initial}: there is no initial model; make one with: fx plan initialize")
    model = SpooledTensors(initial)
    stored = folder.store("model", 0, model)
    folder.sync(stored)
    state = Aggregator(model, rules=terms.rules, digest=fingerprint).state
    standing = Standing(terms.plan_hash, name, state, stored)
    folder.commit(standing)
    return standing


def aggregator_of(terms: Terms, folder: StateFolder, standing: Standing) -> Aggregator:
    """Return the aggregator between two rounds; its models are mapped from their files."""
    state: AggregatorState = standing.aggregator
    return Aggregator(
        folder.tensors(standing.model),
        rules=terms.rules,
        min_updates=terms.min_updates,
        delta_updates=terms.collaborator.delta_updates,
        state=state,
        best=folder.tensors(standing.best or standing.model),
        optimizer=folder.tensors(standing.optimizer) if standing.optimizer else None,
        digest=fingerprint,
    )
