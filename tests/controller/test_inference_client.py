"""Asking single pods for answers: every way that one can answer, and the real Triton."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from math import nan
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from hypothesis import given, settings
from hypothesis import strategies as st

from slipway.controller import inference_client
from slipway.controller.http import client
from slipway.controller.turns import NoTurnError
from slipway.core.analysis.answers import compare
from slipway.core.analysis.look import Target
from slipway.core.observed.evidence import Answer, Output, Trial
from testbed.plane import free_port
from tests.controller.loopback import REQUEST, Answering, hangs_up, never, reply, says, serving
from tests.guard.pod import Container, container
from tests.triton import models
from tests.triton.installation import installed

POD = Target(pod="uid-1", name="churn-1", revision="90be11d2", ip="127.0.0.1")
LENGTH = "Inference-Header-Content-Length"


async def infer(
    session: ClientSession, request: inference_client.Request, port: int, timeout_seconds: float = 5
) -> Answer:
    return await inference_client.infer(
        session, POD, "m", request, reading_turn=nullcontext, timeout_seconds=timeout_seconds, port=port
    )


async def answer(answering: Answering, timeout_seconds: float = 5) -> Answer:
    port = free_port()
    async with serving(answering, port), client() as session:
        request = inference_client.parse_request(REQUEST)
        return await infer(session, request, port, timeout_seconds)


async def test_an_answer_is_read_as_tensors() -> None:
    result = await answer(reply(b"\x00\x00\xe0\x40"))
    assert result == Answer(pod="churn-1", outputs=(Output(name="y", datatype="FP32", shape=(1, 1), data=(7.0,)),))
    assert result.answered


@pytest.mark.parametrize(
    ("answering", "status", "trouble"),
    [
        (says('{"error": "unexpected shape"}', 400), 400, "answered 400: unexpected shape"),
        (says("upstream is gone", 503), 503, "answered 503: upstream is gone"),
        (says("", 500), 500, "answered 500: no reason given"),
        (says("", 302, Location="/"), 302, "answered 302"),
        (says("not JSON"), 0, "its answer cannot be read"),
        (says('{"outputs": [{"name": "y"}]}'), 0, "its answer cannot be read"),
        (reply(b"\x00\x00\xe0"), 0, "its answer cannot be read"),
        (reply(b"", datatype="COMPLEX"), 0, "its answer cannot be read"),
        (reply(b"\x00" * 300_000), 0, "its answer is larger than 256 KiB"),
        (hangs_up, 0, "cannot be reached"),
        (reply(b"\x00\x00\xe0", datatype="BF16"), 0, "its answer cannot be read"),
        (says("[" * 100_000), 0, "its answer cannot be read"),
        (says("[" * 100_000, 500), 500, "answered 500: [[["),
        (says('{"error": "\\ud83d"}', 400), 400, "answered 400: ?"),
        (says("{}", Inference_Header_Content_Length="-1"), 0, "its answer cannot be read"),
        (says("{}", Inference_Header_Content_Length="9" * 5000), 0, ""),
        (reply(b"\x00\x00\xe0\x40", name={"a": []}, shape=["x"]), 0, "its answer cannot be read"),
        (reply(b"\x00\x00\xe0\x40", shape=3), 0, "its answer cannot be read"),
        (reply(b"\x00\x00\xe0\x40", parameters={"binary_data_size": "4"}), 0, "its answer cannot be read"),
        (reply(b"\x00\x00\xe0\x40", datatype=["FP32"]), 0, "its answer cannot be read"),
        (says(gzip.compress(b"x" * 10_000_000), Content_Encoding="gzip"), 0, "its answer cannot be read"),
    ],
)
async def test_anything_else_is_said_in_words(answering: Answering, status: int, trouble: str) -> None:
    result = await answer(answering)
    assert (result.status, result.answered, result.outputs) == (status, False, ())
    assert trouble in result.trouble


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200), st.integers(-5, 205), st.sampled_from(["BF16", "BYTES", "FP32", "BOOL", "INT64", "x"]))
async def test_whatever_bytes_a_server_answers_they_are_an_answer(content: bytes, header: int, datatype: str) -> None:
    described = {"name": "y", "datatype": datatype, "shape": [1], "parameters": {"binary_data_size": header}}
    whole = json.dumps({"outputs": [described]}).encode()
    answers = (
        says(content, Inference_Header_Content_Length=str(header)),
        says(whole + content, Inference_Header_Content_Length=str(len(whole))),
    )
    for answering in answers:
        assert isinstance(await answer(answering), Answer)


@pytest.mark.parametrize(
    ("config", "status", "trouble"),
    [
        (says("not JSON"), 0, "its answer cannot be read"),
        (says("[]"), 0, "its answer cannot be read: is no model configuration"),
        (says('{"max_batch_size": "x"}'), 0, "its answer cannot be read: is no model configuration"),
        (says('{"sequence_batching": 3}'), 0, "its answer cannot be read: is no model configuration"),
        (says('{"error": "unknown model"}', 404), 404, "answered 404: unknown model"),
        (never, 0, "no answer within 0.5 s"),
        (hangs_up, 0, "cannot be reached"),
        (says(b" " * 300_000), 0, "its answer is larger than 256 KiB"),
    ],
)
async def test_a_configuration_that_is_none_is_said_in_words(config: Answering, status: int, trouble: str) -> None:
    port = free_port()
    async with serving(reply(b"\x00\x00\xe0\x40"), port, config=config), client() as session:
        asked = inference_client.parse_request(REQUEST)
        result = await infer(session, asked, port, 0.5)
    assert (result.status, result.answered, result.outputs) == (status, False, ())
    assert trouble in result.trouble


async def test_a_decoupled_model_that_the_request_does_not_fit_is_told() -> None:
    port = free_port()
    inputs = [{"name": "x", "data_type": "TYPE_FP32", "dims": [2]}]
    config = says(json.dumps({"model_transaction_policy": {"decoupled": True}, "input": inputs}))
    async with serving(says(""), port, config=config), client() as session:
        asked = inference_client.parse_request(REQUEST)
        result = await infer(session, asked, port)
    assert (result.status, result.trouble[:66]) == (
        0,
        "is a decoupled model and cannot be asked: inputs[0].shape: [1, 1] ",
    )


def decoupled(*dims: int) -> Answering:
    """The configuration of a model with streams, whose input has these dims."""
    inputs = [{"name": "x", "data_type": "TYPE_FP32", "dims": dims}]
    outputs = [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}]
    policy = {"decoupled": True}
    return says(json.dumps({"model_transaction_policy": policy, "input": inputs, "output": outputs}))


PLAIN = says(json.dumps({"max_batch_size": 8}))


async def test_dims_that_no_tensor_has_are_told_and_not_worked_on() -> None:
    port = free_port()
    asked = inference_client.parse_request(REQUEST)
    async with serving(says(""), port, config=decoupled(*[1] * 60_000)), client() as session:
        result = await infer(session, asked, port)
    assert "'x' has 60000 dims, and no tensor has more than 64" in result.trouble
    many = await answer(reply(b"\x00\x00\xe0\x40", shape=[1] * 60_000))
    assert "'y' has 60000 dims, and no tensor has more than 64" in many.trouble


@pytest.mark.parametrize(
    ("config", "answering", "threads"),
    [
        (PLAIN, reply(b"\x00\x00\xe0\x40"), ["_config", "infer_request", "_outputs"]),
        (decoupled(1, 1), says('data: {"y": 7}'), ["_config", "generate_request", "generate_answers"]),
    ],
)
async def test_no_thread_is_taken_for_what_a_pod_says_but_in_a_turn(
    config: Answering, answering: Answering, threads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def turn() -> AsyncIterator[None]:
        events.append("turn")
        yield
        events.append("done")

    async def to_thread(work: Callable[..., object], *args: object) -> object:
        events.append(work.__name__)
        return work(*args)

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    port = free_port()
    asked = inference_client.parse_request(REQUEST)
    async with serving(answering, port, config=config), client() as session:
        result = await inference_client.infer(session, POD, "m", asked, reading_turn=turn, timeout_seconds=5, port=port)
    assert (result.trouble, events) == ("", [each for name in threads for each in ("turn", name, "done")])


async def test_who_gets_no_turn_for_a_thread_says_so() -> None:
    @asynccontextmanager
    async def no_turn() -> AsyncIterator[None]:
        raise NoTurnError("waits for its turn")
        yield

    port = free_port()
    asked = inference_client.parse_request(REQUEST)
    async with serving(says(""), port), client() as session:
        result = await inference_client.infer(
            session, POD, "m", asked, reading_turn=no_turn, timeout_seconds=5, port=port
        )
    assert (result.status, result.trouble) == (0, "waits for its turn")


async def test_a_pod_that_takes_too_long_is_given_up() -> None:
    assert (await answer(never, 0.05)).trouble == "no answer within 0.05 s"


async def test_a_pod_that_is_not_there_cannot_be_reached() -> None:
    async with client() as session:
        result = await infer(session, inference_client.parse_request(REQUEST), free_port())
    assert (result.status, result.trouble[:17]) == (0, "cannot be reached")


async def test_no_connection_is_kept() -> None:
    """A stopping Triton waits its whole exit timeout for one that idles."""
    kept: list[bool] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        kept.append(request.keep_alive)
        return await reply(b"\x00\x00\xe0\x40")(request)

    await answer(remember)
    assert kept == [False]


@pytest.mark.parametrize(
    ("request_", "says_so"),
    [
        ({}, "inputs: expected a list of tensors, found nothing"),
        ({"inputs": [{"name": "x", "datatype": "FP33", "shape": [1], "data": [1]}]}, "inputs[0].datatype"),
        ({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2], "data": [1]}]}, "inputs[0].data: shape [2] has 2"),
        ({"inputs": [{"name": "x", "datatype": "INT8", "shape": [1], "data": [300]}]}, "inputs[0].data[0]: 300"),
        ({**REQUEST, "parameters": {"sequence_id": 1}}, "parameters.sequence_id: each request has its own"),
    ],
)
def test_a_request_that_cannot_be_sent_names_its_field(request_: dict[str, Any], says_so: str) -> None:
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        inference_client.parse_request(request_)
    assert says_so in str(raised.value)


# -- the real Triton


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Container]:
    made = container(tmp_path, installed())
    yield made
    made.remove()


@pytest.mark.triton
async def test_the_real_triton_answers_every_type(pod: Container) -> None:
    types: dict[str, list[Any]] = {
        "FP32": [1.5, "NaN", "-Infinity"],
        "FP16": [0.5, 1, 2],
        "INT64": [1, 2, 3],
        "BOOL": [True, False, True],
        "BYTES": ["a", "ü", ""],
    }
    models.identity(pod.repository, list(types))
    pod.start()
    pod.until_verified()
    inputs = [{"name": f"in_{kind}", "datatype": kind, "shape": [1, 3], "data": data} for kind, data in types.items()]
    async with client() as session:
        request = inference_client.parse_request({"inputs": inputs})
        result = await infer(session, request, pod.ports[0], 10)
        again = await infer(session, request, pod.ports[0], 10)
    assert result.trouble == ""
    by_name = {output.name: output.data for output in result.outputs}
    assert by_name["out_INT64"] == (1, 2, 3)
    assert by_name["out_BYTES"] == (b"a", "ü".encode(), b"")
    assert repr(by_name["out_FP32"]) == repr((1.5, nan, float("-inf")))
    assert compare(Trial(request="r", candidate=result, stable=again, again=result), 0).differs == ""


async def _ask_twice(pod: Container, **request: Any) -> list[Answer]:
    asked = inference_client.parse_request({**REQUEST, **request})
    async with client() as session:
        return [await infer(session, asked, pod.ports[0], 10) for _ in range(2)]


@pytest.mark.triton
async def test_a_model_with_sequences_is_asked_in_a_new_one_each_time(pod: Container) -> None:
    models.summing(pod.repository)
    pod.start()
    pod.until_verified()
    answers = await _ask_twice(pod)
    assert [(each.trouble, [output.data for output in each.outputs]) for each in answers] == [("", [(7.0,)])] * 2


@pytest.mark.triton
async def test_all_responses_of_a_decoupled_model_are_compared(pod: Container) -> None:
    models.streaming(pod.repository, times=2)
    pod.start()
    pod.until_verified()
    two, again = await _ask_twice(pod)
    assert {output.name: output.data for output in two.outputs} == {"responses": (2,), "y[0]": (7.0,), "y[1]": (8.0,)}
    (three, _) = await _ask_twice(pod, parameters={"times": 3})
    assert compare(Trial(request="r", candidate=again, stable=two, again=again), 0).differs == ""
    differs = compare(Trial(request="r", candidate=three, stable=two, again=again), 0).differs
    assert differs == "r: responses[0] is 3, stable's 2"
    (error, _) = await _ask_twice(pod, parameters={"times": 0})
    assert (error.status, error.trouble) == (400, "answered 400: has nothing to say")


@pytest.mark.triton
async def test_what_a_cache_may_have_said_is_no_answer_of_the_model(pod: Container) -> None:
    model = models.obedient(pod.repository)
    pbtxt = model / "config.pbtxt"
    pbtxt.write_text(pbtxt.read_text() + "response_cache { enable: true }\n")
    pod.start(args=["--cache-config=local,size=1048576", f"--cache-directory={pod.installation.caches}"])
    pod.until_verified()
    for answer in await _ask_twice(pod):
        assert (answer.status, answer.answered) == (0, False)
        assert "its server has a response cache" in answer.trouble


@pytest.mark.triton
async def test_the_real_tritons_error_is_quoted(pod: Container) -> None:
    models.linear(pod.repository)
    pod.start()
    pod.until_verified()
    wrong = {"inputs": [{"name": "z", "datatype": "FP32", "shape": [1, 1], "data": [3]}]}
    async with client() as session:
        result = await infer(session, inference_client.parse_request(wrong), pod.ports[0], 10)
    assert result.status == 400
    assert "z" in result.trouble
