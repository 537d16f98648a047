"""Several models that are there already, as Triton's repository has them: the one that clients ask, and those it asks.

Nobody can run them outside the server: the answers are what the user says.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

from slipway.bundle import card, golden
from slipway.bundle.assemble import Options, Packed, write
from slipway.bundle.errors import BundleError, asking
from slipway.bundle.tensors import FREE, Array, Arrays, Declared, Signature, by_name, rows_of, to_array
from slipway.fetch import layout, sums
from slipway.fetch.ensemble import is_ensemble
from slipway.fetch.model import Configured, configure
from slipway.fetch.verdict import FetchError, shown

_OF_A_BUNDLE: Final = frozenset({sums.NAME, sums.SIGNATURE, card.NAME})
_CACHE: Final = "__pycache__"


def pack(
    directory: str | Path,
    inputs: object,
    answers: object | Callable[[Arrays], object],
    options: Options,
    *,
    entry: str | None = None,
) -> Packed:
    """See `slipway.bundle.pack.models`."""
    models = _models(Path(directory))
    first = _entry(models, entry, Path(directory))
    size = models[first].declared["maxBatchSize"]
    signature = _signature(models[first])
    rows = _rows(inputs, signature.inputs, "inputs")
    with asking("answers"):
        given = answers(rows) if callable(answers) else answers
    right = _rows(given, signature.outputs, "answers")
    golden.no_nan(right, "the reference")
    if size and rows_of(rows) != rows_of(right):
        raise BundleError(f"answers: {rows_of(right)} rows, and {rows_of(rows)} were asked; give one answer a row")
    files = {path: file for name in models for path, file in _files(Path(directory) / name, name, first).items()}
    batching: dict[str, Any] = {"batch": size > 0, **({"max_batch_size": size} if size else {})}
    parts = [f"`{name}` ({model.declared['backend']})" for name, model in models.items() if name != first]
    return write(
        files=files,
        backend=models[first].declared["backend"],
        signature=signature,
        rows=rows,
        answers=right,
        options=cast("Options", {**options, **batching}),
        library="triton",
        exact=None,
        facts=[
            f"`{first}` of {len(models)} models, which asks {', '.join(parts) or 'no other'}.",
            "Its answers were given, and are first tried on the server.",
        ],
    )


def _models(directory: Path) -> dict[str, Configured]:
    """Each model of the directory, by its name there."""
    if not directory.is_dir():
        raise BundleError(f"{directory}: no such directory; name one that holds a directory for each model")
    names = sorted(file.parent.name for file in directory.glob(f"*/{layout.CONFIG}"))
    if not names:
        raise BundleError(
            f"{directory}: no model in it; lay them out as DIRECTORY/NAME/{layout.CONFIG} and DIRECTORY/NAME/1/…"
        )
    try:
        return {
            name: configure((directory / name / layout.CONFIG).read_bytes(), None, name, f"{name}/") for name in names
        }
    except FetchError as error:
        raise BundleError(f"{directory}/{error.message}") from None


def _entry(models: Mapping[str, Configured], asked: str | None, directory: Path) -> str:
    """The model that clients ask: the one that is named, or the only one that is no step of another."""
    if asked is not None:
        if asked not in models:
            raise BundleError(
                f"entry: {directory} has no model {asked!r}, it has {shown(list(models))}; correct the name"
            )
        return asked
    steps = {
        step.model_name
        for model in models.values()
        if is_ensemble(model)
        for step in model.config.ensemble_scheduling.step
    }
    first = [name for name in models if name not in steps]
    if len(first) != 1:
        named = f"{shown(first or list(models))} of {directory}"
        raise BundleError(f"entry: {named}: any of them could be what clients ask; say which (--entry)")
    return first[0]


def _signature(model: Configured) -> Signature:
    batch = (FREE,) if model.declared["maxBatchSize"] else ()

    def declared(tensors: list[tuple[str, str, list[int]]]) -> tuple[Declared, ...]:
        return tuple(Declared(name=name, datatype=kind, dims=(*batch, *dims)) for name, kind, dims in tensors)

    return Signature(inputs=declared(model.declared["inputs"]), outputs=declared(model.declared["outputs"]))


def _rows(values: object, declared: tuple[Declared, ...], what: str) -> dict[str, Array]:
    """By name; one value a row may stand for a row of one value."""
    if isinstance(values, Mapping):
        tensors = {tensor.name: tensor for tensor in declared}
        values = {name: _wide(to_array(value, name), tensors.get(name)) for name, value in values.items()}
    return by_name(values, declared, what)


def _wide(array: Array, declared: Declared | None) -> Array:
    if declared and declared.dims and array.ndim == len(declared.dims) - 1 and declared.dims[-1] in {1, FREE}:
        return array[..., None]
    return array


def _files(folder: Path, name: str, entry: str) -> dict[str, Path]:
    """A model's files by their paths in the bundle. What makes a bundle of a model by itself stays behind, but for a
    part's golden requests."""
    place = layout.place("" if name == entry else name)
    paths = {file.relative_to(folder).as_posix(): file for file in folder.rglob("*") if file.is_file()}
    if inner := layout.parts(paths):
        raise BundleError(
            f"{folder}/{layout.place(inner[0])}: a model of a model; put {inner[0]} beside {name}, where all are"
        )
    return {
        f"{place}{path}": file
        for path, file in paths.items()
        if path not in _OF_A_BUNDLE and (place or not layout.is_golden(path)) and _CACHE not in path.split("/")
    }
