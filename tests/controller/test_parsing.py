"""Parsing what an API server may store: no text ends it, and what is read can be written again."""

import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.controller.parsing import CUT, DEEPEST, dumps, loads

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=5), inside, max_size=4),
    max_leaves=20,
)


def nested(depth: int, opening: str = "[", closing: str = "]", core: str = "1") -> str:
    return opening * depth + core + closing * depth


def depth_of(value: Any) -> int:
    depth = 0
    while isinstance(value, list | dict) and value:
        depth, value = depth + 1, next(iter(value.values() if isinstance(value, dict) else value))
    return depth


@pytest.mark.parametrize("depth", [1025, 1100, 3000, 9000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}"), ('[{"\\\\":', "}]"), ("[1,", "]")])
def test_one_object_nested_however_deep_costs_none_beside_it(depth: int, opening: str, closing: str) -> None:
    text = f'{{"items": [{{"good": [1, "]}}"]}}, {nested(depth, opening, closing)}, {{"good": 2}}]}}'

    first, deep, last = loads(text)["items"]

    assert (first, last) == ({"good": [1, "]}"]}, {"good": 2})
    assert CUT.encode() in orjson.dumps(deep)
    assert depth_of(deep) <= DEEPEST


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"[1e400, -1e400]", [1.7976931348623157e308, -1.7976931348623157e308]),
        (b"[" + b"9" * 5000 + b"]", [1.7976931348623157e308]),
        (b"[99999999999999999999, 1e400]", [1e20, 1.7976931348623157e308]),
        (b'["\\ud800", "\xff"]', ["?", "\ufffd"]),
        (b'["a\x01b", 1e400]', ["a\x01b", 1.7976931348623157e308]),
    ],
)
def test_what_the_fast_parser_refuses_is_read_as_near_as_can_be(text: bytes, value: Any) -> None:
    assert loads(text) == value
    assert loads(dumps(loads(text))) == value


@pytest.mark.parametrize("text", ["", "{", "[NaN]", "nothing", "]" * 10, "[" * 5000, '{"a": ' * 2000, '"'])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        loads(text)


@given(JSON_VALUES)
def test_any_json_is_read_as_the_standard_library_does_wherever_the_fast_parser_gives_up(value: Any) -> None:
    text = json.dumps(value)
    beside = nested(2000)

    assert loads(f"[{text}, {beside}]")[0] == loads(text)


@pytest.mark.parametrize("depth", [DEEPEST, 254, 255, 900])
def test_what_was_read_is_written_again_without_what_is_too_deep(depth: int) -> None:
    assert depth_of(loads(dumps(loads(nested(depth))))) <= max(DEEPEST, 254)


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("[[1],", "]"), ('{"":', "}"), ('["a",', "]")])
def test_the_time_grows_with_the_length_alone(opening: str, closing: str) -> None:
    def seconds(length: int) -> float:
        text = nested(length // len(opening + closing), opening, closing)
        began = time.process_time()
        loads(text)
        return time.process_time() - began

    seconds(1000)
    assert seconds(1_500_000) < 3, "an object of the largest size that an API server stores"
