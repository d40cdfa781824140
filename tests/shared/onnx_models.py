"""Small ONNX models, put together by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

BRIGHT = np.array([[0, 0, 0, 1], [0, 1, 0, 1], [0, 2, 0, 1]], np.float32)
BIAS = np.array([-0.5, -1.0, -2.0], np.float32)


def convolution(
    *, channels: int = 4, size: int | None = None, weights: np.ndarray[Any, Any] = BRIGHT, **changes: Any
) -> Any:
    """Return a model that is a convolution of one voxel; `changes` are given to ``make_model``."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    sides = [size or name for name in "zyx"]
    node = helper.make_node("Conv", ["image", "w", "b"], ["logits"], kernel_shape=[1, 1, 1])
    graph = helper.make_graph(
        [node],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, channels, *sides])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, len(weights), *sides])],
        [
            numpy_helper.from_array(weights.reshape(len(weights), -1, 1, 1, 1), "w"),
            numpy_helper.from_array(BIAS[: len(weights)], "b"),
        ],
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    return helper.make_model(graph, **{"opset_imports": opsets, "ir_version": 10, **changes})
