"""Crash safety, exhaustively: at every durable write the process stops before, torn in and after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_disk import Death, FaultyDisk
from plus_one_engine import configuration, results, surroundings

from challenge.records.verify import verify
from challenge.task1.run import resume, start

SUBMISSION = '''
from tasks.task1_aggregation.strategy import Strategy

class Counts(Strategy):
    """Keeps a counter in itself: only a replay brings it back."""

    def __init__(self):
        self.calls = 0

    def aggregate(self, context, model, updates):
        self.calls += 1
        mean = super().aggregate(context, model, updates)
        return {name: array + array.dtype.type(self.calls) for name, array in mean.items()}
'''


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("submission") / "counts.py"
    path.write_text(SUBMISSION)
    return path


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, tiny_data: Path, submission: Path
) -> Iterator[tuple[dict[str, bytes], list[str]]]:
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    disk = FaultyDisk()
    start(
        configuration(tiny_data, submission=submission, isolation="none", rounds=2),
        folder,
        surroundings(disk),
    )
    yield results(folder), disk.steps


def crash_and_resume(folder: Path, data: Path, submission: Path, step: int, when: str) -> dict[str, bytes]:
    config = configuration(data, submission=submission, isolation="none", rounds=2)
    with pytest.raises(Death):
        start(config, folder, surroundings(FaultyDisk(step, when)))
    if (folder / "config.yaml").exists():
        resume(folder, None, None, True, surroundings())
    else:
        start(config, folder, surroundings())
    assert verify(folder, ()).intact
    return results(folder)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(8))
def test_every_durable_write(
    part: int,
    tmp_path: Path,
    tiny_data: Path,
    submission: Path,
    undisturbed: tuple[dict[str, bytes], list[str]],
) -> None:
    expected, steps = undisturbed
    points = [
        (step, when)
        for step, name in enumerate(steps)
        for when in (("before", "torn", "after") if name == "write" else ("before", "after"))
    ]
    mine = points[part::8]
    for number, (step, when) in enumerate(mine):
        found = crash_and_resume(tmp_path / str(number), tiny_data, submission, step, when)
        assert found == expected, f"stopped {when} step {step} ({steps[step]})"
    print(
        f"{len(mine)} of {len(points)} crash points over {len(steps)} steps: each resume gave the same bytes"
    )


def test_a_few_durable_writes(
    tmp_path: Path, tiny_data: Path, submission: Path, undisturbed: tuple[dict[str, bytes], list[str]]
) -> None:
    expected, steps = undisturbed
    renames = [step for step, name in enumerate(steps) if name == "rename state.json"]
    for number, step in enumerate((renames[0], renames[-1])):
        assert crash_and_resume(tmp_path / str(number), tiny_data, submission, step, "before") == expected
