"""A federation whose arrays travel compressed: the "+1" trainer under every codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from fl_core.aggregation.weighted_mean import WeightedMean
from fl_core.aggregator.rounds import Rules
from fl_core.aggregator.service import Aggregator
from fl_core.collaborator.settings import CollaboratorSettings, OptTreatment, TaskSpec
from fl_core.compression.base import Codec
from fl_core.compression.bf16 import BFloat16
from fl_core.compression.eden import Eden
from fl_core.compression.exchange import Exchange
from fl_core.compression.executor import CompressedExecutor, Transfer
from fl_core.compression.fp16 import Float16
from fl_core.compression.k_means import KMeans
from fl_core.compression.none import NoCompression
from fl_core.compression.sparse_k_means import SparseKMeans
from fl_core.compression.ternary import Ternary
from fl_core.compression.top_k import TopK
from fl_core.executor.base import Executor, SiteJob, SiteReport, WorkerSetup
from fl_core.executor.local import LocalExecutor
from fl_core.tensors import Array

SITES = ("a", "b", "c")
ROUNDS = 4


def initial() -> dict[str, Array]:
    return {"weight": np.zeros((40, 25), np.float32), "bias": np.zeros(3, np.float32), "n": np.array(5)}


def setup(
    delta: bool = False, treatment: OptTreatment = OptTreatment.RESET, step: float = 1.0
) -> WorkerSetup:
    tasks = {"train": TaskSpec("train"), "validate": TaskSpec("validate")}
    settings = CollaboratorSettings(tasks, 3, treatment, delta)
    sites = {"a": [5, 1], "b": [2, 1], "c": [1, 1]}
    return WorkerSetup("fl_core.task_runner.plus_one:open_source", {"sites": sites, "step": step}, settings)


def federation(
    executor: Executor, *, delta: bool = False, rounds: int = ROUNDS
) -> tuple[dict[str, Array], dict[str, SiteReport]]:
    aggregator = Aggregator(initial(), rules=Rules(), delta_updates=delta)
    kept: dict[str, dict[str, Array]] = {site: {} for site in SITES}
    reports: dict[str, SiteReport] = {}
    for round in range(rounds):
        aggregator.open_round(dict.fromkeys(SITES, ("train",)))
        jobs = [SiteJob(site, round, ("train",), local_state=kept[site]) for site in SITES]
        reports = {report.site: report for report in executor.run(aggregator.model, jobs)}
        for site in SITES:
            assert aggregator.deliver(reports[site]) == ""
            kept[site] = dict(reports[site].local_state)
        aggregator.close_round(WeightedMean())
    return dict(aggregator.model), reports


EXACT: list[tuple[Codec, Codec]] = [
    (NoCompression(), NoCompression()),
    (Float16(), Float16()),
    (BFloat16(), BFloat16()),
    (KMeans(), KMeans()),
    (Ternary(p_sparsity=1), NoCompression()),
    (TopK(p_sparsity=1), KMeans()),
    (SparseKMeans(p_sparsity=1), Float16()),
]


@pytest.mark.parametrize("delta", [False, True], ids=["whole", "delta"])
@pytest.mark.parametrize(("upload", "download"), EXACT, ids=lambda codec: codec.name)
def test_codecs_that_are_exact_for_constants_end_exactly(upload: Codec, download: Codec, delta: bool) -> None:
    executor = CompressedExecutor(LocalExecutor(setup(delta), 1), Exchange(3, upload, download, delta))

    model, _ = federation(executor, delta=delta)

    assert (model["weight"] == ROUNDS).all() and (model["bias"] == ROUNDS).all() and model["n"] == 5


@pytest.mark.parametrize("delta", [False, True], ids=["whole", "delta"])
def test_a_sparse_federation_gets_there_by_its_residuals(delta: bool) -> None:
    # k = 100 of 1000 equal elements a round: with feedback, ten rounds move every element.
    exchange = Exchange(3, TopK(p_sparsity=0.1), delta_updates=delta)
    executor = CompressedExecutor(LocalExecutor(setup(delta), 1), exchange)

    model, reports = federation(executor, delta=delta, rounds=20)

    residual = reports["a"].local_state["residual/weight"]
    np.testing.assert_array_equal(model["weight"] + residual, np.full((40, 25), 20, np.float32))
    assert (model["weight"] >= 10).all()
    assert (model["bias"] == 20).all()


@pytest.mark.parametrize("bits", [1, 4, 8])
@pytest.mark.parametrize("delta", [False, True], ids=["whole", "delta"])
def test_an_eden_federation_is_right_on_average(bits: int, delta: bool) -> None:
    exchange = Exchange(3, Eden(n_bits=bits), Eden(n_bits=8), delta)
    executor = CompressedExecutor(LocalExecutor(setup(delta), 1), exchange)

    model, _ = federation(executor, delta=delta)

    assert model["weight"].mean() == pytest.approx(ROUNDS, rel=0.05)
    # Weighted by data: the errors of three sites, in each of the rounds, are independent.
    error = np.square(model["weight"] - ROUNDS).mean()
    single = {1: 0.571, 4: 0.0096, 8: 4.2e-5}[bits] * (25 + 4 + 1) / 64
    downloads = sum(4.2e-5 * round**2 for round in range(ROUNDS))
    assert error < 1.5 * (ROUNDS * single + downloads)
    assert (model["bias"] == ROUNDS).all()


def test_without_compression_nothing_changes() -> None:
    jobs = [
        SiteJob(site, 2, ("train", "validate"), local_state={"optimizer/steps": np.array([4])})
        for site in SITES
    ]
    worker = setup(treatment=OptTreatment.CONTINUE_LOCAL)
    plain = list(LocalExecutor(worker, 1).run(initial(), jobs))
    wrapped = list(CompressedExecutor(LocalExecutor(worker, 1), Exchange(3)).run(initial(), jobs))

    assert [describe(report) for report in wrapped] == [describe(report) for report in plain]


@pytest.mark.parametrize("codec", [Ternary(p_sparsity=0.1), Eden(n_bits=2)], ids=lambda codec: codec.name)
def test_the_number_of_workers_changes_no_byte(codec: Codec) -> None:
    outcomes = []
    for workers in 1, 2:
        with LocalExecutor(setup(step=0.3), workers) as local:
            model, reports = federation(CompressedExecutor(local, Exchange(3, codec, Eden())))
        outcomes.append(
            ({n: a.tobytes() for n, a in model.items()}, [describe(reports[site]) for site in SITES])
        )
    assert outcomes[0] == outcomes[1]


def test_optimizers_and_local_state_pass_and_the_runner_sees_no_residual() -> None:
    seen: list[SiteJob] = []

    class Watching(LocalExecutor):
        def run(self, model: object, jobs: Sequence[SiteJob]) -> object:  # type: ignore[override]
            seen.extend(jobs)
            return super().run(model, jobs)  # type: ignore[arg-type]

    worker = setup(treatment=OptTreatment.CONTINUE_GLOBAL)
    executor = CompressedExecutor(Watching(worker, 1), Exchange(3, TopK()))  # type: ignore[arg-type]
    state = {"residual/weight": np.ones((40, 25), np.float32), "tensor/bias": np.zeros(3, np.float32)}
    job = SiteJob("a", 1, ("train",), local_state=state, local_names=("bias",))

    [report] = executor.run(initial(), [job])

    assert set(seen[0].local_state) == {"tensor/bias"}
    assert report.tensors["optimizer/steps"].tolist() == [1]
    assert set(report.local_state) == {"residual/weight", "tensor/bias"}
    # 1 trained and 1 left over: ten elements travel as 2, the others stay.
    assert np.count_nonzero(report.tensors["weight"] == 2) == 10
    assert np.count_nonzero(report.local_state["residual/weight"] == 2) == 990


def test_a_site_that_only_validates_keeps_its_residual() -> None:
    executor = CompressedExecutor(LocalExecutor(setup(), 1), Exchange(3, TopK()))
    state = {"residual/weight": np.ones((40, 25), np.float32)}

    [report] = executor.run(initial(), [SiteJob("a", 1, ("validate",), local_state=state)])

    assert report.tensors == {} and np.array_equal(
        report.local_state["residual/weight"], state["residual/weight"]
    )


def test_a_site_that_diverged_is_dropped_and_the_others_go_on() -> None:
    exchange = Exchange(3, Eden(n_bits=4))
    aggregator = Aggregator(initial(), rules=Rules())
    aggregator.open_round(dict.fromkeys(SITES, ("train",)))
    with np.errstate(all="ignore"):
        bad = CompressedExecutor(LocalExecutor(setup(step=float("nan")), 1), exchange)
        [report] = bad.run(aggregator.model, [SiteJob("a", 0, ("train",))])
    good = CompressedExecutor(LocalExecutor(setup(), 1), exchange)
    reports = list(good.run(aggregator.model, [SiteJob(site, 0, ("train",)) for site in SITES[1:]]))

    assert "the update of site a: tensor 'bias' holds" in aggregator.deliver(report)
    assert [aggregator.deliver(report) for report in reports] == ["", ""]
    assert aggregator.close_round(WeightedMean()).received == ("b", "c")


def test_bytes_are_told_and_rounds_keep_their_own_encodings() -> None:
    told: list[Transfer] = []
    exchange = Exchange(3, Ternary(p_sparsity=0.1), Float16())
    executor = CompressedExecutor(LocalExecutor(setup(), 1), exchange, told.append)
    model = {**initial(), "weight": np.random.default_rng(0).standard_normal((40, 25)).astype(np.float32)}

    list(executor.run(model, [SiteJob("a", 0, ("train",)), SiteJob("b", 1, ("train",))]))

    whole, rest = 4000, 3 * 4 + 8
    assert [(t.site, t.round, t.bytes_down) for t in told] == [
        ("a", 0, whole + rest),
        ("b", 1, whole // 2 + rest),
    ]
    assert all(rest < t.bytes_up < rest + 100 for t in told)


def describe(report: SiteReport) -> tuple[object, ...]:
    sets = [
        {name: (array.dtype.str, array.shape, array.tobytes()) for name, array in tensors.items()}
        for tensors in (report.tensors, report.local_state)
    ]
    return report.site, report.round, report.reports, *sets
