"""Golden requests from example rows and the framework's answers to them, in the form that the guard reads."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from slipway.bundle import config
from slipway.bundle.errors import BundleError
from slipway.bundle.tensors import Array, Arrays, Signature, datatype_of, rows_of, take
from slipway.fetch import golden as fetched
from slipway.fetch import layout
from slipway.guard import comparison
from slipway.guard import golden as guard
from slipway.guard.golden import GoldenRequest
from slipway.guard.tensors import FLOATS, Tensor, Tolerance

MOST_ROWS: Final = 8


def requests(
    rows: Arrays, answers: Arrays, signature: Signature, *, batched: bool, tolerance: Tolerance | None
) -> dict[str, bytes]:
    """The golden files by their paths. With batches: one row, and up to eight together."""
    if not batched:
        return _files("one", rows, answers, signature, batched=False, tolerance=tolerance)
    made = _files("one", take(rows, 1), take(answers, 1), signature, batched=True, tolerance=tolerance)
    if (count := min(rows_of(rows), MOST_ROWS)) > 1:
        several = take(rows, count), take(answers, count)
        made |= _files("batch", *several, signature, batched=True, tolerance=tolerance)
    return made


def no_nan(answers: Arrays, whose: str) -> None:
    """NaN is the answer to nothing: BundleError with the tensor and the place."""
    for name, array in answers.items():
        if array.dtype.kind == "f" and (wrong := np.argwhere(np.isnan(array))).size:
            place = ", ".join(map(str, wrong[0]))
            raise BundleError(f"{name}[{place}]: {whose} answers NaN there; correct the model, or give other rows")


def difference(expected: Arrays, got: Arrays, signature: Signature, tolerance: Tolerance | None) -> str | None:
    """What the guard would hold against `got`, or None. A tolerance is for floats only."""
    floats, exact = _parted(expected)
    for part, limit in ((floats, tolerance), (exact, None)):
        if not part:
            continue
        request = GoldenRequest("answers", (), tensors(part, signature, batched=False), limit)
        if problem := comparison.wrong(request, tensors(got, signature, batched=False)):
            return problem.removeprefix("answers: ")
    return None


def furthest(request: GoldenRequest, answer: Sequence[Tensor]) -> float:
    """The largest difference between expected and got floats; 1 for anything else that is not equal."""
    by_name = {tensor.name: tensor for tensor in answer}
    differences = [0.0]
    for expected in request.outputs:
        pairs = zip(expected.data, by_name[expected.name].data, strict=True)
        differences += [
            abs(got - right) if expected.datatype in FLOATS else 1.0 for right, got in pairs if got != right
        ]
    return max(differences)


def loosened(request: GoldenRequest, tolerance: Tolerance) -> list[GoldenRequest]:
    """The request with a tolerance for floats, and the rest of it without one."""
    floats = tuple(tensor for tensor in request.outputs if tensor.datatype in FLOATS)
    exact = tuple(tensor for tensor in request.outputs if tensor.datatype not in FLOATS)
    parts = ((floats, tolerance), (exact, None))
    return [GoldenRequest(request.name, request.inputs, outputs, limit) for outputs, limit in parts if outputs]


def with_tolerance(path: str, document: Mapping[str, Any], tolerance: Tolerance) -> dict[str, bytes]:
    """The golden files of a request's document with a tolerance for its floats."""
    floats = [tensor for tensor in document["outputs"] if tensor["datatype"] in FLOATS]
    exact = [tensor for tensor in document["outputs"] if tensor["datatype"] not in FLOATS]
    asked = {name: document[name] for name in ("inputs", "parameters") if name in document}
    loose = {**asked, "outputs": floats, "tolerance": _limits(tolerance)}
    equal = {**asked, "outputs": exact}
    if not exact:
        return {path: _bytes(loose)}
    if not floats:
        return {path: _bytes(equal)}
    return {path: _bytes(loose), path.removesuffix(".json") + "-exact.json": _bytes(equal)}


