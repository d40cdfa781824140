"""A site in a process of its own: fetches a model, sends a file, and says how much memory it had at most.

``python lone_site.py FOLDER``; see `tests/fl_core/transport/test_large_models.py`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main(folder: Path) -> None:
    from mutual_tls import PLAN, QUICK

    from benchmarks.resident import peak_resident
    from fl_core.tensors.header import DEFAULT_LIMITS, array_of, header_end, read_header
    from fl_core.transport.channel import SiteCredentials, open_channel
    from fl_core.transport.client import SiteConnection
    from fl_core.transport.messages import BlobRef, Delivery, Work

    settings = json.loads((folder / "site.json").read_text())
    credentials = SiteCredentials(*(settings[part].encode() for part in ("key", "chain", "roots")))
    site = SiteConnection(open_channel(settings["target"], credentials), PLAN, QUICK)
    before = peak_resident()
    work = next(iter(site.instructions()))
    assert isinstance(work, Work)
    content = site.download(work.model)
    end = header_end(bytes(content[:8]), len(content), DEFAULT_LIMITS)
    start, entries, _ = read_header(bytes(content[:end]), DEFAULT_LIMITS, size=len(content))
    tensors = {entry.name: array_of(entry, content, start + entry.begin) for entry in entries}
    shapes = {name: [str(tensor.dtype), *tensor.shape] for name, tensor in tensors.items()}
    ends = {name: float(tensor.reshape(-1)[-1]) for name, tensor in tensors.items()}
    del tensors, content
    update = BlobRef(settings["checksum"], Path(settings["update"]).stat().st_size)
    site.upload(Path(settings["update"]), update)
    verdict = site.deliver(Delivery(work.key, work.round, (), update))
    site.close()
    peak = peak_resident()
    json.dump(
        {"shapes": shapes, "ends": ends, "verdict": verdict, "grown_mib": (peak - before) / 2**20}, sys.stdout
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main(Path(sys.argv[1]))
