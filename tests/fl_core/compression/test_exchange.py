"""Both sides hold the same arrays: what is compressed, against which base, and what is fed back."""

from __future__ import annotations

import numpy as np
import pytest

from fl_core.aggregator.received import apply_delta
from fl_core.compression.bf16 import BFloat16
from fl_core.compression.eden import Eden
from fl_core.compression.exchange import Exchange
from fl_core.compression.fp16 import Float16
from fl_core.compression.k_means import KMeans
from fl_core.compression.none import NoCompression
from fl_core.compression.sparse_k_means import SparseKMeans
from fl_core.compression.ternary import Ternary
from fl_core.compression.top_k import TopK
from fl_core.compression.wire import Encoded
from fl_core.errors import PlanError, TensorError
from fl_core.tensors import Array

RNG = np.random.default_rng(0)
MODEL: dict[str, Array] = {
    "weight": RNG.standard_normal((40, 30)).astype(np.float32) + np.float32(10),
    "half": RNG.standard_normal(500).astype(np.float16),
    "bias": RNG.standard_normal(7).astype(np.float32),
    "double": RNG.standard_normal(500),
    "steps": np.array(2**60 + 1, np.int64),
}
CHANGE: dict[str, Array] = {
    "weight": (RNG.standard_normal((40, 30)) * 1e-3).astype(np.float32),
    "half": (RNG.standard_normal(500) * 0.1).astype(np.float16),
    "bias": RNG.standard_normal(7).astype(np.float32),
    "double": RNG.standard_normal(500),
    "steps": np.array(3, np.int64),
}
OPTIMIZER: dict[str, Array] = {"optimizer/momentum": RNG.standard_normal(900).astype(np.float32)}
UPLOADS = [NoCompression(), Float16(), BFloat16(), TopK(p_sparsity=0.1), KMeans(), Eden(n_bits=4)]
DOWNLOADS = [NoCompression(), Float16(), KMeans(n_clusters=200), Eden(n_bits=8)]


def trained_from(base: dict[str, Array]) -> dict[str, Array]:
    return {name: np.add(base[name], CHANGE[name], dtype=base[name].dtype) for name in base}


def distance(a: Array, b: Array) -> float:
    return float(np.linalg.norm(np.float64(a) - np.float64(b)))


@pytest.mark.parametrize("upload", UPLOADS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("download", DOWNLOADS, ids=lambda codec: codec.name)
@pytest.mark.parametrize("delta", [False, True], ids=["whole", "delta"])
def test_the_aggregator_rebuilds_what_the_site_trained(upload: object, download: object, delta: bool) -> None:
    exchange = Exchange(1, upload, download, delta)  # type: ignore[arg-type]
    base = exchange.unpack_model(exchange.pack_model(MODEL, round=3), template=MODEL)
    trained = trained_from(base)
    update = {name: np.subtract(trained[name], base[name]) for name in base} if delta else trained

    sent = exchange.pack_update({**update, **OPTIMIZER}, base, site="a", round=3).encoded
    arrived = exchange.unpack_update(sent, model=MODEL, base=base)

    assert arrived.pop("optimizer/momentum").tobytes() == OPTIMIZER["optimizer/momentum"].tobytes()
    rebuilt = apply_delta(MODEL, arrived) if delta else arrived
    assert {n: (a.dtype, a.shape) for n, a in rebuilt.items()} == {
        n: (a.dtype, a.shape) for n, a in MODEL.items()
    }
    # What no codec touches is exact, but for the additions of delta_updates themselves.
    assert rebuilt["steps"] == trained["steps"]
    for name in "bias", "double":
        np.testing.assert_allclose(rebuilt[name], trained[name], rtol=0 if not delta else 1e-5)
    # The error is one of the change, a few units in the last place aside, and never of the weights.
    ulps = 4 * np.finfo(np.float32).eps * np.linalg.norm(np.float64(MODEL["weight"]))
    assert distance(rebuilt["weight"], trained["weight"]) <= np.linalg.norm(CHANGE["weight"]) + ulps
    if exchange.upload.name == "none":
        assert distance(rebuilt["weight"], trained["weight"]) <= ulps
        if not delta:
            assert sent.tensors["weight"] is trained["weight"]


def test_a_lossy_upload_keeps_small_changes_of_large_weights() -> None:
    base = {"w": np.full(300, 1000.0, np.float32)}
    trained = {"w": np.full(300, 1000.125, np.float32)}  # bfloat16 of the weight itself: 1000
    exchange = Exchange(0, BFloat16())

    sent = exchange.pack_update(trained, base, site="a", round=0).encoded

    assert np.array_equal(exchange.unpack_update(sent, model=base, base=base)["w"], trained["w"])


def test_the_initial_model_is_lossless_and_later_ones_are_not() -> None:
    exchange = Exchange(0, download=Float16())
    weight = {"w": np.random.default_rng(1).standard_normal(300).astype(np.float32)}

    first, second = exchange.pack_model(weight, round=0), exchange.pack_model(weight, round=1)

    assert exchange.unpack_model(first)["w"] is weight["w"]
    assert not np.array_equal(exchange.unpack_model(second)["w"], weight["w"])
    assert second.nbytes == first.nbytes / 2


def test_the_aggregator_knows_the_sites_base_to_the_last_bit() -> None:
    at_aggregator, at_site = Exchange(7, download=Eden(n_bits=4)), Exchange(7, download=Eden(n_bits=4))
    sent = at_aggregator.pack_model(MODEL, round=2)
    copied = Encoded({name: array.copy() for name, array in sent.tensors.items()}, sent.metadata)

    ours, theirs = at_aggregator.unpack_model(sent), at_site.unpack_model(copied, template=MODEL)

    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in MODEL)
    assert ours["weight"].tobytes() != MODEL["weight"].tobytes()


