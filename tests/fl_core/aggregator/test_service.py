"""The aggregator's shell: rounds over updates in memory and in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_core.aggregation.base import SiteUpdate
from fl_core.aggregation.weighted_mean import WeightedMean
from fl_core.aggregator.rounds import Rules
from fl_core.aggregator.service import Aggregator, RoundClosed
from fl_core.durable import Disk
from fl_core.errors import TensorError
from fl_core.executor.base import SiteReport, TaskReport
from fl_core.tensors import Array, Tensors
from fl_core.tensors.digest import digest
from fl_core.tensors.spooled import SpooledTensors, write_stream

SITES = ("a", "b", "c")
RNG = np.random.default_rng(0)
MODEL = {
    "w": RNG.normal(size=(40_000, 2)).astype(np.float32),
    "b": RNG.normal(size=3).astype(np.float32),
    "n": np.array(4, np.int64),
}


def report(site: str, tensors: Tensors, samples: int = 3) -> SiteReport:
    return SiteReport(site, 0, (TaskReport("train", {"loss": 0.5}, samples, trains=True),), tensors, {}, 0.1)


def update(seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        "w": rng.normal(size=(40_000, 2)),  # float64, which is cast back
        "b": rng.normal(size=3).astype(np.float32),
        "n": np.array(seed, np.int64),
        "optimizer/m": rng.normal(size=4).astype(np.float32),
    }


def opened(model: Tensors = MODEL, **settings: Any) -> Aggregator:
    aggregator = Aggregator(model, rules=settings.pop("rules", Rules()), **settings)
    aggregator.open_round(dict.fromkeys(SITES, ("train",)))
    return aggregator


class Whole:
    """The weighted mean as a function that offers no rule for each tensor."""

    def __call__(self, model: Tensors, updates: Sequence[SiteUpdate]) -> dict[str, Array]:
        return WeightedMean()(model, updates)


@pytest.mark.parametrize("delta", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_round_over_files_ends_with_the_bytes_of_one_in_memory(
    tmp_path: Path, delta: bool, threads: int
) -> None:
    held, spooled = opened(delta_updates=delta), opened(delta_updates=delta, threads=threads)
    for seed, site in enumerate(SITES):
        write_stream(tmp_path / site, update(seed))
        assert held.deliver(report(site, update(seed), seed + 1)) == ""
        assert spooled.deliver(report(site, SpooledTensors(tmp_path / site), seed + 1)) == ""

    closed = held.close_round(Whole())

    assert spooled.close_round(WeightedMean()) == closed == RoundClosed(SITES, {}, changed=True)
    assert digest(spooled.model) == digest(held.model) == held.state.model == spooled.state.model
    assert digest(spooled.optimizer) == digest(held.optimizer) and list(held.optimizer) == ["optimizer/m"]
    assert not spooled.model["w"].flags.writeable


def test_the_state_holds_the_digest_that_the_caller_gives() -> None:
    aggregator = opened()
    sent = {name: np.zeros_like(array) for name, array in MODEL.items()}

    aggregator.deliver(report("a", sent), digest="xxh3:00ff")
    aggregator.deliver(report("b", sent))
    aggregator.deliver(report("c", {}), digest="xxh3:00ff")

    digests = {site: tasks["train"].digest for site, tasks in aggregator.state.results.items()}
    assert digests == {"a": "xxh3:00ff", "b": digest(sent), "c": ""}


def test_a_file_that_is_torn_later_ends_the_round_by_name(tmp_path: Path) -> None:
    aggregator = opened()
    for seed, site in enumerate(SITES):
        write_stream(tmp_path / f"{site}.spool", update(seed))
        aggregator.deliver(report(site, SpooledTensors(tmp_path / f"{site}.spool")))
    (tmp_path / "b.spool").write_bytes((tmp_path / "b.spool").read_bytes()[:-1])

    with pytest.raises(TensorError, match=r"b\.spool: the file was replaced, changed or cut off"):
        aggregator.close_round(WeightedMean())
    assert digest(aggregator.model) == digest(MODEL)


def test_an_aggregate_by_tensor_is_checked() -> None:
    class Broken(WeightedMean):
        def begin(self, model: Tensors, updates: Sequence[SiteUpdate]) -> Any:
            return lambda name, model, updates: model * np.float64(1) if name == "b" else model + np.inf

    aggregator = opened({"b": MODEL["b"]})
    for site in SITES:
        aggregator.deliver(report(site, {"b": MODEL["b"]}))
    closed = aggregator.close_round(Broken())
    assert closed.notes == ("the aggregate: tensor 'b' came as float64 and was cast back to float32",)

    aggregator = opened({"w": MODEL["w"]})
    for site in SITES:
        aggregator.deliver(report(site, {"w": MODEL["w"]}))
    with pytest.raises(TensorError, match="the aggregate: tensor 'w' holds 80000 values such as inf"):
        aggregator.close_round(Broken())


def test_the_models_can_be_held_in_files(tmp_path: Path) -> None:
    aggregator = opened()
    for seed, site in enumerate(SITES):
        aggregator.deliver(report(site, update(seed)))
    aggregator.score(0.5)
    aggregator.close_round(WeightedMean())
    before = digest(aggregator.model), digest(aggregator.best_model)
    Disk().write_tensors(tmp_path / "model", aggregator.model)
    Disk().write_tensors(tmp_path / "best", aggregator.best_model)

    aggregator.rebase(SpooledTensors(tmp_path / "model"), SpooledTensors(tmp_path / "best"))

    assert (digest(aggregator.model), digest(aggregator.best_model)) == before
    aggregator.open_round(dict.fromkeys(SITES, ("train",)))
    assert aggregator.deliver(report("a", update(9))) == ""
    again = Aggregator(
        SpooledTensors(tmp_path / "model"),
        rules=Rules(),
        state=aggregator.state,
        best=SpooledTensors(tmp_path / "best"),
    )
    assert again.state == aggregator.state
    for kept, name in ((aggregator.model, "model"), (aggregator.best_model, "best")):
        (tmp_path / name).unlink()  # nothing of them is in memory
        with pytest.raises(TensorError, match=f"{name}: tensor 'w' cannot be read"):
            kept["w"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": np.zeros((2, 40_000), np.float32)}, r"the best model: tensor 'w' has shape \(2, 40000\)"),
        ({"b": np.zeros(3)}, "the best model: tensor 'b' has dtype float64; it must be float32"),
        ({"x": np.zeros(3)}, "the best model: tensor names differ"),
    ],
)
def test_models_of_another_form_are_not_held(change: dict[str, Array], message: str) -> None:
    aggregator = opened()

    with pytest.raises(TensorError, match=message):
        aggregator.rebase(MODEL, {**MODEL, **change})
    assert digest(aggregator.model) == digest(aggregator.best_model) == digest(MODEL)


def test_a_site_that_claims_more_than_its_cap_is_refused_and_the_round_goes_on() -> None:
    aggregator = opened(max_samples={"a": 10, "b": 10})

    reason = aggregator.deliver(report("a", update(0), 1_000_000_000))

    assert reason == "claims 1000000000 samples; its registered cap is 10"
    assert aggregator.deliver(report("b", update(1), 10)) == ""
    assert aggregator.deliver(report("c", update(2), 10**9)) == ""  # without a cap
    closed = aggregator.close_round(WeightedMean())
    assert closed.received == ("b", "c") and closed.dropped == {"a": reason}


def test_writing_to_what_was_delivered_changes_nothing_that_is_held() -> None:
    sent = update(0)
    aggregator = opened()
    aggregator.deliver(report("a", sent))

    sent["b"] = np.zeros(3, np.float32)
    for site in ("b", "c"):
        aggregator.drop(site, "offline")
    aggregator.close_round(WeightedMean())

    np.testing.assert_array_equal(aggregator.model["b"], update(0)["b"])
