"""The strategy's calls, kept and replayed: how a resume rebuilds what a submission remembers.

Old-style submissions keep state in module globals, and a class may keep it in attributes. Both are
gone after a crash. The answers of a round depend on its history and on the updates of ``aggregate``;
with these kept, calling the functions again in order rebuilds every variable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from fl_core.tensors import Array
from fl_core.tensors.check import check_like
from fl_core.tensors.digest import digest
from tasks.task1_aggregation.calls import Calls
from tasks.task1_aggregation.checkpoint import Checkpoint, CheckpointError
from tasks.task1_aggregation.host import StrategyHost
from tasks.task1_aggregation.run_state import RunState
from tasks.task1_aggregation.strategy import Update

SEPARATOR = "|"


class UpdateKeeper:
    """Keeps the updates of each round in the checkpoint, up to a size.

    Args:
        checkpoint: Where they go.
        limit_bytes: Over all rounds; 0 keeps none.
    """

    def __init__(self, checkpoint: Checkpoint, limit_bytes: int) -> None:
        self._checkpoint = checkpoint
        self._limit = limit_bytes

    @property
    def full_note(self) -> str:
        """What a run says when the limit is reached."""
        return (
            f"the strategy's calls need more than {self._limit / 2**20:.0f} MiB to be kept: "
            "from here on this run cannot be resumed exactly (raise replay_limit_mib, or declare "
            "resumes_from_state in a strategy that remembers only context.state)"
        )

    def keep(self, updates: Sequence[Update], used_bytes: int) -> tuple[str, int]:
        """Store a round's updates.

        Returns:
            The name for `load`, and the bytes used in all; an empty name when the limit is reached.
        """
        size = sum(array.nbytes for update in updates for array in update.tensors.values())
        if used_bytes + size > self._limit:
            return "", used_bytes
        arrays = {
            f"{index}{SEPARATOR}{name}": array
            for index, update in enumerate(updates)
            for name, array in update.tensors.items()
        }
        facts = [
            {
                "site": u.site,
                "weight": u.weight,
                "n_train": u.n_train,
                # Pairs, since metadata is written in the order of its names and a strategy sees this one;
                # NaN and infinities as text, which metadata does not hold as numbers.
                "metrics": [[n, v if math.isfinite(v) else str(v)] for n, v in u.metrics.items()],
                "staleness": u.staleness,
            }
            for u in updates
        ]
        name, written = self._checkpoint.put(arrays, {"updates": facts})
        return name, used_bytes + written

    def load(self, name: str) -> list[Update]:
        """Return the updates of a round."""
        arrays, metadata = self._checkpoint.get(name)
        grouped: list[dict[str, Array]] = [{} for _ in metadata["updates"]]
        for key, array in arrays.items():
            index, _, tensor = key.partition(SEPARATOR)
            array.flags.writeable = False
            grouped[int(index)][tensor] = array
        return [
            Update(tensors=tensors, **{**facts, "metrics": {name: float(v) for name, v in facts["metrics"]}})
            for tensors, facts in zip(grouped, metadata["updates"], strict=True)
        ]


def replay(
    host: StrategyHost,
    state: RunState,
    calls: Calls,
    keeper: UpdateKeeper,
    progress: Callable[[int, int], None],
) -> None:
    """Call the strategy's functions again for every past round, with what they were given then.

    Args:
        host: The strategy, freshly loaded.
        state: The run as it was committed.
        calls: Makes the contexts.
        keeper: Has the updates.
        progress: Told (rounds done, rounds in all).

    Raises:
        CheckpointError: An answer differs from the one given then, so a resume would not be exact.
    """
    model = state.initial
    for number, (call, record) in enumerate(zip(state.calls, state.history, strict=True)):
        history = state.history[:number]
        answer = host.select_sites(calls.context("select_sites", call.rounds, history))
        if tuple(sorted({str(name) for name in answer})) != record.selected:
            raise _differs(number, "select_sites")
        host.configure_round(calls.context("configure_round", call.rounds, history, record.selected))
        if call.updates:
            context = calls.context("aggregate", call.rounds, history, record.selected, record)
            model, _ = check_like(
                host.aggregate(context, model, keeper.load(call.updates)), model, what="the aggregate"
            )
            if digest(model) != call.model:
                raise _differs(number, "aggregate")
        progress(number + 1, len(state.calls))


def _differs(number: int, function: str) -> CheckpointError:
    return CheckpointError(
        f"cannot resume exactly: {function} of round {number} answers otherwise than it did in the run; "
        "does it use the time, files or unseeded random numbers? --resume-without-replay goes on without"
    )
