"""What a plan can say, over processes: stragglers, compression, deltas, optimizers, and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fx_federation import AGGREGATOR, edit_plan, in_one_process, models, parties, reweigh, rows, run
from workspaces import Federation

from fl_core.tensors.codec import read_file

RUNNER = '''
"""Training whose step grows with the optimizer's state; the second site's state grows three times as fast."""

import time

import numpy as np

from fl_core.task_runner.base import TaskOutput
from fl_core.task_runner.plus_one import PlusOneRunner, PlusOneSettings


class Loader:
    def __init__(self, path):
        self.path = path


class Runner(PlusOneRunner):
    def __init__(self, data, slow_s=0.0, fails=False, samples=1, wide=False):
        self.second = data is not None and data.path == "2"
        self.slow_s, self.fails = slow_s, fails
        super().__init__(PlusOneSettings(sites={"2": (samples, 1)}), "2" if self.second else "1")
        if wide:
            self._tensors = {"w": np.ones(3), "n": np.array([2**40 + 1, -7]), "flag": np.array(True)}

    def train(self, context):
        if self.second and context.round == 0:
            time.sleep(self.slow_s)
            if self.fails:
                raise RuntimeError("patient 4711")
        step = 1 + self._steps**2
        steps = {"w": 2.0**-40, "n": 2, "flag": False}
        self._tensors = {
            name: array + np.array(steps.get(name, step), array.dtype)
            for name, array in self._tensors.items()
        }
        self._steps += 3 if self.second else 1
        return TaskOutput({"loss": 0.0}, self._n_train)
'''
STRAGGLER = "fl_core.straggler."
COMPRESSION = "fl_core.compression."


def _with(federation: Federation, change: Callable[[dict[str, Any]], None], **settings: object) -> Federation:
    """Give all parties the runner above, with these settings, and a change of the plan."""

    def edit(plan: dict[str, Any]) -> None:
        plan["task_runner"] = {"template": "src.paced.Runner", "settings": settings}
        plan["data_loader"] = {"template": "src.paced.Loader"}
        plan["collaborator"].setdefault("settings", {})
        change(plan)

    for workspace in (federation.aggregator, *map(federation.site, federation.sites)):
        (workspace / "src" / "paced.py").write_text(RUNNER)
    edit_plan(federation, edit)
    reweigh(federation)
    return federation


def _last(federation: Federation) -> float:
    """Return the value that all weights of the last model have."""
    tensors, _ = read_file(federation.aggregator / "save" / "last.safetensors")
    values = np.unique(np.concatenate([array.ravel() for array in tensors.values()]))
    assert len(values) == 1, values
    return float(values[0])


def _of(federation: Federation, site: str) -> dict[str, tuple[str, str]]:
    """Return a site's status and the reason for it, by round."""
    return {
        row["round"]: (row["status"], row["reason"])
        for row in rows(federation, "sites")
        if row["site"] == site
    }


@pytest.mark.slow
@pytest.mark.parametrize("delta_updates", [False, True])
@pytest.mark.parametrize(
    ("treatment", "expected"),
    [
        ("RESET", 1 + 1 + 1),
        # Steps of the first site 1, 2, 5, of the second 1, 10, 37.
        ("CONTINUE_LOCAL", 1 + (2 + 10) / 2 + (5 + 37) / 2),
        # The mean state is 0, then 2, then 4.
        ("CONTINUE_GLOBAL", 1 + 5 + 17),
    ],
)
def test_optimizers_and_deltas(two: Federation, treatment: str, expected: float, delta_updates: bool) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["collaborator"]["settings"].update(opt_treatment=treatment, delta_updates=delta_updates)

    run(_with(two, change))

    assert _last(two) == expected
    assert models(two)["last"] == in_one_process(two, {"one": "1", "two": "2"})


@pytest.mark.slow
def test_updates_weigh_by_their_samples(two: Federation) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["collaborator"]["settings"]["opt_treatment"] = "CONTINUE_LOCAL"
        plan["aggregator"]["settings"]["rounds_to_train"] = 2

    run(_with(two, change, samples=3))

    assert _last(two) == 1 + (1 * 2 + 3 * 10) / 4


@pytest.mark.slow
def test_integers_and_doubles_keep_every_bit(two: Federation) -> None:
    run(_with(two, lambda plan: None, wide=True))

    last, _ = read_file(two.aggregator / "save" / "last.safetensors")
    assert {name: str(array.dtype) for name, array in last.items()} == {
        "flag": "bool",
        "n": "int64",
        "w": "float64",
    }
    assert last["w"].tolist() == [1 + 3 * 2.0**-40] * 3 and np.float32(last["w"][0]) == 1
    assert last["n"].tolist() == [2**40 + 7, -1] and last["flag"].item() is True


