"""Tensors on the wire against the encoders of NVIDIA's client, and how differences are told."""

import math
import struct
from typing import Any

import numpy
import pytest
import tritonclient.utils as theirs
from hypothesis import given
from hypothesis import strategies as st

from slipway.guard import tensors
from slipway.guard.tensors import DoesNotFit, Tensor, Tolerance

NUMPY = {kind: theirs.triton_to_np_dtype(kind) for kind in tensors.DATATYPES - {"BYTES", "BF16"}}


def _elements(kind: str) -> st.SearchStrategy[Any]:
    if kind == "BYTES":
        return st.binary(max_size=20)
    if kind == "BOOL":
        return st.booleans()
    if kind in tensors.FLOATS:
        return st.floats(width={"FP16": 16, "FP64": 64}.get(kind, 32))  # type: ignore[arg-type]
    bounds = numpy.iinfo(NUMPY[kind])
    return st.integers(int(bounds.min), int(bounds.max))


def _case(kind: str) -> st.SearchStrategy[tuple[str, list[Any]]]:
    return st.tuples(st.just(kind), st.lists(_elements(kind), min_size=1, max_size=20))


CASES = st.one_of([_case(kind) for kind in sorted(tensors.DATATYPES)])


def _same(left: Any, right: Any) -> bool:
    return bool(left == right or (left != left and right != right))


@given(CASES)
def test_what_is_encoded_is_decoded_again(case: tuple[str, list[Any]]) -> None:
    kind, data = case
    if kind == "BF16":
        data = list(tensors.decode("BF16", _truncated_bf16(data)))
    assert all(map(_same, tensors.decode(kind, tensors.encode(kind, data)), data))


@given(CASES, st.data())
def test_what_is_left_in_its_bytes_is_what_is_decoded(case: tuple[str, list[Any]], data: st.DataObject) -> None:
    raw = tensors.encode(*case) if case[0] != "BF16" else _truncated_bf16(case[1])
    decoded, left = tensors.decode(case[0], raw), tensors.in_place(case[0], memoryview(raw))
    assert len(left) == len(decoded)
    assert all(map(_same, left, decoded))
    assert all(map(_same, left[1:-1], decoded[1:-1]))
    index = data.draw(st.integers(-len(decoded), len(decoded) - 1))
    assert _same(left[index], decoded[index])


@pytest.mark.parametrize("kind", sorted(tensors.DATATYPES))
def test_zeros_are_encoded_as_if_they_were_there(kind: str) -> None:
    zeros = tensors.Zeros(kind, 5)
    assert len(zeros) == 5
    assert tensors.encode(kind, zeros) == tensors.encode(kind, tuple(zeros))


@given(st.one_of([_case(kind) for kind in sorted(NUMPY)]))
def test_bytes_are_those_of_numpy(case: tuple[str, list[Any]]) -> None:
    kind, data = case
    ours = tensors.encode(kind, data)
    assert ours == numpy.array(data, dtype=NUMPY[kind]).tobytes() or any(map(math.isnan, data))


@given(st.lists(st.binary(max_size=20), min_size=1))
def test_strings_are_those_of_the_client(data: list[bytes]) -> None:
    serialized = theirs.serialize_byte_tensor(numpy.array(data, dtype=numpy.object_))
    assert tensors.encode("BYTES", data) == serialized.item()


@given(
    st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**126), max_value=2.0**126),
        min_size=1,
    )
)
def test_bfloat16_is_the_nearest_one(data: list[float]) -> None:
    below = tensors.decode("BF16", _truncated_bf16(data))
    for value, found, floor in zip(data, tensors.decode("BF16", tensors.encode("BF16", data)), below, strict=True):
        step = abs(_next_bf16(floor) - floor)
        assert abs(found - value) <= step / 2


def test_bfloat16_rounds_ties_to_even_and_keeps_what_is_not_a_number() -> None:
    exact = [1.0, 1.00390625, 1.01171875, math.inf, -math.inf, math.nan]
    assert str(tensors.decode("BF16", tensors.encode("BF16", exact))) == "(1.0, 1.0, 1.015625, inf, -inf, nan)"


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        ("UINT8", [1, 256], "data[1]: 256 is not UINT8"),
        ("INT64", [2**63], "data[0]: 9223372036854775808 is not INT64"),
        ("FP16", [1.0, 70000.0], "data[1]: 70000.0 is not FP16"),
        ("FP32", [1e39], "data[0]: 1e+39 is not FP32"),
        ("BF16", [3.4e38], "data[0]: 3.4e+38 is not BF16"),
        ("INT8", [0.5], "data[0]: 0.5 is not INT8"),
    ],
)
def test_an_element_that_does_not_fit_is_named(kind: str, data: list[Any], words: str) -> None:
    with pytest.raises(DoesNotFit) as refused:
        tensors.encode(kind, data)
    assert str(refused.value) == words


@pytest.mark.parametrize(("kind", "raw"), [("INT32", b"12345"), ("BYTES", b"\1\0"), ("BYTES", b"\5\0\0\0ab")])
def test_bytes_that_do_not_come_out_even_are_refused(kind: str, raw: bytes) -> None:
    with pytest.raises(ValueError, match=r"whole number|BYTES end"):
        tensors.decode(kind, raw)


