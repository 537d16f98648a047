"""Streams as Triton writes them, what they cannot hold, and whatever else a server may say."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from slipway.guard import golden, model_config, wire
from slipway.guard.model_config import ModelConfig
from slipway.guard.tensors import Tensor
from slipway.guard.wire import CannotAskError, ResponseError, UnreadableError

CONFIG = ModelConfig(decoupled=True, inputs={"x": (-1, 2)}, outputs={"y": "FP32", "s": "BYTES"})


def _x(*data: float, shape: tuple[int, ...] = (1, 2)) -> list[Tensor]:
    return [Tensor("x", "FP32", shape, data)]


def test_a_request_is_flat() -> None:
    body, _ = wire.generate_request(_x(1.5, 2.0), {"temperature": 0.5}, CONFIG)
    assert json.loads(body) == {"temperature": 0.5, "x": [1.5, 2.0]}


@pytest.mark.parametrize(
    ("inputs", "parameters", "words"),
    [
        (_x(1, 2, 3, 4, shape=(1, 4)), {}, "inputs[0].shape: [1, 4] cannot be asked of a decoupled model"),
        (_x(1, float("nan")), {}, "NaN and infinities"),
        (
            [Tensor("x", "BYTES", (1, 2), (b"a", b"\xff"))],
            {},
            "inputs[0].data: bytes that are not UTF-8 at byte 0 no server",
        ),
        (_x(1, 2), {"x": 1}, "parameters.x: an input has that name"),
    ],
)
def test_what_a_stream_cannot_hold_is_not_asked(inputs: list[Tensor], parameters: Any, words: str) -> None:
    with pytest.raises(CannotAskError) as refused:
        wire.generate_request(inputs, parameters, CONFIG)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("declared", "count", "shape"),
    [
        ([-1, 1], 1, (1, 1)),
        ([-1, 1], 3, (3, 1)),
        ([-1, 2, -1], 4, (1, 2, 2)),  # seen on 2.51
        ([-1, 2], 3, None),
        ([2], 4, None),
        ([-1], 0, None),
        ([3, 2], 6, (3, 2)),
    ],
)
def test_the_last_free_size_takes_what_is_left(declared: list[int], count: int, shape: tuple[int, ...] | None) -> None:
    assert wire.generated_shape(declared, count) == shape


def test_a_shape_of_very_many_sizes_takes_a_time_that_grows_with_them() -> None:
    began = time.process_time()
    assert wire.generated_shape([1] * 200_000, 1) == (1,) * 200_000
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("dims", "told"),
    [
        ([1] * 65, "'x' has 65 dims, and no tensor has more than 64"),
        ([1] * 100_000, "'x' has 100000 dims, and no tensor has more than 64"),
        ([1, 10**4000], "'x' has a dim that no 64 bits hold"),
    ],
    ids=["65", "100000", "large"],
)
def test_dims_that_no_tensor_has_are_refused_by_its_name(dims: list[int], told: str) -> None:
    declared = {"name": "x", "data_type": "TYPE_FP32", "dims": dims}
    with pytest.raises(ValueError, match=told):
        model_config.read({"input": [declared]})
    head = json.dumps({"outputs": [{"name": "x", "datatype": "FP32", "shape": dims}]}).encode()
    with pytest.raises(UnreadableError, match=told):
        wire.infer_answer(head, len(head))


def test_as_many_dims_as_a_tensor_may_have_are_read() -> None:
    declared = {"name": "x", "data_type": "TYPE_FP32", "dims": ["1"] * 64}
    assert model_config.read({"max_batch_size": 1, "input": [declared]}).inputs == {"x": (-1, *[1] * 64)}


def test_responses_come_in_their_order_with_what_each_has() -> None:
    body = b'data: {"model_name":"m","y":[1.0,2.0],"s":"a"}\n\ndata: {"y":0.1,"s":["\xff"]}\n\n'
    assert wire.generate_answers(body, CONFIG) == [
        [Tensor("y", "FP32", (2,), (1.0, 2.0)), Tensor("s", "BYTES", (1,), (b"a",))],
        [Tensor("y", "FP32", (1,), (0.10000000149011612,)), Tensor("s", "BYTES", (1,), (b"\xff",))],
    ]


def test_an_error_in_a_stream_is_the_models() -> None:
    with pytest.raises(ResponseError, match="late bad"):
        wire.generate_answers(b'data: {"y":1.0}\n\ndata: {"error":"late bad"}\n\n', CONFIG)


INFINITE = b'{"outputs": [{"name": "y", "datatype": "FP32", "shape": [1e999]}]}'


@given(
    st.binary(max_size=60)
    | st.sampled_from([INFINITE, b'{"y": "x"}', b'{"y": [[1]]}', b'{"s": 3}', b"[" * 9999, b'{"y": 1e999}'])
)
def test_whatever_comes_is_read_or_told(content: bytes) -> None:
    with suppress(UnreadableError, ResponseError):
        wire.generate_answers(b"data: " + content + b"\n\n", CONFIG)
    with suppress(UnreadableError):
        wire.infer_answer(content, len(content))


@given(
    st.lists(
        st.integers(-64, 64) | st.sampled_from([None, True, 4.0, "4", [], 2**63, -(2**63)]),
        max_size=6,
    ),
    st.integers(-3, 3),
)
@example([48, -48] * 955 + [48], 0)
def test_each_byte_of_an_answer_is_read_once_whatever_sizes_it_names(sizes: list[Any], short: int) -> None:
    outputs = [
        {"name": "y", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": size}} for size in sizes
    ]
    head = json.dumps({"outputs": outputs}).encode()
    element = (2).to_bytes(4, "little") + b"ab"
    raw = element * 8
    with suppress(UnreadableError):
        answered = wire.infer_answer(head + raw, len(head) + short)
        assert sum(len(tensor.data) for tensor in answered) * len(element) <= len(raw)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just(float("inf")),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["max_batch_size", "sequence_batching", "control_input", "input", "name", "dims", "output"]
                ),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_whatever_a_configuration_holds_it_is_read_or_told(document: Any) -> None:
    with suppress(ValueError):
        model_config.read(document)


@pytest.mark.parametrize(
    ("batching", "sequences", "kind"),
    [
        (None, False, int),
        ({}, True, int),
        ({"iterative_sequence": True}, False, int),
        ({"control_input": [{"control": [{"kind": "CONTROL_SEQUENCE_CORRID", "data_type": "TYPE_INT32"}]}]}, True, int),
        (
            {"control_input": [{"control": [{"kind": "CONTROL_SEQUENCE_CORRID", "data_type": "TYPE_STRING"}]}]},
            True,
            str,
        ),
    ],
)
def test_a_sequence_is_named_as_the_model_takes_it(batching: Any, sequences: bool, kind: type) -> None:
    config = model_config.read({} if batching is None else {"sequence_batching": batching})
    assert config.sequences is sequences
    names = [model_config.new_sequence(config) for _ in range(100)]
    assert len(set(names)) == 100
    assert all(isinstance(name, kind) and name for name in names)
    assert all(name < 2**31 for name in names if isinstance(name, int))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"sequence_batching": {}, "model_transaction_policy": {"decoupled": True}}, "only asked over gRPC streams"),
        (
            {
                "model_transaction_policy": {"decoupled": True},
                "output": [{"name": "y", "data_type": "TYPE_FP16", "dims": [1]}],
            },
            "output: 'y' is FP16, which no server writes as JSON",
        ),
    ],
)
def test_a_model_that_nobody_can_ask_is_told(document: Any, words: str) -> None:
    with pytest.raises(CannotAskError) as refused:
        golden.check_model(model_config.read(document))
    assert words in str(refused.value)
