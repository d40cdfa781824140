"""Lane onnx: what is refused before it is loaded, and what a model makes of a case."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_packages import ONNX, manifest_values
from onnx_models import BIAS, BRIGHT, convolution

from partitions.case import MODALITIES
from tasks.segmentation.preprocessing import crop_and_normalise
from tasks.segmentation.regions import to_labels
from tasks.task2_evaluation.case_input import CaseInput
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.lanes.onnx_model import check_model, open_model
from tasks.task2_evaluation.manifest import Manifest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def manifest(**more: Any) -> Manifest:
    return Manifest.model_validate(manifest_values(ONNX, **more))


def outside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def outside_in_a_branch(model: Any) -> None:
    inner = convolution().graph
    inner.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    model.graph.node.append(
        onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=convolution().graph)
    )


def outside_in_an_attribute(model: Any) -> None:
    tensor = onnx.numpy_helper.from_array(np.zeros(1, np.float32), "k")
    tensor.external_data.add(key="location", value="/etc/passwd")
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["k"], value=tensor))


def custom(model: Any) -> None:
    model.graph.node.append(onnx.helper.make_node("Steal", ["image"], ["y"], domain="evil"))


def custom_in_a_branch(model: Any) -> None:
    inner = convolution().graph
    custom(type("M", (), {"graph": inner}))
    model.graph.node.append(
        onnx.helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=convolution().graph)
    )


def function(model: Any) -> None:
    model.functions.append(onnx.FunctionProto(name="F", domain="mine"))


def unknown(model: Any) -> None:
    model.graph.node[0].op_type = "Konv"


def two_inputs(model: Any) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("age", onnx.TensorProto.FLOAT, [1]))


def halves(model: Any) -> None:
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT16


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (outside, "'w' lies outside the file"),
        (outside_in_a_branch, "'w' lies outside the file"),
        (outside_in_an_attribute, "'k' lies outside the file"),
        (custom, "operator 'Steal' of 'evil' is not standard"),
        (custom_in_a_branch, "operator 'Steal' of 'evil' is not standard"),
        (function, "defines functions"),
        (unknown, "no valid ONNX model"),
        (two_inputs, "has 2 inputs"),
        (halves, "one float32 input"),
    ],
)
def test_what_a_model_may_not_have_is_found(change: Callable[[Any], None], words: str) -> None:
    model = convolution()
    change(model)

    with pytest.raises(PackageError, match=words):
        check_model(onnx, model.SerializeToString(), manifest())


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ({"channels": 3, "weights": BRIGHT[:, :3]}, {}, "its input is"),
        ({"weights": BRIGHT[:2]}, {}, "its output is"),
        ({"size": 16}, {}, "patch"),
        ({}, {"modalities": ["t1", "flair"]}, "its input is"),
    ],
)
def test_a_model_that_does_not_fit_its_manifest_is_refused(
    model: dict[str, Any], more: dict[str, Any], words: str
) -> None:
    with pytest.raises(PackageError, match=words):
        check_model(onnx, convolution(**model).SerializeToString(), manifest(**more))


@pytest.mark.parametrize("content", [b"", b"\x08", b"rubbish", b"\x80\x04K\x01."])
def test_bytes_that_are_no_model_are_refused(content: bytes) -> None:
    with pytest.raises(PackageError):
        check_model(onnx, content, manifest())


@pytest.mark.parametrize("size", [None, 8])
def test_a_case_is_predicted_window_by_window(tmp_path: Path, size: int | None) -> None:
    draw = np.random.default_rng(8)
    shape = (7, 19, 11)
    images = {name: draw.uniform(1, 9, shape).astype(np.float32) for name in MODALITIES}
    images["t1"][0] = images["t1ce"][0] = images["t2"][0] = images["flair"][0] = 0
    case = CaseInput("case-0001", images, (1.0,) * 3, (0.0,) * 3, (1.0, 0, 0, 0, 1, 0, 0, 0, 1))
    (tmp_path / "model.onnx").write_bytes(convolution(size=size).SerializeToString())
    model = open_model(tmp_path, manifest(), tmp_path)
    labels = model.predict(case)

    seen = crop_and_normalise(case.volumes()).image
    logits = np.tensordot(BRIGHT, seen, axes=1) + BIAS[:, None, None, None]
    expected = np.zeros(shape, np.uint8)
    expected[1:] = to_labels(logits > 0)
    assert len(np.unique(expected)) == 4
    # Blending windows rounds: only where a logit is as good as zero may a voxel differ.
    assert not (labels != expected)[1:][np.abs(logits).min(axis=0) > 1e-4].any()
    assert np.array_equal(labels, open_model(tmp_path, manifest(), tmp_path).predict(case))
