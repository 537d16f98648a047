"""Smaller graphs: the ways that ONNX Runtime has."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx

from slipway.bundle.errors import BundleError, need
from slipway.bundle.tensors import Array, Arrays

WAYS: Final = ("int8-dynamic", "int8", "fp16")
_ROWS_AT_ONCE: Final = 16
_WHY: Final = "it makes graphs smaller"


def quantize(
    source: Path, target: Path, way: str, calibration: Arrays | None, *, reduce_range: bool, batched: bool
) -> None:
    """Write the smaller graph."""
    try:
        with _without_warnings():
            _make(source, target, way, calibration, reduce_range=reduce_range, batched=batched)
    except BundleError:
        raise
    except Exception as error:  # noqa: BLE001  the library raises what it likes
        words = " ".join(str(error).split())[:400]
        raise BundleError(
            f"{source.name}: ONNX Runtime cannot make it {way}: {words}; try another way (--to)"
        ) from None


@contextmanager
def _without_warnings() -> Iterator[None]:
    """ONNX Runtime warns, through the root logger, of what was prepared for it already."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _make(
    source: Path, target: Path, way: str, calibration: Arrays | None, *, reduce_range: bool, batched: bool
) -> None:
    if way == "fp16":
        _fp16(source, target)
        return
    prepared = target.with_name("prepared.onnx")
    shapes: Any = need("onnxruntime.quantization.shape_inference", install="'slipway-serving[bundle]'", why=_WHY)
    shapes.quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    _flatten_biases(prepared)
    library: Any = need("onnxruntime.quantization", install="'slipway-serving[bundle]'", why=_WHY)
    if way == "int8-dynamic":
        library.quantize_dynamic(str(prepared), str(target), per_channel=True, reduce_range=reduce_range)
    else:
        assert calibration is not None
        library.quantize_static(
            str(prepared),
            str(target),
            _reader(library, calibration, batched=batched),
            quant_format=library.QuantFormat.QDQ,
            per_channel=True,
            reduce_range=reduce_range,
        )
    prepared.unlink()


def _flatten_biases(file: Path) -> None:
    """A bias of one row, as skl2onnx writes it, becomes a vector: the quantiser fails on any other (seen on 1.32)."""
    model = onnx.load(file)
    biases = {node.input[2] for node in model.graph.node if node.op_type == "Gemm" and len(node.input) > 2}
    elsewhere = {
        name for node in model.graph.node for name in (node.input[:2] if node.op_type == "Gemm" else node.input)
    }
    for tensor in model.graph.initializer:
        if tensor.name in biases - elsewhere and len(tensor.dims) == 2 and tensor.dims[0] == 1:
            tensor.dims[:] = tensor.dims[1:]
    onnx.save(model, file)


def _fp16(source: Path, target: Path) -> None:
    """Weights and arithmetic in 16 bits, for GPUs; clients see the datatypes of before."""
    library: Any = need("onnxruntime.transformers.float16", install="'slipway-serving[bundle]'", why=_WHY)
    onnx.save(library.convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def _reader(library: Any, rows: Arrays, *, batched: bool) -> Any:
    class Reader(library.CalibrationDataReader):  # type: ignore[misc]
        """The rows, some at a time."""

        def __init__(self) -> None:
            self._feeds = _feeds(rows, batched=batched)

        def get_next(self) -> "dict[str, Array] | None":
            return next(self._feeds, None)

    return Reader()


def _feeds(rows: Arrays, *, batched: bool) -> Iterator[dict[str, Array]]:
    if not batched:
        yield dict(rows)
        return
    count = min(len(array) for array in rows.values())
    for start in range(0, count, _ROWS_AT_ONCE):
        yield {name: np.ascontiguousarray(array[start : start + _ROWS_AT_ONCE]) for name, array in rows.items()}
