"""Tensors as a model declares them, and arrays that fit them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from slipway.bundle.errors import BundleError

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]

FREE: Final = -1
"""A dimension of any size."""
DTYPES: Final[Mapping[str, str]] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
"""NumPy's name of each datatype that examples can be."""
_DATATYPES: Final = {dtype: datatype for datatype, dtype in DTYPES.items()}


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One input or output: name, V2 datatype and dimensions, the batch among them. None: the rank is not known."""

    name: str
    datatype: str
    dims: tuple[int, ...] | None

    @property
    def free_first(self) -> bool:
        """Whether the first dimension may be a batch."""
        return self.dims is None or (len(self.dims) > 0 and self.dims[0] == FREE)

    @property
    def shown(self) -> str:
        """`'x' [?, 4]`, for messages."""
        dims = (
            "unknown shape" if self.dims is None else f"[{', '.join('?' if d == FREE else str(d) for d in self.dims)}]"
        )
        return f"{self.name!r} {dims}"


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a model takes and gives."""

    inputs: tuple[Declared, ...]
    outputs: tuple[Declared, ...]


def datatype_of(array: Array, name: str) -> str:
    """The V2 datatype of an array's elements."""
    if array.dtype.kind in "OUS":
        return "BYTES"
    try:
        return _DATATYPES[array.dtype.name]
    except KeyError:
        raise BundleError(f"{name!r}: Triton has no tensors of {array.dtype}; convert it first") from None


def to_array(value: object, name: str) -> Array:
    """An array of what a person has: an array, a torch tensor, a frame, lists."""
    try:
        for method in ("detach", "cpu", "numpy"):  # torch's tensor; a Keras tensor has only the last
            if callable(convert := getattr(value, method, None)):
                value = convert()
    except RuntimeError as error:  # as torch before 2.3 has it beside numpy 2: "Numpy is not available"
        raise BundleError(
            f"{name!r}: its framework gives no array of it: {error}; where it is older than the numpy that is "
            "installed, pip install 'numpy<2'"
        ) from None
    if callable(convert := getattr(value, "to_numpy", None)):
        value = convert()
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise BundleError(f"{name!r}: its rows are not of one shape ({error}); give an array") from None
    return _texts(array, name) if array.dtype.kind in "OUS" else array


def fit(array: Array, declared: Declared) -> Array:
    """The array in the datatype that the model takes, where no value changes but for a float's rounding."""
    name, wanted = declared.name, DTYPES.get(declared.datatype)
    if wanted is None:
        raise BundleError(f"{name!r}: examples cannot be {declared.datatype}; let the model take FP32 there")
    datatype = datatype_of(array, name)
    if datatype == declared.datatype:
        return array
    if "BYTES" in {datatype, declared.datatype} or not np.can_cast(array.dtype, wanted, "same_kind"):
        raise BundleError(
            f"{name!r}: the examples are {datatype} and the model takes {declared.datatype}; convert them"
        )
    with np.errstate(over="ignore"):
        cast = array.astype(wanted)
    if array.dtype.kind in "iub" and not np.array_equal(cast.astype(array.dtype), array):
        raise BundleError(f"{name!r}: the examples have values that {declared.datatype} cannot hold; convert them")
    if array.dtype.kind == "f" and bool(np.any(np.isfinite(array) & ~np.isfinite(cast))):
        raise BundleError(f"{name!r}: the examples have values beyond {declared.datatype}; scale them")
    return cast


def by_name(values: object, declared: Sequence[Declared], what: str = "inputs") -> dict[str, Array]:
    """Arrays by the model's names, from a mapping, a sequence in the model's order, or the one array."""
    names = [tensor.name for tensor in declared]
    arrays = _named(values, names, what)
    missing, strange = [n for n in names if n not in arrays], [n for n in arrays if n not in names]
    if missing or strange:
        have = f"has no {strange[0]!r}" if strange else f"lacks {missing[0]!r}, which the model has"
        raise BundleError(f"{what}: {have}; the model has {', '.join(names)}")
    return {t.name: _of_its_shape(fit(to_array(arrays[t.name], t.name), t), t, what) for t in declared}


def check_rows(arrays: Arrays) -> None:
    """BundleError where there are no examples at all."""
    if not arrays:
        raise BundleError("inputs: there are none; give a few rows that the model takes")
    for name, array in arrays.items():
        if not array.ndim or not len(array):
            raise BundleError(f"inputs: {name!r} has no rows; give a few that differ")


def rows_of(arrays: Arrays) -> int:
    """How many rows the examples have: the same in all of them."""
    check_rows(arrays)
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise BundleError(f"inputs: not of one number of rows: {counted}; the first dimension is the batch")
    return next(iter(counts.values()))


def take(arrays: Arrays, count: int) -> dict[str, Array]:
    """The first `count` rows; those that are lacking are the first ones again."""
    return {name: array[np.arange(count) % len(array)] for name, array in arrays.items()}


def _named(values: object, names: Sequence[str], what: str) -> Mapping[str, object]:
    if isinstance(values, Mapping):
        return values
    if isinstance(values, tuple | list) and len(names) > 1:
        if len(values) != len(names):
            raise BundleError(f"{what}: {len(values)} given, and the model has {len(names)}: {', '.join(names)}")
        return dict(zip(names, values, strict=True))
    if isinstance(values, tuple) and len(values) == 1:
        (values,) = values
    if len(names) != 1:
        raise BundleError(f"{what}: one array given, and the model has {', '.join(names)}; give a mapping by name")
    return {names[0]: values}


def _of_its_shape(array: Array, declared: Declared, what: str) -> Array:
    """The array, of whatever number of rows: what another one means is for the batch's check."""
    dims = declared.dims
    if dims is not None:
        agree = len(dims) == array.ndim and all(d in {FREE, s} for d, s in zip(dims[1:], array.shape[1:], strict=True))
        if not agree:
            raise BundleError(f"{what}: {declared.shown}: found shape {list(array.shape)}; give it as the model has it")
    return array


def _texts(array: Array, name: str) -> Array:
    """Strings as Python's, which is what ONNX Runtime takes."""
    flat: list[str] = []
    for index, value in enumerate(array.ravel().tolist()):
        if isinstance(value, bytes):
            try:
                value = value.decode()  # noqa: PLW2901
            except UnicodeDecodeError:
                raise BundleError(f"{name!r}: element {index} is not UTF-8, and only text is packed") from None
        if not isinstance(value, str):
            raise BundleError(
                f"{name!r}: element {index} is {value!r}, neither number nor text; give one kind a tensor"
            )
        flat.append(value)
    texts = np.empty(len(flat), dtype=object)
    texts[:] = flat
    return texts.reshape(array.shape)
