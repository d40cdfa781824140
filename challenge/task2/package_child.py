"""The process of a model package: load the model, then predict one case after another.

Run by `challenge.task2.package_host` as ``python -P -m challenge.task2.package_child`` in a scratch folder.
"""

from __future__ import annotations

import logging
import os
import random
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from challenge.isolation.limits import apply
from challenge.task2.package_protocol import MAX_TEXT, CaseFacts, Labelled, Open, Opened, Raised, Refused
from fl_core.ipc.child import attach, watch_parent
from fl_core.ipc.frames import Channel, ChannelClosed
from fl_core.ipc.shared import DTYPES
from fl_core.seeding import derived_seed
from fl_core.tensors import Array
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.failure import exception_name, frames_in
from tasks.task2_evaluation.lanes.base import BadAnswer, Model
from tasks.task2_evaluation.lanes.registry import opener
from tasks.task2_evaluation.package import read_manifest


def serve(channel: Channel, request: Open) -> None:
    """Open the package, then predict until the channel closes.

    Raises:
        ChannelClosed: The harness is gone, or has no more cases.
    """
    folder = Path(request.folder)
    try:
        manifest = read_manifest(folder)
        model = opener(manifest.lane)(folder, manifest, Path(request.scratch))
    except PackageError as error:
        channel.send(Raised(0, "PackageError", rule=_sendable(str(error))))
        return
    except BaseException as error:  # noqa: BLE001 - a process border: the harness gives it a status
        traceback.print_exception(error, file=sys.stderr)
        channel.send(_raised(0, error, folder, rule=_rule(error)))
        return
    channel.send(Opened())
    while True:
        facts: CaseFacts
        facts, (images,) = channel.receive(CaseFacts)
        answer, arrays = _answer(model, facts, images, folder, request.seed)
        channel.send(answer, [arrays])


def _answer(
    model: Model, facts: CaseFacts, images: dict[str, Any], folder: Path, seed: int
) -> tuple[Labelled | Refused | Raised, dict[str, Array]]:
    case = CaseInput(facts.name, images, facts.spacing, facts.origin, facts.direction)
    _seed_global_state(seed, case.name)
    try:
        return Labelled(facts.number), {"labels": _volume(model.predict(case), case)}
    except BadAnswer as error:
        print(f"{case.name}: {error.status}: {error}", file=sys.stderr)  # noqa: T201 - the site's log
        return Refused(facts.number, error.status), {}
    except BaseException as error:  # noqa: BLE001 - a process border: the harness gives it a status
        traceback.print_exception(error, file=sys.stderr)
        return _raised(facts.number, error, folder), {}


def _volume(answer: Any, case: CaseInput) -> Array:
    if answer is None:
        raise BadAnswer("missing", "predict returned None; return labels on the case's grid")
    volume = np.asarray(answer)
    if volume.shape != case.shape:
        raise BadAnswer("geometry", f"the prediction has shape {volume.shape}, the case {case.shape}")
    if volume.dtype.name not in DTYPES:
        raise BadAnswer("labels", f"the prediction is of type {volume.dtype}; return labels as uint8")
    return volume


def _raised(number: int, error: BaseException, folder: Path, rule: str = "") -> Raised:
    return Raised(number, exception_name(error), tuple(frames_in(error, folder)), rule)


def _rule(error: BaseException) -> str:
    """Return an error in words; the text of a participant's own class may fail even at that."""
    try:
        text = f"raised {type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - the border to the participant's code
        text = f"raised {type(error).__name__}"
    return _sendable(text)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8")[:MAX_TEXT]


def _seed_global_state(seed: int, case: str) -> None:
    """Seed the generators that code uses without saying so, for each case anew: its order does not matter."""
    derived = derived_seed(seed, "package", case)
    random.seed(derived)
    np.random.seed(derived % 2**32)  # noqa: NPY002 - the participant's global state, not ours
    if "torch" in sys.modules:
        import torch

        torch.manual_seed(derived)


def main() -> None:
    """Serve the harness that spawned this process until it is done with us."""
    channel = attach(sys.argv[1:])
    sys.argv[:] = sys.argv[:1]
    request: Open
    request, _ = channel.receive(Open)
    apply(request.limits)
    watch_parent(channel)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    try:
        serve(channel, request)
    except ChannelClosed:
        pass
    finally:
        sys.stderr.flush()
    # At once: the interpreter's own end would wait for the participant's threads.
    os._exit(0)


if __name__ == "__main__":
    main()
