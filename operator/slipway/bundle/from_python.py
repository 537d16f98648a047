"""A model.py for Triton's Python backend. Nobody can run it outside the server: its answers are what the user says."""

from collections.abc import Callable, Mapping
from pathlib import Path

from slipway.bundle import golden
from slipway.bundle.assemble import Options, Packed, max_batch_size, write
from slipway.bundle.errors import BundleError, asking
from slipway.bundle.tensors import FREE, Array, Arrays, Declared, Signature, datatype_of, rows_of, to_array

FILE = "model.py"
Dynamic = Mapping[str, tuple[int, ...]]


def pack(
    file: str | Path,
    inputs: Mapping[str, object],
    answers: Mapping[str, object] | Callable[[Arrays], Mapping[str, object]],
    options: Options,
    *,
    beside: tuple[str | Path, ...] = (),
    dynamic: Dynamic | None = None,
) -> Packed:
    """See `slipway.bundle.pack.python`."""
    path = Path(file)
    _check_source(path)
    rows = {name: to_array(value, name) for name, value in inputs.items()}
    batched = max_batch_size(options) > 0
    count = rows_of(rows)
    with asking("answers"):
        given = answers(rows) if callable(answers) else answers
    right = {name: to_array(value, name) for name, value in given.items()}
    if not right:
        raise BundleError("answers: there are none; say what the model must answer to the examples")
    golden.no_nan(right, "the reference")
    if batched and (uneven := [name for name, array in right.items() if not array.ndim or len(array) != count]):
        raise BundleError(f"answers: {uneven[0]!r} has not one row for each of the {count} given; or say batch=False")
    free = dynamic or {}
    return write(
        files={f"1/{FILE}": path, **{f"1/{Path(other).name}": Path(other) for other in beside}},
        backend="python",
        signature=Signature(
            inputs=_declared(rows, free, batched=batched), outputs=_declared(right, free, batched=batched)
        ),
        rows=rows,
        answers=right,
        options=options,
        library="triton",
        exact=None,
        facts=[f"{path.name} for Triton's Python backend; its answers were given, and are first tried on the server."],
    )


def _check_source(file: Path) -> None:
    try:
        source = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{file}: cannot be read: {error}; name the model's Python file") from None
    try:
        compile(source, str(file), "exec", dont_inherit=True)
    except SyntaxError as error:
        raise BundleError(f"{file}: line {error.lineno}: {error.msg}; correct it") from None
    if "TritonPythonModel" not in source:
        raise BundleError(f"{file}: has no class TritonPythonModel, which Triton's Python backend runs; add it")


def _declared(arrays: Arrays, dynamic: Dynamic, *, batched: bool) -> tuple[Declared, ...]:
    return tuple(
        Declared(
            name=name, datatype=datatype_of(array, name), dims=_dims(array, dynamic.get(name, ()), batched=batched)
        )
        for name, array in arrays.items()
    )


def _dims(array: Array, free: tuple[int, ...], *, batched: bool) -> tuple[int, ...]:
    first = {0} if batched else set()
    return tuple(FREE if place in first.union(free) else size for place, size in enumerate(array.shape))
