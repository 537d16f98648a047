"""Running an ONNX file here, with ONNX Runtime."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from slipway.bundle.errors import BundleError, need
from slipway.bundle.tensors import FREE, Array, Arrays, Declared, Signature

_FATAL_ONLY: Final = 4


class CannotRun(BundleError):  # noqa: N818
    """The graph does not take this input."""


class OnnxModel:
    """One ONNX file, loaded."""

    def __init__(self, file: Path) -> None:
        runtime = need("onnxruntime", install="'slipway-serving[bundle]'", why="it runs ONNX files")
        self.version = f"ONNX Runtime {runtime.__version__}"
        options = runtime.SessionOptions()
        options.log_severity_level = _FATAL_ONLY
        try:
            self._session: Any = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001  the library's errors have no base of their own
            raise BundleError(f"{file.name}: ONNX Runtime cannot load it: {_words(error)}; export it again") from None
        self.outputs: Sequence[str] = [output.name for output in self._session.get_outputs()]

    def inferred(self, signature: Signature) -> Signature:
        """With the outputs' shapes as they are once the graph is loaded: Triton's backend compares those."""
        shapes = {output.name: output.shape for output in self._session.get_outputs()}
        return replace(signature, outputs=tuple(_shaped(each, shapes[each.name]) for each in signature.outputs))

    def run(self, feed: Arrays) -> dict[str, Array]:
        """The graph's answer."""
        try:
            answers = self._session.run(None, dict(feed))
        except Exception as error:  # noqa: BLE001
            raise CannotRun(_words(error)) from None
        return dict(zip(self.outputs, answers, strict=True))


def _shaped(tensor: Declared, shape: Sequence[Any]) -> Declared:
    if not shape:  # a scalar, or not known even then
        return tensor
    return replace(tensor, dims=tuple(size if isinstance(size, int) and size > 0 else FREE for size in shape))


def _words(error: Exception) -> str:
    """The library's words without its code in front."""
    text = str(error).strip().split("\n", 1)[0]
    return text.removeprefix("[ONNXRuntimeError] : ")[:400]
