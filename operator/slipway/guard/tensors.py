"""Tensors of the V2 inference protocol: their bytes on the wire, and how two of them differ.

Elements are Python values in row-major order; BYTES elements are `bytes`. Binary, because Triton before 25.10 dies on
JSON bodies of a few MB, and because JSON has no NaN.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any, Callable, Iterable, Iterator, Sequence, overload

_FORMAT = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
DATATYPES = frozenset(_FORMAT) | {"BF16", "BYTES"}
FLOATS = frozenset({"FP16", "BF16", "FP32", "FP64"})


@dataclass(frozen=True)
class Tensor:
    """Name, datatype, shape, and as many elements as the shape says."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any]


class Numbers(Sequence[Any]):
    """Elements that stay in the bytes that came: as objects of Python's they take up to twenty times the memory, and
    what the guard takes counts against the server's limit."""

    def __init__(self, datatype: str, raw: bytes | memoryview) -> None:
        self._one = struct.Struct("<H" if datatype == "BF16" else "<" + _FORMAT[datatype])
        self._convert: Callable[[Any], Any] = _of_bf16 if datatype == "BF16" else lambda value: value
        if len(raw) % self._one.size:
            raise ValueError(f"{len(raw)} bytes are no whole number of {datatype}")
        self._raw = raw

    def __len__(self) -> int:
        return len(self._raw) // self._one.size

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        places = range(len(self))[index]
        if isinstance(places, range):
            return tuple(self[place] for place in places)
        return self._convert(self._one.unpack_from(self._raw, places * self._one.size)[0])

    def __iter__(self) -> Iterator[Any]:
        return (self._convert(value) for (value,) in self._one.iter_unpack(self._raw))


class Zeros(Sequence[Any]):
    """As many zeros as are asked for, none of which is there."""

    def __init__(self, datatype: str, count: int) -> None:
        self._zero: Any = b"" if datatype == "BYTES" else False if datatype == "BOOL" else 0
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        places = range(self._count)[index]
        return (self._zero,) * len(places) if isinstance(places, range) else self._zero


@dataclass(frozen=True)
class Tolerance:
    """How far an element may be from the right one: absolute + relative * |expected|."""

    absolute: float
    relative: float

    def allows(self, expected: float, got: float) -> bool:
        """NaN is right where NaN is expected, and an infinity where the same one is."""
        if expected == got or (math.isnan(expected) and math.isnan(got)):
            return True
        if not (math.isfinite(expected) and math.isfinite(got)):
            return False
        return abs(got - expected) <= self.absolute + self.relative * abs(expected)


# What a right answer computed elsewhere may differ by when the request does not say: the API's defaults, and more for
# the types that have fewer digits than those. Everything that is not a float must be equal.
DEFAULT_TOLERANCE = Tolerance(1e-4, 1e-3)
_COARSE = {"FP16": Tolerance(1e-3, 4e-3), "BF16": Tolerance(1e-2, 2e-2)}
_EXACT = Tolerance(0, 0)


class DoesNotFit(ValueError):
    """An element that its datatype cannot hold."""

    def __init__(self, index: int, value: object, datatype: str) -> None:
        super().__init__(f"data[{index}]: {value!r} is not {datatype}")


def elements(shape: Iterable[int]) -> int:
    """How many elements a tensor of that shape has."""
    return math.prod(shape)


def encode(datatype: str, data: Sequence[Any]) -> bytes:
    """The elements as the protocol's raw bytes, little-endian; DoesNotFit names the first that cannot be written."""
    if isinstance(data, Zeros):  # also an empty text, which is its length
        return bytes(size_bytes(datatype, len(data)))
    if datatype == "BYTES":
        return b"".join(struct.pack("<I", len(item)) + item for item in data)
    write: Callable[..., bytes] = (
        _bf16 if datatype == "BF16" else struct.Struct(f"<{len(data)}{_FORMAT[datatype]}").pack
    )
    try:
        return write(*data)
    except (struct.error, OverflowError):
        one: Callable[..., bytes] = _bf16 if datatype == "BF16" else struct.Struct("<" + _FORMAT[datatype]).pack
        for index, value in enumerate(data):
            try:
                one(value)
            except (struct.error, OverflowError):
                raise DoesNotFit(index, value, datatype) from None
        raise


def size_bytes(datatype: str, count: int) -> int:
    """What so many elements take on the wire; of texts, empty ones."""
    return count * (4 if datatype == "BYTES" else 2 if datatype == "BF16" else struct.calcsize("<" + _FORMAT[datatype]))


def in_place(datatype: str, raw: bytes | memoryview) -> Sequence[Any]:
    """As `decode`, with numbers left where they are."""
    return decode(datatype, raw) if datatype == "BYTES" else Numbers(datatype, raw)