def read(folder: Path, paths: Sequence[str]) -> dict[str, GoldenRequest]:
    """The golden requests of a bundle, by their paths."""
    by_path = {path: guard.read((folder / path).read_bytes(), path) for path in sorted(paths)}
    if sequence := next((path for path, request in by_path.items() if request.then), None):
        raise BundleError(f"{sequence}: a sequence of requests; only models that are asked one by one can be shrunk")
    return by_path


def _parted(answers: Arrays) -> tuple[dict[str, Array], dict[str, Array]]:
    """Floats, and what has to be equal."""
    floats = {name: array for name, array in answers.items() if datatype_of(array, name) in FLOATS}
    return floats, {name: array for name, array in answers.items() if name not in floats}


def tensors(arrays: Arrays, signature: Signature, *, batched: bool) -> tuple[Tensor, ...]:
    """Answers as the guard has them."""
    declared = {tensor.name: tensor.datatype for tensor in signature.outputs}
    listed = [_tensor(name, declared[name], array, batched=batched) for name, array in arrays.items()]
    try:
        return guard.parse_tensors({"outputs": listed}, "outputs")
    except guard.GoldenError as error:
        raise BundleError(f"the answers: {error}; the framework and the graph differ in their types") from None


def _files(
    name: str, rows: Arrays, answers: Arrays, signature: Signature, *, batched: bool, tolerance: Tolerance | None
) -> dict[str, bytes]:
    """One file; two where a tolerance for floats would loosen what has to be equal."""
    path = f"{layout.GOLDEN}/{name}.json"
    floats, exact = _parted(answers)
    if not (tolerance and floats and exact):
        loosened = tolerance if floats else None
        return {path: _content(path, rows, answers, signature, batched=batched, tolerance=loosened)}
    other = f"{layout.GOLDEN}/{name}-exact.json"
    return {
        path: _content(path, rows, floats, signature, batched=batched, tolerance=tolerance),
        other: _content(other, rows, exact, signature, batched=batched, tolerance=None),
    }


def _content(
    path: str, rows: Arrays, answers: Arrays, signature: Signature, *, batched: bool, tolerance: Tolerance | None
) -> bytes:
    document = _document(rows, answers, signature, batched=batched, tolerance=tolerance)
    _check_readable(path, document)
    content = _bytes(document)
    if len(content) > fetched.LIMIT_BYTES:
        most = fetched.LIMIT_BYTES >> 20
        raise BundleError(f"{path}: {len(content) >> 20} MiB, and {most} are the most; give fewer or smaller rows")
    return content


def _bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _document(
    rows: Arrays, answers: Arrays, signature: Signature, *, batched: bool, tolerance: Tolerance | None
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "inputs": [_tensor(t.name, t.datatype, rows[t.name], batched=batched) for t in signature.inputs],
        "outputs": [
            _tensor(t.name, t.datatype, answers[t.name], batched=batched)
            for t in signature.outputs
            if t.name in answers
        ],
    }
    return {**document, "tolerance": _limits(tolerance)} if tolerance else document


def _limits(tolerance: Tolerance) -> dict[str, str]:
    return {"absolute": f"{tolerance.absolute:g}", "relative": f"{tolerance.relative:g}"}


def _check_readable(path: str, document: Mapping[str, Any]) -> None:
    """The guard can read the request."""
    try:
        guard.parse(document, path)
    except guard.GoldenError as error:
        raise BundleError(f"{path}: {error}; give other rows") from None


def _tensor(name: str, datatype: str, array: Array, *, batched: bool) -> dict[str, Any]:
    shape = config.shape_for_clients(array.shape, batched=batched)
    return {"name": name, "datatype": datatype, "shape": list(shape), "data": _elements(array)}


def _elements(array: Array) -> list[Any]:
    if array.dtype.kind != "f":
        return list(array.ravel().tolist())
    return [_number(value) for value in _shortest(array.ravel())]


def _shortest(flat: Array) -> Sequence[float]:
    """Each number with as few digits as its datatype needs: 0.1 and not 0.10000000149011612."""
    if flat.dtype == np.float64:
        return list(flat.tolist())
    return [float(str(value)) for value in flat]


def _number(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
