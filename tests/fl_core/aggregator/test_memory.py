"""How much memory a round takes: one model, whatever the number of sites."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SITES = 16
TENSORS = 32
MEBIBYTES = 32  # of a model

PROGRAM = f"""
import gc, sys
from pathlib import Path
import numpy as np
from fl_core.aggregation.weighted_mean import WeightedMean
from fl_core.aggregator.rounds import Rules
from fl_core.aggregator.service import Aggregator
from fl_core.executor.base import SiteReport, TaskReport
from fl_core.tensors.spooled import SpooledTensors, write_stream

def resident(what):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024

folder, delta, whole = Path(sys.argv[1]), sys.argv[2] == "delta", sys.argv[3] == "whole"
size = {MEBIBYTES} * 2**20 // 4 // {TENSORS}
form = {{f"t{{n:02}}": size for n in range({TENSORS})}}
sites = [f"s{{n:02}}" for n in range({SITES})]
for number, site in enumerate(["model", *sites]):
    tensors = {{name: np.full(size, number, np.float32) for name in form}}
    write_stream(folder / site, tensors)
del tensors
model = SpooledTensors(folder / "model")
aggregator = Aggregator(model, rules=Rules(), delta_updates=delta, threads=2)
aggregator.open_round(dict.fromkeys(sites, ("train",)))
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
idle = resident("VmRSS")
for site in sites:
    update = SpooledTensors(folder / site)
    if whole:
        update = {{name: update[name] for name in update}}
    task = TaskReport("train", {{}}, 1, trains=True)
    reason = aggregator.deliver(SiteReport(site, 0, (task,), update, {{}}, 0.0), digest="xxh3:00")
    assert not reason, reason
aggregator.close_round(WeightedMean())
assert aggregator.model["t00"][0] == 8.5
print(resident("VmHWM") - idle)
"""


def peak(folder: Path, kind: str, form: str = "spooled") -> float:
    """Return by how many MiB a round of spooled updates raises the peak of resident memory."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), kind, form], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


def test_a_round_of_spooled_updates_takes_one_model_and_the_tensors_in_use(tmp_path: Path) -> None:
    in_use = 2 * SITES * MEBIBYTES / TENSORS

    assert peak(tmp_path, "model") <= 1.5 * MEBIBYTES + in_use


def test_deltas_take_no_more_than_the_sums_beside_them(tmp_path: Path) -> None:
    in_use = 2 * 2 * SITES * MEBIBYTES / TENSORS

    assert peak(tmp_path, "delta") <= 1.5 * MEBIBYTES + in_use


def test_the_measure_sees_updates_that_are_held(tmp_path: Path) -> None:
    assert peak(tmp_path, "model", "whole") >= 0.9 * SITES * MEBIBYTES
