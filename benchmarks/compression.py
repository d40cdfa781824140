"""``python -m benchmarks.compression``: what each codec saves, loses and takes, on random weights.

Normal weights are the worst that a codec meets: nothing in them is predictable, and no element is
much larger than the others. Speeds are of one core, next to a copy of the same array.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchmarks.command import add_repeats, options_of, positive
from benchmarks.machine import machine, one_line
from benchmarks.report import Measurement, document, write_json
from fl_core.compression.base import Codec
from fl_core.compression.exponent import Floats
from fl_core.compression.registry import codec_of

CODECS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "fp16": ("fp16.Float16", {}),
    "bf16": ("bf16.BFloat16", {}),
    "top_k-1%": ("top_k.TopK", {"p_sparsity": 0.01}),
    "ternary-1%": ("ternary.Ternary", {"p_sparsity": 0.01}),
    "k_means-6": ("k_means.KMeans", {"n_clusters": 6}),
    "k_means-256": ("k_means.KMeans", {"n_clusters": 256}),
    "sparse_k_means-1%-6": ("sparse_k_means.SparseKMeans", {"p_sparsity": 0.01, "n_clusters": 6}),
    "eden-1bit": ("eden.Eden", {"n_bits": 1}),
    "eden-2bit": ("eden.Eden", {"n_bits": 2}),
    "eden-4bit": ("eden.Eden", {"n_bits": 4}),
    "eden-8bit": ("eden.Eden", {"n_bits": 8}),
}


@dataclass(frozen=True)
class Outcome:
    """One codec's figures.

    Attributes:
        ratio: Bytes before over bytes after.
        error: ``||decoded - x|| / ||x||``.
        encode: MB of float32 a second.
        decode: Likewise.
    """

    ratio: float
    error: float
    encode: float
    decode: float


def measure(codec: Codec, weights: Floats, repeats: int) -> Outcome:
    """Return the figures of a codec; times are medians."""
    megabytes = weights.nbytes / 1e6
    encoded = codec.encode({"w": weights}, seed=1)
    decoded = np.asarray(codec.decode(encoded)["w"], np.float64)
    return Outcome(
        ratio=weights.nbytes / encoded.nbytes,
        error=float(np.sqrt(np.square(decoded - weights).sum() / np.square(weights, dtype=np.float64).sum())),
        encode=megabytes / _median(lambda: codec.encode({"w": weights}, seed=1), repeats),
        decode=megabytes / _median(lambda: codec.decode(encoded), repeats),
    )


def measurements(outcomes: Mapping[str, Outcome], copy: float) -> list[Measurement]:
    """Return the report's cases: ratios to float32, errors of nothing sent, speeds against copying."""
    cases = []
    for name, outcome in outcomes.items():
        cases += [
            Measurement(f"{name}-ratio", outcome.ratio, "1", "float32", 1.0),
            Measurement(f"{name}-error", outcome.error, "1", "nothing sent", 1.0),
            Measurement(f"{name}-encode", outcome.encode, "MB/s", "copy", copy),
            Measurement(f"{name}-decode", outcome.decode, "MB/s", "copy", copy),
        ]
    return cases


def table(outcomes: Mapping[str, Outcome]) -> str:
    """Return the figures in Markdown."""
    lines = ["| codec | ratio | relative error | encode MB/s | decode MB/s |", "|---|--:|--:|--:|--:|"]
    lines += [
        f"| {name} | {o.ratio:.1f} | {o.error:.5f} | {o.encode:.0f} | {o.decode:.0f} |"
        for name, o in outcomes.items()
    ]
    return "\n".join(lines)


def _median(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return max(statistics.median(times), 1e-9)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all codecs; a slow one is no failure."""
    parser = options_of("compression", __doc__)
    parser.add_argument("--size", type=positive, default=8_000_000, metavar="N", help="weights [8000000]")
    add_repeats(parser, 3)
    options = parser.parse_args(arguments)
    weights = np.random.default_rng(0).standard_normal(options.size, dtype=np.float32)
    target = np.empty_like(weights)
    copy = weights.nbytes / 1e6 / _median(lambda: np.copyto(target, weights), max(3, options.repeats))
    outcomes = {
        name: measure(codec_of(f"fl_core.compression.{path}", settings), weights, options.repeats)
        for name, (path, settings) in CODECS.items()
    }
    facts = machine()
    print(f"{table(outcomes)}\n\n{options.size} normal weights; copying them: {copy:.0f} MB/s.")
    print(one_line(facts))
    if options.json is not None:
        write_json(options.json, document("compression", facts, measurements(outcomes, copy)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