def decode(datatype: str, raw: bytes | memoryview) -> tuple[Any, ...]:
    """The elements in `raw`; ValueError when the bytes do not come out even."""
    if datatype == "BYTES":
        return tuple(_strings(bytes(raw)))
    if datatype == "BF16":
        halves = struct.unpack(f"<{len(raw) // 2}H", raw)
        return struct.unpack(f"<{len(halves)}f", struct.pack(f"<{len(halves)}I", *(half << 16 for half in halves)))
    size = struct.calcsize("<" + _FORMAT[datatype])
    if len(raw) % size:
        raise ValueError(f"{len(raw)} bytes are no whole number of {datatype}")
    return struct.unpack(f"<{len(raw) // size}{_FORMAT[datatype]}", raw)


def difference(expected: Tensor, got: Tensor, tolerance: Tolerance | None) -> str | None:
    """What is wrong with `got`, from the tensor's name on, or None. `expected.shape` may hold -1 for any size."""
    if got.datatype != expected.datatype:
        return f"{expected.name}: expected datatype {expected.datatype}, got {got.datatype}"
    if not _shapes_agree(expected.shape, got.shape):
        return f"{expected.name}: expected shape {list(expected.shape)}, got {list(got.shape)}"
    if len(got.data) != elements(got.shape):
        return f"{expected.name}: shape {list(got.shape)} has {elements(got.shape)} elements, got {len(got.data)}"
    if expected.datatype not in FLOATS and tolerance is None:
        limit = _EXACT
    else:
        limit = tolerance or _COARSE.get(expected.datatype, DEFAULT_TOLERANCE)
    wrong = [
        index for index, (right, actual) in enumerate(zip(expected.data, got.data)) if not _same(right, actual, limit)
    ]
    if not wrong:
        return None
    return _element_differs(expected, got, wrong[0], limit) + _how_many(expected, got, wrong)


def _same(right: Any, actual: Any, limit: Tolerance) -> bool:
    return bool(actual == right) or (not isinstance(right, bytes) and limit.allows(right, actual))


def _element_differs(expected: Tensor, got: Tensor, index: int, limit: Tolerance) -> str:
    place = ", ".join(str(i) for i in position(index, expected.shape))
    right, actual = expected.data[index], got.data[index]
    text = f"{expected.name}[{place}] (element {index}): expected {_shown(right)}, got {_shown(actual)}"
    if limit == _EXACT:
        return text
    return f"{text}; tolerance {limit.absolute:g} + {limit.relative:g} x |expected|"


def _how_many(expected: Tensor, got: Tensor, wrong: Sequence[int]) -> str:
    """Whether one element is wrong, or the model: nothing where there is only one."""
    if len(expected.data) < 2:
        return ""
    count = f"; {len(wrong)} of {len(expected.data)} elements"
    if expected.datatype in {"BYTES", "BOOL"}:
        return f"{count} differ"
    apart = [abs(got.data[index] - expected.data[index]) for index in wrong]
    finite = [each for each in apart if math.isfinite(each)]
    return f"{count} are too far{f', by {max(finite):.3g} at most' if len(finite) == len(apart) else ''}"


def position(index: int, shape: Sequence[int]) -> list[int]:
    """The indices, one a dimension, of a flat row-major index."""
    places: list[int] = []
    for size in reversed(shape):
        index, place = divmod(index, size)
        places.insert(0, place)
    return places


def _shapes_agree(expected: Sequence[int], got: Sequence[int]) -> bool:
    return len(expected) == len(got) and all(want in {-1, have} for want, have in zip(expected, got))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


def _bf16(*data: float) -> bytes:
    """bfloat16 is the upper half of a float32, rounded to the nearest and, between two, to the even one."""
    words = struct.unpack(f"<{len(data)}I", struct.pack(f"<{len(data)}f", *data))
    halves = []
    for value, word in zip(data, words):
        half = (word >> 16) | 0x40 if math.isnan(value) else (word + 0x7FFF + ((word >> 16) & 1)) >> 16
        if half & 0x7FFF == 0x7F80 and math.isfinite(value):
            raise OverflowError("rounds to infinity")
        halves.append(half)
    return struct.pack(f"<{len(halves)}H", *halves)


def _of_bf16(half: int) -> float:
    value: float = struct.unpack("<f", struct.pack("<I", half << 16))[0]
    return value


def _strings(raw: bytes) -> Iterable[bytes]:
    at = 0
    while at < len(raw):
        if at + 4 > len(raw):
            raise ValueError("BYTES end inside a length")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4
        if at + length > len(raw):
            raise ValueError("BYTES end inside an element")
        yield raw[at : at + length]
        at += length