def _tensor(kind: str, *data: Any, shape: tuple[int, ...] | None = None) -> Tensor:
    return Tensor("y", kind, shape or (len(data),), data)


NAN, INF = math.nan, math.inf
LOOSE = Tolerance(1.0, 0.0)


@pytest.mark.parametrize(
    ("expected", "got", "tolerance", "words"),
    [
        (_tensor("FP32", 1.0, 2.0), _tensor("FP32", 1.0, 2.0), None, None),
        (_tensor("FP32", 1000.0), _tensor("FP32", 1000.9), None, None),
        (_tensor("FP32", 1000.0), _tensor("FP32", 1001.1), None, "y[0] (element 0): expected 1000.0, got 1001.1"),
        (_tensor("FP32", 0.0), _tensor("FP32", 0.9), LOOSE, None),
        (_tensor("FP32", NAN, INF), _tensor("FP32", NAN, INF), None, None),
        (_tensor("FP32", NAN), _tensor("FP32", 1.0), LOOSE, "expected nan, got 1.0"),
        (_tensor("FP32", 1.0), _tensor("FP32", NAN), LOOSE, "expected 1.0, got nan"),
        (_tensor("FP32", INF), _tensor("FP32", -INF), LOOSE, "expected inf, got -inf"),
        (_tensor("FP32", 1e38), _tensor("FP32", INF), Tolerance(INF, 0), "expected 1e+38, got inf"),
        (_tensor("INT32", 1000), _tensor("INT32", 1001), None, "y[0] (element 0): expected 1000, got 1001"),
        (_tensor("UINT8", 100), _tensor("UINT8", 101), LOOSE, None),
        (_tensor("INT64", 2**62), _tensor("INT64", 2**62 + 1), None, "expected 4611686018427387904, got 46"),
        (_tensor("BOOL", True), _tensor("BOOL", False), None, "expected True, got False"),
        (_tensor("BYTES", b"a"), _tensor("BYTES", b"b"), LOOSE, "expected b'a', got b'b'"),
        (_tensor("FP16", 1.0), _tensor("FP16", 1.004), None, None),
        (_tensor("BF16", 1.0), _tensor("BF16", 1.0078125), None, None),
        (_tensor("FP32", 1.0), _tensor("FP64", 1.0), None, "y: expected datatype FP32, got FP64"),
        (_tensor("FP32", 1.0), _tensor("FP32", 1.0, shape=(1, 1)), None, "y: expected shape [1], got [1, 1]"),
        (_tensor("FP32", 1.0), _tensor("FP32", shape=(1,)), None, "y: shape [1] has 1 elements, got 0"),
        (
            _tensor("INT8", 0, 1, 2, 3, 4, 5, shape=(1, 2, 3)),
            _tensor("INT8", 0, 1, 2, 3, 9, 5, shape=(1, 2, 3)),
            None,
            "y[0, 1, 1] (element 4): expected 4, got 9",
        ),
    ],
)
def test_a_difference_names_tensor_index_and_values(
    expected: Tensor, got: Tensor, tolerance: Tolerance | None, words: str | None
) -> None:
    found = tensors.difference(expected, got, tolerance)
    assert found is None if words is None else words in (found or "")


def test_the_tolerance_is_told_where_there_is_one() -> None:
    differs = tensors.difference(_tensor("FP32", 1.0), _tensor("FP32", 2.0), Tolerance(0.5, 0.01))
    assert differs == "y[0] (element 0): expected 1.0, got 2.0; tolerance 0.5 + 0.01 x |expected|"


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.data())
def test_positions_are_those_of_numpy(shape: list[int], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, math.prod(shape) - 1))
    assert tensors.position(index, shape) == [int(i) for i in numpy.unravel_index(index, shape)]


def _truncated_bf16(data: list[float]) -> bytes:
    return b"".join(struct.pack("<f", value)[2:] for value in data)


def _next_bf16(value: float) -> float:
    (word,) = struct.unpack("<I", struct.pack("<f", abs(value)))
    (after,) = struct.unpack("<f", struct.pack("<I", word + 0x10000))
    return math.copysign(after, value)


@pytest.mark.parametrize(
    ("expected", "got", "ends"),
    [
        (_tensor("FP32", 1.0, 2.0, 3.0), _tensor("FP32", 1.0, 2.5, 4.0), "; 2 of 3 elements are too far, by 1 at most"),
        (_tensor("FP32", 1.0, 2.0), _tensor("FP32", math.nan, 3.0), "; 2 of 2 elements are too far"),
        (_tensor("INT64", 1, 2), _tensor("INT64", 1, 9), "; 1 of 2 elements are too far, by 7 at most"),
        (_tensor("BYTES", b"a", b"b"), _tensor("BYTES", b"a", b"c"), "; 1 of 2 elements differ"),
        (_tensor("BOOL", True, False), _tensor("BOOL", False, True), "; 2 of 2 elements differ"),
    ],
)
def test_a_difference_tells_whether_one_element_is_wrong_or_all(expected: Tensor, got: Tensor, ends: str) -> None:
    found = tensors.difference(expected, got, None)
    assert found is not None
    assert found.endswith(ends)
