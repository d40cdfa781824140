"""The memory of a round whose updates wait in files: measured in a process of its own."""

from __future__ import annotations

import gc
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.aggregation.work import Work
from benchmarks.report import Measurement
from benchmarks.resident import peak_resident, resident
from fl_core.aggregation.weighted_mean import WeightedMean
from fl_core.aggregator.rounds import Rules
from fl_core.aggregator.service import Aggregator
from fl_core.errors import WorkerError
from fl_core.executor.base import SiteReport, TaskReport
from fl_core.tensors.spooled import SpooledTensors, write_stream

MODEL = "model"


def memory_case(work: Work, repeats: int) -> Measurement:
    """Measure by how many models a round raises the resident memory; files that are mapped count.

    The reference is the model that the round makes, which has to stand somewhere. The largest of the
    repeats counts: a peak has no use for a median.

    Raises:
        WorkerError: The measuring process failed.
    """
    with tempfile.TemporaryDirectory(prefix="benchmark-aggregation-") as folder:
        write_stream(Path(folder) / MODEL, work.tensors(work.sites))
        for site in range(work.sites):
            write_stream(Path(folder) / f"s{site:03}", work.tensors(site))
        peaks = [_in_a_process(Path(folder)) for _ in range(repeats)]
    models = max(peaks) / work.model_bytes
    return Measurement(f"memory-mean-{work.name}", models, "models", "the new model alone", 1.0)


def _in_a_process(folder: Path) -> int:
    command = [sys.executable, "-m", "benchmarks.aggregation.memory", str(folder)]
    here = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkerError(f"{' '.join(command)} failed:\n{done.stderr}")
    return int(done.stdout)


def peak_of_a_round(folder: Path) -> int:
    """Return by how many bytes a round of the spooled updates raises this process's memory.

    The aggregator takes every update as a server would: checked on arrival, summed at the end.
    """
    model = SpooledTensors(folder / MODEL)
    sites = sorted(path.name for path in folder.iterdir() if path.name != MODEL)
    aggregator = Aggregator(model, rules=Rules())
    aggregator.open_round(dict.fromkeys(sites, ("train",)))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    idle = resident()
    for number, site in enumerate(sites):
        task = TaskReport("train", {}, number + 1, trains=True)
        report = SiteReport(site, 0, (task,), SpooledTensors(folder / site), {}, 0.0)
        aggregator.deliver(report, digest=f"xxh3:{number}")
    closed = aggregator.close_round(WeightedMean())
    if closed.received != tuple(sites):
        raise WorkerError(f"of {len(sites)} updates {len(closed.received)} counted")
    return peak_resident() - idle


if __name__ == "__main__":
    print(peak_of_a_round(Path(sys.argv[1])))
