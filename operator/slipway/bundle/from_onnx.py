"""An ONNX file that somebody exported already."""

from collections.abc import Mapping
from pathlib import Path

from slipway.bundle import graph
from slipway.bundle.assemble import Options, Packed, pack_graph, renamed, scratch
from slipway.bundle.batches import Reference
from slipway.bundle.errors import BundleError
from slipway.bundle.runtime import OnnxModel
from slipway.bundle.tensors import Arrays, Signature, by_name, rows_of, take


def pack(
    file: str | Path,
    inputs: object,
    options: Options,
    *,
    answers: object = None,
    names: Mapping[str, str] | None = None,
) -> Packed:
    """See `slipway.bundle.pack.onnx`."""
    with scratch() as folder:
        path = Path(file)
        if names:
            path = renamed(path, names, Path(folder))
        signature = graph.signature(graph.load(path), path.name)
        rows = by_name(inputs, signature.inputs)
        reference = _given(answers, rows, signature) if answers is not None else _itself(path)
        return pack_graph(
            path, rows, reference, options, library="onnx", facts=[f"From an ONNX file, {Path(file).name}."]
        )


def _itself(file: Path) -> Reference:
    """Nobody else is at hand: the file answers as it does here, and must do so wherever it is served."""
    model = OnnxModel(file)
    return Reference(name=model.version, answer=model.run)


def _given(answers: object, rows: Arrays, signature: Signature) -> Reference:
    right = by_name(answers, signature.outputs, "answers")
    batched = len({len(array) for array in rows.values()}) == 1
    count = rows_of(rows) if batched else 0
    for name, array in right.items():
        if batched and array.ndim and len(array) != count:
            raise BundleError(f"answers: {name!r} has {len(array)} rows and the inputs {count}; give one answer a row")

    def answer(asked: Arrays) -> Arrays:
        return take(right, rows_of(asked)) if batched and rows_of(asked) != count else right

    return Reference(name="the training framework", answer=answer)
