"""Lane ``onnx``: one .onnx file with all of its weights in it and standard operators only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from tasks.task2_evaluation.case_input import CaseInput, Labels
from tasks.task2_evaluation.errors import PackageError
from tasks.task2_evaluation.lanes.volume import predict_volume
from tasks.task2_evaluation.manifest import Manifest

STANDARD_DOMAINS: Final = frozenset({"", "ai.onnx", "ai.onnx.ml"})
OVERLAP: Final = 0.5


class OnnxModel:
    """A session of onnxruntime: on the CPU, one thread, the same bits every time."""

    def __init__(self, session: Any, slide: Callable[..., Any], manifest: Manifest) -> None:
        self._session = session
        self._slide = slide
        self._input: str = session.get_inputs()[0].name
        self._output: str = session.get_outputs()[0].name
        self._manifest = manifest

    def predict(self, case: CaseInput) -> Labels:
        """Return the case's labels."""
        return predict_volume(case, self._manifest, self._logits)

    def _logits(self, image: Tensor) -> Tensor:
        """Go over the volume in windows of the patch's size, padded where it is smaller, blended by Gauss."""
        with torch.inference_mode():
            logits: Tensor = self._slide(
                image[None], self._manifest.patch, 1, self._window, overlap=OVERLAP, mode="gaussian"
            )
        return logits[0]

    def _window(self, window: Tensor) -> Tensor:
        (result,) = self._session.run([self._output], {self._input: np.ascontiguousarray(window.numpy())})
        return torch.from_numpy(np.array(result, np.float32))


def open_model(folder: Path, manifest: Manifest, scratch: Path) -> OnnxModel:
    """Check the model, then load it.

    Args:
        folder: The package.
        manifest: Its manifest.
        scratch: Not used.

    Raises:
        PackageError: It is no ONNX, has external data, custom operators or functions, or other inputs and
            outputs than the manifest says; or onnx and onnxruntime are not installed.
    """
    assert manifest.file is not None
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise PackageError(
            f"lane onnx: {error.name} is not installed here; pip install 'fedbrats[onnx]'"
        ) from error

    from monai.inferers.utils import sliding_window_inference

    content = (folder / manifest.file).read_bytes()
    check_model(onnx, content, manifest)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        # From bytes, not from a path: the runtime then has no folder to look for further files in.
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors share no base class
        raise PackageError(f"{manifest.file}: onnxruntime does not take it: {_line(error)}") from error
    return OnnxModel(session, sliding_window_inference, manifest)


def check_model(onnx: Any, content: bytes, manifest: Manifest) -> None:
    """Check what a model is made of, before it is loaded.

    Args:
        onnx: The library.
        content: The .onnx file.
        manifest: What it should be.

    Raises:
        PackageError: See `open_model`.
    """
    from google.protobuf.message import DecodeError

    file = manifest.file
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError, RecursionError) as error:
        raise PackageError(f"{file}: is no ONNX model ({_line(error)}); export it again") from error
    for tensor in _tensors(onnx, model):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise PackageError(
                f"{file}: tensor {tensor.name!r:.100} lies outside the file; export with external_data=False"
            )
    if model.functions:
        raise PackageError(f"{file}: defines functions; inline them (onnx.inliner) before handing it in")
    for node in _nodes(onnx, model.graph):
        if node.domain not in STANDARD_DOMAINS:
            raise PackageError(
                f"{file}: operator {node.op_type!r:.60} of {node.domain!r:.60} is not standard; "
                "export with standard ONNX operators only"
            )
    try:
        onnx.checker.check_model(content)
    except onnx.checker.ValidationError as error:
        raise PackageError(f"{file}: is no valid ONNX model: {_line(error)}") from error
    _check_ends(onnx, model.graph, manifest)


def _check_ends(onnx: Any, graph: Any, manifest: Manifest) -> None:
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    for what, values, channels in (
        ("input", inputs, len(manifest.modalities)),
        ("output", list(graph.output), manifest.channels),
    ):
        wanted = f"one float32 {what} (1, {channels}, z, y, x)"
        if len(values) != 1:
            raise PackageError(f"{manifest.file}: has {len(values)} {what}s; {wanted} is wanted")
        kind = values[0].type.tensor_type
        sizes = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
        known = [None, channels, *(manifest.patch if what == "input" else (None,) * 3)]
        fits = len(sizes) == 5 and sizes[0] in (1, None)
        fits = fits and all(s is None or k is None or s == k for s, k in zip(sizes, known, strict=False))
        if kind.elem_type != onnx.TensorProto.FLOAT or not fits:
            shown = ", ".join("?" if size is None else str(size) for size in sizes)
            raise PackageError(
                f"{manifest.file}: its {what} is ({shown}); {wanted} is wanted, with the manifest's "
                f"patch {manifest.patch} where its size is fixed"
            )


def _tensors(onnx: Any, model: Any) -> Iterator[Any]:
    """Yield every tensor of a model: of graphs, attributes, sparse tensors and training information."""
    for message in _messages(model):
        if isinstance(message, onnx.TensorProto):
            yield message


def _nodes(onnx: Any, graph: Any) -> Iterator[Any]:
    for message in _messages(graph):
        if isinstance(message, onnx.NodeProto):
            yield message


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and all messages in it, whatever fields later versions of ONNX add."""
    waiting = [message]
    while waiting:
        one = waiting.pop()
        yield one
        for field, value in one.ListFields():
            if field.message_type is None or field.message_type.GetOptions().map_entry:
                continue
            waiting.extend([value] if hasattr(value, "ListFields") else value)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
