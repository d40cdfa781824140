"""The process of a participant's code: load the submission, answer one call after another.

Run by `challenge.isolation.host` as ``python -P -m challenge.isolation.child`` in a scratch folder.
"""

from __future__ import annotations

import logging
import os
import random
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from challenge.isolation.answering import answer_call, failed, failure
from challenge.isolation.contexts import ContextReceiver
from challenge.isolation.limits import apply
from challenge.isolation.protocol import MAX_TEXT, Call, Load, Loaded, Restore, Restored
from challenge.isolation.state import StrategyState
from fl_core.ipc.child import attach, watch_parent
from fl_core.ipc.frames import BadFrame, Channel, ChannelClosed, FrameTooLarge
from fl_core.ipc.shared import BadTensors, SharedFile
from fl_core.seeding import derived_seed
from fl_core.tensors import Tensors
from tasks.task1_aggregation import submission
from tasks.task1_aggregation.submission_source import read_source


def seed_global_state(seed: int) -> None:
    """Seed the generators that old-style submissions use without saying so."""
    derived = derived_seed(seed, "strategy-process")
    random.seed(derived)
    np.random.seed(derived % 2**32)  # noqa: NPY002 - the participant's global state, not ours


def serve(channel: Channel, request: Load) -> None:
    """Load the submission, then answer calls until the channel closes.

    Raises:
        ChannelClosed: The harness is gone, or has no more calls.
    """
    path = Path(request.submission)
    try:
        loaded = submission.load(path)
        source = read_source(path)
    except BaseException as error:  # noqa: BLE001 - a process border: the harness raises it
        _send(channel, failure(error, "load", None))
        return
    notes = tuple(note[:MAX_TEXT] for note in loaded.notes)
    _send(channel, Loaded(loaded.kind, dict(loaded.settings), notes, loaded.resumes_from_state))
    state, contexts = StrategyState(), ContextReceiver()
    while True:
        message: Call | Restore
        message, sets = channel.receive(Call | Restore)
        if isinstance(message, Restore):
            state.restore(message.state, sets[0])
            _send(channel, Restored())
            continue
        context = contexts.context(message.context, message.function, state.live)
        try:
            answer, arrays = answer_call(loaded.strategy, message, context, sets)
            answer.state, file = state.changes(context.state, message.function)
            try:
                _send(channel, answer, arrays, file)
            finally:
                file.close()
        except (SystemExit, ChannelClosed):
            raise
        except (BadTensors, BadFrame, FrameTooLarge) as error:
            _send(channel, failed(message.function, f"returned what cannot be handed over: {error}"))
        except BaseException as error:  # noqa: BLE001 - a process border: the harness raises it
            _send(channel, failure(error, message.function, source))


def _send(channel: Channel, message: Any, *sets: Tensors | SharedFile) -> None:
    channel.send(message, [*sets, *({} for _ in range(2 - len(sets)))])


def main() -> None:
    """Serve the harness that spawned this process until it is done with us."""
    channel = attach(sys.argv[1:])
    sys.argv[:] = sys.argv[:1]
    request: Load
    request, _ = channel.receive(Load)
    apply(request.limits)
    watch_parent(channel)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    seed_global_state(request.seed)
    try:
        serve(channel, request)
    except ChannelClosed:
        return
    except SystemExit as error:
        # At once: the interpreter's own end would wait for the participant's threads.
        _end(error.code)


def _end(code: object) -> NoReturn:
    if code is not None and not isinstance(code, int):
        sys.stderr.write(f"{code}\n")
    os._exit(code & 0xFF if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
