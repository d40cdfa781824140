"""``python -m benchmarks.metrics``: a case's metrics beside medpy and MONAI, and a folder's."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from benchmarks.command import add_repeats, options_of, positive, report
from benchmarks.metrics.folder import FILES, folder_case
from benchmarks.metrics.peers import medpy_box, medpy_full, monai_five
from benchmarks.metrics.volumes import CASES, SPACING, Pair
from benchmarks.report import Measurement
from tasks.segmentation.metrics.score import score_case

REPEATS: Final = 15
_PEER_REPEATS: Final = 3
_AGREES: Final = 1e-6
_MEMORY_ALLOWED_MIB: Final = 64.0
Peer = Callable[[Pair], Mapping[str, float]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases; return the exit code (a missed target is no failure)."""
    parser = options_of("metrics", __doc__)
    add_repeats(parser, REPEATS)
    parser.add_argument("--cases", type=_names, default=tuple(CASES), metavar="NAME,...", help="only these")
    parser.add_argument(
        "--files", type=positive, default=FILES, metavar="N", help=f"cases of the folder [{FILES}]"
    )
    options = parser.parse_args(arguments)
    return report("metrics", _measured(options.cases, options.repeats, options.files), options.json)


def _measured(names: Sequence[str], repeats: int, files: int) -> Iterator[Measurement]:
    for name in names:
        yield from case_rows(name, CASES[name](), repeats)
    yield folder_case(5, files)


def case_rows(name: str, pair: Pair, repeats: int) -> Sequence[Measurement]:
    """Measure one case: against medpy on the full volume, against other peers, and its memory.

    Raises:
        RuntimeError: medpy has other values.
    """
    theirs, full_s = _timed(medpy_full, pair, 1)
    ours, value_s = _timed(_score, pair, repeats)
    for region, distance in theirs.items():
        if abs(ours[f"hd95_{region}"] - distance) > _AGREES:
            raise RuntimeError(f"{name}, {region}: HD95 {ours[f'hd95_{region}']}, medpy has {distance}")
    value = 1e3 * value_s
    rows = [Measurement(name, value, "ms", "medpy.hd95, full volume", 1e3 * full_s)]
    peers: Mapping[str, tuple[str, Peer]] = {
        "medpy-box": ("medpy.hd95, bounding box", medpy_box),
        "monai": ("MONAI", monai_five),
    }
    for short, (title, peer) in peers.items():
        _, peer_s = _timed(peer, pair, 1 if value > 100 else _PEER_REPEATS)
        rows.append(Measurement(f"peer-{short}-{name}", value, "ms", title, 1e3 * peer_s))
    allowed = "allowed beyond the two volumes"
    rows.append(Measurement(f"memory-{name}", _extra_mib(pair), "MiB", allowed, _MEMORY_ALLOWED_MIB))
    return rows


def _score(pair: Pair) -> Mapping[str, float]:
    return score_case(pair.reference, pair.prediction, SPACING)


def _timed(program: Peer, pair: Pair, repeats: int) -> tuple[Mapping[str, float], float]:
    """Return a program's values and median seconds; it runs once before, unless only once at all."""
    if repeats > 1:
        program(pair)
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        found = program(pair)
        times.append(time.perf_counter() - begin)
    return found, statistics.median(times)


def _extra_mib(pair: Pair) -> float:
    """Return the most memory beyond the two volumes; what scipy's trees take in C++ is not seen."""
    tracemalloc.start()
    try:
        _score(pair)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = [name for name in names if name not in CASES]
    if unknown or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r}: give some of {','.join(CASES)}, each once")
    return names


if __name__ == "__main__":
    sys.exit(main())
