from __future__ import annotations

from typing import Any

import pytest

from fl_core.compression.eden import Eden
from fl_core.compression.none import NoCompression
from fl_core.compression.registry import codec_of, exchange_of
from fl_core.compression.ternary import Ternary
from fl_core.errors import PlanError

HERE = "fl_core.compression"


def test_a_template_and_its_settings_make_a_codec() -> None:
    assert codec_of(None, {}) == NoCompression()
    assert codec_of(f"{HERE}.eden.Eden", {"n_bits": 2}) == Eden(n_bits=2)
    assert codec_of(f"{HERE}.ternary:Ternary", {"p_sparsity": 1, "error_feedback": False}) == Ternary(
        p_sparsity=1.0, error_feedback=False
    )


@pytest.mark.parametrize(
    ("template", "settings", "message"),
    [
        (f"{HERE}.eden.Eden", {"nbits": 2}, "unknown setting 'nbits'; did you mean n_bits?"),
        (f"{HERE}.top_k.TopK", {"sparsity": 0.1}, "did you mean p_sparsity?"),
        (f"{HERE}.fp16.Float16", {"quux": 1}, "it has dim_threshold"),
        (None, {"n_bits": 1}, "none: unknown setting 'n_bits'; it has none"),
        (f"{HERE}.eden.Eden", {"n_bits": 9}, "n_bits: .*less than or equal to 8, not 9"),
        (f"{HERE}.eden.Eden", {"n_bits": "2"}, "n_bits: .*valid integer"),
        (f"{HERE}.eden.Eden", {"n_bits": True}, "n_bits: .*valid integer"),
        (f"{HERE}.top_k.TopK", {"p_sparsity": 0.0}, "p_sparsity: .*greater than 0"),
        (f"{HERE}.top_k.TopK", {"p_sparsity": float("nan")}, "p_sparsity"),
        (f"{HERE}.k_means.KMeans", {"n_clusters": 257}, "n_clusters: .*256"),
        (f"{HERE}.k_means.KMeans", {"dim_threshold": 0}, "dim_threshold"),
        (f"{HERE}.eden.Edn", {}, "did you mean fl_core.compression.eden.Eden?"),
        ("subprocess.Popen", {"args": "true"}, "name the class of a codec"),
        (f"{HERE}.eden.pack_bits", {}, "name the class of a codec"),
    ],
)
def test_what_is_wrong_with_a_section_is_told(
    template: str | None, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(PlanError, match=message.replace("?", r"\?")):
        codec_of(template, settings)


def test_a_template_compresses_updates_and_leaves_models_alone() -> None:
    exchange = exchange_of(f"{HERE}.ternary.Ternary", {}, seed=4, delta_updates=True)

    assert (exchange.upload, exchange.download) == (Ternary(), NoCompression())
    assert (exchange.seed, exchange.delta_updates) == (4, True)


def test_each_direction_may_have_its_own() -> None:
    sections = {
        "upload": {"template": f"{HERE}.eden.Eden", "settings": {"n_bits": 1}},
        "download": {"template": f"{HERE}.eden.Eden", "settings": {"n_bits": 8}},
    }
    exchange = exchange_of(None, sections, seed=0, delta_updates=False)

    assert (exchange.upload, exchange.download) == (Eden(n_bits=1), Eden(n_bits=8))
    assert exchange_of(None, {}, seed=0, delta_updates=False).upload == NoCompression()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"uplaod": {}}, "did you mean upload?"),
        ({"n_bits": 1}, "without a template it has upload and download"),
        ({"upload": "eden"}, "compression_pipeline.upload: write template and settings"),
        ({"upload": {"template": 3}}, "template is a dotted path"),
        ({"upload": {"template": None, "n_bits": 1}}, "write template and settings"),
        ({"download": {"template": f"{HERE}.top_k.TopK"}}, "top_k keeps few elements"),
    ],
)
def test_what_is_wrong_with_the_directions_is_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message.replace("?", r"\?")):
        exchange_of(None, settings, seed=0, delta_updates=False)