def test_draws_belong_to_run_site_and_round() -> None:
    def labels(seed: int, site: str, round: int) -> bytes:
        packed = Exchange(seed, Eden(n_bits=1)).pack_update(
            trained_from(MODEL), MODEL, site=site, round=round
        )
        return packed.encoded.tensors["labels:weight"].tobytes()

    assert labels(1, "a", 0) == labels(1, "a", 0)
    assert len({labels(1, "a", 0), labels(2, "a", 0), labels(1, "b", 0), labels(1, "a", 1)}) == 4


@pytest.mark.parametrize("codec", [TopK, Ternary, SparseKMeans])
def test_what_an_update_lost_comes_with_the_next_ones(codec: type[TopK] | type[Ternary]) -> None:
    exchange = Exchange(0, codec(p_sparsity=0.1))
    base = {"w": np.zeros(1000, np.float32)}
    step = {"w": np.random.default_rng(2).standard_normal(1000).astype(np.float32)}
    residual: dict[str, Array] = {}
    received = np.zeros(1000, np.float64)
    errors = []
    for round in range(60):
        packed = exchange.pack_update(step, base, site="a", round=round, residual=residual)
        residual = packed.residual
        received += exchange.unpack_update(packed.encoded, model=base, base=base)["w"]
        errors.append(distance(received / (round + 1), step["w"]))

    # Nothing is lost for good: what came and what is kept are all that was trained.
    np.testing.assert_allclose(received + residual["w"], 60 * np.float64(step["w"]), atol=2e-3)
    assert errors[-1] < 0.25 * errors[0]


def test_without_error_feedback_nothing_is_kept() -> None:
    exchange = Exchange(0, TopK(p_sparsity=0.1, error_feedback=False))
    old = {"weight": CHANGE["weight"], "half": CHANGE["half"]}

    packed = exchange.pack_update(trained_from(MODEL), MODEL, site="a", round=0, residual=old)

    assert packed.residual == {}
    fresh = exchange.pack_update(trained_from(MODEL), MODEL, site="a", round=0)
    assert (
        packed.encoded.tensors["values:weight"].tobytes() == fresh.encoded.tensors["values:weight"].tobytes()
    )


def test_a_residual_of_another_model_is_refused() -> None:
    exchange = Exchange(0, TopK())
    with pytest.raises(TensorError, match=r"residual of tensor 'weight' is float32\[3\]"):
        exchange.pack_update(
            trained_from(MODEL), MODEL, site="a", round=0, residual={"weight": np.zeros(3, np.float32)}
        )


def test_no_training_no_update_and_the_residual_stays() -> None:
    exchange = Exchange(0, TopK())
    residual = {"weight": CHANGE["weight"]}

    packed = exchange.pack_update({}, MODEL, site="a", round=0, residual=residual)

    assert packed.residual == residual and packed.encoded.nbytes == 0
    assert exchange.unpack_update(packed.encoded, model=MODEL, base=MODEL) == {}


@pytest.mark.parametrize("delta", [False, True])
@pytest.mark.parametrize("fault", ["nan", "shape", "dtype", "extra", "overflow"])
def test_what_the_aggregator_has_to_refuse_reaches_it_as_it_is(fault: str, delta: bool) -> None:
    trained = trained_from(MODEL)
    if fault == "nan":
        trained["weight"] = np.full_like(trained["weight"], np.nan)
    elif fault == "shape":
        trained["weight"] = trained["weight"][:1]
    elif fault == "dtype":
        trained["weight"] = trained["weight"].astype(np.float64)
    elif fault == "extra":
        trained["more"] = np.zeros(300, np.float32)
    else:
        trained["weight"] = np.full_like(trained["weight"], np.inf)
    exchange = Exchange(0, Eden(n_bits=2), delta_updates=delta)

    packed = exchange.pack_update(trained, MODEL, site="a", round=0)
    arrived = exchange.unpack_update(packed.encoded, model=MODEL, base=MODEL)

    assert packed.encoded.codec == "none"
    assert {n: a.tobytes() for n, a in arrived.items()} == {n: a.tobytes() for n, a in trained.items()}


def test_finite_weights_with_an_infinite_difference_pass_whole() -> None:
    base, trained = ({"w": np.full(300, value, np.float32)} for value in (-3e38, 3e38))
    exchange = Exchange(0, Float16())

    sent = exchange.pack_update(trained, base, site="a", round=0).encoded

    assert np.array_equal(exchange.unpack_update(sent, model=base, base=base)["w"], trained["w"])


def test_another_codec_or_another_shape_than_agreed_is_refused() -> None:
    sent = Exchange(0, TopK()).pack_update(trained_from(MODEL), MODEL, site="a", round=0).encoded
    with pytest.raises(TensorError, match="compressed with 'top_k', not with 'eden'"):
        Exchange(0, Eden()).unpack_update(sent, model=MODEL, base=MODEL)
    other = {**MODEL, "weight": MODEL["weight"].T}
    with pytest.raises(TensorError, match=r"the update: tensor 'weight' says float32\[40, 30\]; it must be"):
        Exchange(0, TopK()).unpack_update(sent, model=other, base=other)
    down = Exchange(0, download=Float16()).pack_model(MODEL, round=1)
    with pytest.raises(TensorError, match="the model: tensor 'weight' says"):
        Exchange(0, download=Float16()).unpack_model(down, template=other)


@pytest.mark.parametrize("codec", [TopK(), Ternary(), SparseKMeans()], ids=lambda codec: codec.name)
def test_no_sparse_codec_for_models(codec: TopK) -> None:
    with pytest.raises(PlanError, match=f"{codec.name} keeps few elements and would ruin the model"):
        Exchange(0, download=codec)
