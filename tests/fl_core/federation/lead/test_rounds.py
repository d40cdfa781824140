"""A federation of thread sites: what comes out, to the byte."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lead_world import Everybody, World, in_process, initial_model, terms

from fl_core.assigner.random_grouped import RandomGroup, RandomGroupedAssigner
from fl_core.collaborator.settings import OptTreatment
from fl_core.tensors.codec import encode


@pytest.mark.parametrize("rounds", [1, 2, 3])
@pytest.mark.parametrize("which", ["best", "last"])
def test_r_rounds_of_plus_one_give_exactly_the_initial_model_plus_r(
    tmp_path: Path, rounds: int, which: str
) -> None:
    world = World(tmp_path, terms(rounds))
    ended = world.run()
    assert ended.finished
    assert ended.best_round == rounds
    expected = initial_model()
    for _ in range(rounds):
        for name in ("w", "b"):
            expected[name] = np.add(expected[name], 1, dtype=np.float32)
    assert encode(world.model(which)) == encode(expected)
    assert encode(world.model(which)) == encode(in_process(world.terms))
    assert world.initial.read_bytes() == encode(initial_model())


@pytest.mark.parametrize("treatment", list(OptTreatment))
@pytest.mark.parametrize("delta_updates", [False, True])
def test_the_last_model_has_the_bytes_of_a_run_in_one_process(
    tmp_path: Path, treatment: OptTreatment, delta_updates: bool
) -> None:
    world = World(tmp_path, terms(opt_treatment=treatment, delta_updates=delta_updates))
    world.run()
    assert (tmp_path / "save" / "last.safetensors").read_bytes() == encode(in_process(world.terms))


def test_metrics_are_means_weighted_by_the_samples_of_their_task(tmp_path: Path) -> None:
    world = World(tmp_path, terms(2, assigner=Everybody(("validate", "train"))))
    world.run()
    rows = world.rows()
    assert [row["status"] for row in rows] == ["ok", "ok", "validation"]
    assert [(row["selected"], row["received"], row["dropped"]) for row in rows] == [("3", "3", "0")] * 3
    floats = np.concatenate([initial_model()[name].ravel() for name in ("w", "b")]).astype(np.float64)
    assert float(rows[0]["score"]) == pytest.approx(floats.mean())
    assert float(rows[2]["validate/accuracy"]) == pytest.approx(floats.mean() + 2, rel=1e-5)
    assert rows[2]["train/loss"] == ""
    sites = world.rows("sites")
    assert [(row["round"], row["site"]) for row in sites][:4] == [
        ("0", "a"),
        ("0", "b"),
        ("0", "c"),
        ("1", "a"),
    ]
    assert sites[0]["samples"] == "validate:2 train:5"


@pytest.mark.parametrize("names", [("a",), ("a", "b"), ("a", "b", "c")])
def test_the_groups_of_the_papers_plan_run_with_any_number_of_sites(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    groups = [
        RandomGroup("validate", 0.5, ("validate",)),
        RandomGroup("both", 0.5, ("validate", "train", "validate_local")),
    ]
    world = World(tmp_path, terms(4, assigner=RandomGroupedAssigner(groups, seed=1)), names)
    world.run()
    assert (tmp_path / "save" / "last.safetensors").read_bytes() == encode(in_process(world.terms, names))


def test_a_plan_that_only_validates_is_one_round_and_leaves_the_model(tmp_path: Path) -> None:
    world = World(tmp_path, terms(1, assigner=Everybody(("validate",))))
    ended = world.run()
    assert ended.finished and ended.score is not None
    assert [row["status"] for row in world.rows()] == ["validation"]
    assert encode(world.model("best")) == encode(world.model("last")) == encode(initial_model())


def test_where_nothing_is_scored_the_last_model_is_the_best_and_it_is_said(tmp_path: Path) -> None:
    world = World(tmp_path, terms(2, assigner=Everybody(("train",)), best_metric="none"))
    ended = world.run()
    assert encode(world.model("best")) == encode(world.model("last")) == encode(in_process(world.terms))
    assert "nothing was scored" in ended.text


def test_a_metric_that_falls_keeps_an_early_model_as_the_best(tmp_path: Path) -> None:
    world = World(tmp_path, terms(3, best_direction="lower"))
    ended = world.run()
    assert ended.best_round == 0
    assert encode(world.model("best")) == encode(initial_model())
    assert encode(world.model("last")) == encode(in_process(world.terms))


@pytest.mark.parametrize(("kept", "files"), [(1, 1), (2, 2), (-1, 6)])
def test_models_kept_are_bounded(tmp_path: Path, kept: int, files: int) -> None:
    world = World(tmp_path, terms(5, db_store_rounds=kept))
    world.run()
    assert len(list((tmp_path / "state").glob("model-*"))) == files
    assert len(world.rows()) == 6
    assert not list((tmp_path / "state" / "arrived").glob("*"))
    assert not list((tmp_path / "state").glob("journal-*"))
