"""What the gRPC clients make of a server that says what it likes: each request is a failure of its own, in time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest
from tritonclient.grpc import service_pb2

from load.clients import FailedError, GrpcClient, StreamClient
from load.question import Question
from tests.triton import models

SECONDS = 30
"""For an answer: nobody waits for so long."""


def answer(raw: bytes, datatype: str = "FP32") -> bytes:
    made = service_pb2.ModelInferResponse(raw_output_contents=[raw])
    made.outputs.add(name="y", datatype=datatype, shape=[1])
    return bytes(made.SerializeToString())


def streamed(message: bytes) -> bytes:
    whole = service_pb2.ModelInferResponse.FromString(message)
    return bytes(service_pb2.ModelStreamInferResponse(infer_response=whole).SerializeToString())


@asynccontextmanager
async def server(message: bytes, times: int = 1) -> AsyncIterator[str]:
    """Answers with these bytes; a stream so many times, and does not end then."""

    async def infer(_: bytes, __: object) -> bytes:
        return message

    async def stream(_: object, __: object) -> AsyncIterator[bytes]:
        for _number in range(times):
            yield message
        await asyncio.Event().wait()

    handlers = {
        "ModelInfer": grpc.unary_unary_rpc_method_handler(infer),
        "ModelStreamInfer": grpc.stream_stream_rpc_method_handler(stream),
    }
    made = grpc.aio.server(compression=grpc.Compression.Gzip)
    made.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("inference.GRPCInferenceService", handlers)])
    port = made.add_insecure_port("127.0.0.1:0")
    await made.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await made.stop(0)


async def failure(client: GrpcClient) -> str:
    """The kind and the words."""
    try:
        with pytest.raises(FailedError) as failed:
            await client.ask(asyncio.get_running_loop().time() + SECONDS)
    finally:
        await client.close()
    return f"{failed.value.kind}: {failed.value}"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (b"\xff\xff", "Error parsing message"),
        (answer(b"abc"), "a tensor of no whole values"),
        (answer(b"abcd", "BYTES"), "only tensors of numbers"),
        (answer(b"abcd", "no type"), "only tensors of numbers"),
    ],
    ids=["no message", "half a number", "words", "no type"],
)
async def test_an_answer_that_is_no_v2_answer_is_unreadable(message: bytes, words: str) -> None:
    async with server(message) as address:
        said = await failure(GrpcClient(address, Question.of("m", models.golden())))
    assert said.startswith("unreadable: ")
    assert words in said


async def test_a_stream_that_answers_without_an_end_is_not_read_on() -> None:
    async with server(streamed(answer(b"\0\0\0\0")), times=2) as address:
        said = await failure(StreamClient(address, Question.of("m", models.golden())))
    assert said == "unreadable: more than one answer to one request"


async def test_a_packed_answer_has_no_more_room_than_another() -> None:
    async with server(answer(bytes(5 << 20))) as address:
        said = await failure(GrpcClient(address, Question.of("m", models.golden())))
    assert said.startswith("grpc RESOURCE_EXHAUSTED: ")