@pytest.mark.slow
def test_a_straggler_is_dropped_at_the_cutoff_and_returns_in_the_next_round(two: Federation) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["straggler_policy"] = {
            "template": f"{STRAGGLER}cutoff.Cutoff",
            "settings": {"cutoff_s": 6, "minimum": 1},
        }

    ended = run(_with(two, change, slow_s=9.0))

    assert _of(two, "two") == {
        "0": ("dropped", "straggler: not done 6 s after the round's start"),
        "1": ("ok", ""),
        "2": ("ok", ""),
        "3": ("ok", ""),
    }
    assert set(_of(two, "one").values()) == {("ok", "")}
    assert [row["dropped"] for row in rows(two)] == ["1", "0", "0", "0"]
    assert _last(two) == 3
    assert "its results are thrown away" in ended.text("two")


@pytest.mark.slow
def test_a_share_of_the_sites_is_enough(two: Federation) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["aggregator"]["settings"]["rounds_to_train"] = 1
        plan["straggler_policy"] = {
            "template": f"{STRAGGLER}percentage.Percentage",
            "settings": {"share": 0.5, "minimum": 1},
        }

    run(_with(two, change, slow_s=4.0))

    assert _of(two, "two")["0"] == ("dropped", "straggler: 1 of 2 sites were enough")
    assert rows(two)[0]["received"] == "1" and _last(two) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needed", "statuses", "expected"),
    [(1, ["ok", "ok", "ok"], 3), (2, ["too few updates", "ok", "ok"], 2)],
)
def test_with_too_few_updates_the_model_stays(
    two: Federation, needed: int, statuses: list[str], expected: float
) -> None:
    ended = _run_failing(
        _with(two, lambda plan: plan["aggregator"]["settings"].update(min_updates=needed), fails=True)
    )

    assert [row["status"] for row in rows(two)] == [*statuses, "validation"]
    assert _last(two) == expected
    status, reason = _of(two, "two")["0"]
    assert status == "dropped" and "RuntimeError" in reason
    assert "4711" not in ended, "an error's text may name patients"


def _run_failing(federation: Federation) -> str:
    """Run a federation one of whose sites logs an error; return what the aggregator said."""
    with parties(federation) as found:
        found.start()
        assert set(found.end().values()) == {0}
        assert "patient 4711" in found.text("two")
        return found.text(AGGREGATOR)


@pytest.mark.slow
@pytest.mark.parametrize(("kept", "expected"), [(1, [3]), (2, [2, 3]), (-1, [0, 1, 2, 3])])
def test_models_are_kept_for_so_many_rounds(two: Federation, kept: int, expected: list[int]) -> None:
    edit_plan(two, lambda plan: plan["aggregator"]["settings"].update(db_store_rounds=kept))

    run(two)

    found = (two.aggregator / "state").glob("model-*.safetensors")
    assert sorted(int(path.stem.removeprefix("model-")) for path in found) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    "section",
    [
        {"template": f"{COMPRESSION}ternary.Ternary", "settings": {"dim_threshold": 1, "p_sparsity": 0.5}},
        {"template": f"{COMPRESSION}eden.Eden", "settings": {"n_bits": 4, "dim_threshold": 1}},
        {
            "settings": {
                "upload": {"template": f"{COMPRESSION}fp16.Float16"},
                "download": {"template": f"{COMPRESSION}bf16.BFloat16"},
            }
        },
    ],
    ids=["ternary", "eden", "fp16-bf16"],
)
def test_what_travels_is_compressed_and_what_is_kept_is_not(two: Federation, section: dict[str, Any]) -> None:
    def change(plan: dict[str, Any]) -> None:
        plan["compression_pipeline"] = section
        plan["task_runner"]["settings"].update(step=0.1, shapes={"weight": [40, 50], "bias": [3]})

    edit_plan(two, change)
    reweigh(two)
    initial = (two.aggregator / "save" / "init.safetensors").read_bytes()

    run(two)

    expected = in_one_process(two)
    assert models(two) == {"last": expected, "best": expected}
    assert (two.aggregator / "save" / "init.safetensors").read_bytes() == initial
    last, _ = read_file(two.aggregator / "save" / "last.safetensors")
    assert {str(array.dtype) for array in last.values()} == {"float32"}
    assert all(0.1 < array.mean() < 0.35 for array in last.values())
