"""Work that is posted to a site, done without training, and handed in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import xxhash
from mutual_tls import Hall

from fl_core.executor.base import TaskReport
from fl_core.tensors.codec import encode
from fl_core.transport.board import Delivered, Failed
from fl_core.transport.client import SiteConnection
from fl_core.transport.messages import BlobRef, Delivery, Work


def named(content: bytes) -> BlobRef:
    return BlobRef(f"xxh3:{xxhash.xxh3_128_hexdigest(content)}", len(content))


def some_model(size: int = 1000, seed: int = 0) -> bytes:
    return encode({"w": np.random.default_rng(seed).random(size, np.float32)})


def post(here: Hall, folder: Path, site: str = "a", key: str = "0", content: bytes = b"") -> Work:
    """Post work on a model, whose bytes are in the folder then."""
    content = content or some_model()
    model = named(content)
    path = folder / f"model-{key}"
    path.write_bytes(content)
    here.board.publish(model, path)
    work = Work(key, 0, ("train",), model)
    here.board.post(site, work)
    return work


def do_work(site: SiteConnection, folder: Path) -> tuple[bytes, bytes]:
    """Do what comes next: fetch the model, send its bytes reversed, deliver; return both."""
    work = next(iter(site.instructions()))
    assert isinstance(work, Work)
    model = bytes(site.download(work.model))
    update = model[::-1]
    path = folder / "update"
    path.write_bytes(update)
    site.upload(path, named(update))
    reports = (TaskReport("train", {"loss": 0.5}, 3, True),)
    assert site.deliver(Delivery(work.key, work.round, reports, named(update))) == ""
    return model, update


def outcome(here: Hall) -> Delivered | Failed:
    """Return what came of the work."""
    for _ in range(10_000):
        event = here.board.next_event(20)
        assert event is not None, "nothing was delivered"
        if isinstance(event, Delivered | Failed):
            return event
    raise AssertionError("only other events")
