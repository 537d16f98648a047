"""Clients that ask one question: what a request comes to is an answer, or `FailedError` with its kind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Final, Protocol

import aiohttp
import grpc.aio
from aiohttp import ClientConnectionError, ClientConnectorError, ClientError, ClientSession, TCPConnector

from load.question import Question, UnreadableError, read_body, read_message, read_stream
from load.words import WORDS_KEPT

SERVICE: Final = "/inference.GRPCInferenceService"
KIND_TIMEOUT: Final = "timeout"
KIND_UNREADABLE: Final = "unreadable"
MOST_BYTES: Final = 16 << 20
"""Of an answer, by HTTP. gRPC takes 4 MiB by default, which are about as much JSON."""
CHUNK_BYTES: Final = 64 << 10
NOTHING_PACKED: Final = {"Accept-Encoding": "identity"}
# Of one HTTP client at most: a server that stops must not be met by thousands when it goes on.
CONNECTIONS: Final = 32


class FailedError(Exception):
    """A request that got no answer, or none that can be read."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words[:WORDS_KEPT])
        self.kind = kind


@dataclass(frozen=True)
class Answer:
    """The values of the tensor that is compared."""

    values: tuple[float, ...]
    reconnected: bool = False


class Client(Protocol):
    """One client program: its connections are its own."""

    async def ask(self, deadline: float) -> Answer:
        """Ask once; `deadline` is a time of the event loop's clock."""

    async def close(self) -> None:
        """Close its connections."""


class HttpClient:
    """A pool of kept connections; see the package's text for what it does when one ends. Or, with none that are `kept`,
    a connection for each request."""

    def __init__(self, address: str, question: Question, host: str = "", *, kept: bool = True) -> None:
        self._url = f"{address.rstrip('/')}/v2/models/{question.model}/infer"
        self._body = question.body
        self._headers = {"Content-Type": "application/json", **NOTHING_PACKED, **({"Host": host} if host else {})}
        self._kept = self._session(TCPConnector(limit=CONNECTIONS) if kept else TCPConnector(limit=0, force_close=True))
        self._new = self._session(TCPConnector(limit=0, force_close=True))

    async def ask(self, deadline: float) -> Answer:
        """Ask, and once more when the kept connection that was taken had ended."""
        seen = SimpleNamespace(reused=False, answered=False)
        try:
            async with asyncio.timeout_at(deadline):
                try:
                    return Answer(await self._once(self._kept, seen))
                except ClientConnectionError as error:
                    if seen.answered or not seen.reused or _partly_answered(error):
                        raise
                return Answer(await self._once(self._new, seen), reconnected=True)
        except TimeoutError as error:
            raise FailedError(KIND_TIMEOUT, "no answer in time") from error
        except ClientError as error:
            kind = "connect" if isinstance(error, ClientConnectorError) else "closed"
            raise FailedError(kind, repr(error)) from error
        except UnreadableError as error:
            raise FailedError(KIND_UNREADABLE, str(error)) from error

    async def close(self) -> None:
        """Close both pools."""
        await self._kept.close()
        await self._new.close()

    async def _once(self, session: ClientSession, seen: SimpleNamespace) -> tuple[float, ...]:
        """The server says what it likes: nobody else is asked in its place, and nothing is unpacked."""
        asked = session.post(
            self._url, data=self._body, headers=self._headers, allow_redirects=False, trace_request_ctx=seen
        )
        async with asked as answer:
            seen.answered = True
            body = await _read_bounded(answer)
        if answer.status != 200:
            where = answer.headers.get("Location") if 300 <= answer.status < 400 else None
            words = f"leads to {where}, where nobody is asked" if where else body[:CHUNK_BYTES].decode(errors="replace")
            raise FailedError(f"status {answer.status}", words)
        if (packed := answer.headers.get("Content-Encoding", "identity")) != "identity":
            raise FailedError(KIND_UNREADABLE, f"packed, which nobody asked for: {packed}")
        return read_body(body)

    def _session(self, connector: TCPConnector) -> ClientSession:
        trace = aiohttp.TraceConfig()
        trace.on_connection_reuseconn.append(_reused)
        return ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            trace_configs=[trace],
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


class GrpcClient:
    """One channel as it is by default, with connections of its own."""

    def __init__(self, address: str, question: Question, host: str = "") -> None:
        options = [("grpc.use_local_subchannel_pool", 1), *([("grpc.default_authority", host)] if host else [])]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._infer: Callable[..., Awaitable[bytes]] = self._channel.unary_unary(f"{SERVICE}/ModelInfer")
        self._message = question.message

    async def ask(self, deadline: float) -> Answer:
        """Ask."""
        left = deadline - asyncio.get_running_loop().time()
        try:
            return Answer(await self._once(left))
        except grpc.aio.AioRpcError as error:
            code = error.code()
            kind = KIND_TIMEOUT if code is grpc.StatusCode.DEADLINE_EXCEEDED else f"grpc {code.name}"
            raise FailedError(kind, error.details() or "") from error
        except UnreadableError as error:
            raise FailedError(KIND_UNREADABLE, str(error)) from error

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    async def _once(self, seconds: float) -> tuple[float, ...]:
        return read_message(await self._infer(self._message, timeout=seconds))


class _Conversation(Protocol):
    """A stream, as gRPC has it."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    def cancel(self) -> bool: ...


class StreamClient(GrpcClient):
    """The same, with a stream of its own for each request: what a stream comes to is known when its trailers came."""

    def __init__(self, address: str, question: Question, host: str = "") -> None:
        super().__init__(address, question, host)
        self._converse: Callable[..., _Conversation] = self._channel.stream_stream(f"{SERVICE}/ModelStreamInfer")

    async def _once(self, seconds: float) -> tuple[float, ...]:
        conversation, answers = self._converse([self._message], timeout=seconds), list[bytes]()
        async for answer in conversation:
            answers.append(answer)
            if len(answers) > 1:
                conversation.cancel()  # nobody reads the rest
                break
        return read_stream(answers)


async def _read_bounded(answer: aiohttp.ClientResponse) -> bytes:
    """The body. FailedError where it is larger than any is read."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > MOST_BYTES:
            answer.close()  # nobody reads the rest
            raise FailedError("too large", f"an answer of more than {MOST_BYTES >> 20} MiB")
    return bytes(body)


async def _reused(_: ClientSession, told: SimpleNamespace, __: object) -> None:
    told.trace_request_ctx.reused = True


def _partly_answered(error: ClientConnectionError) -> bool:
    """The connection ended within an answer's head: aiohttp hands over what there is of it, and words otherwise."""
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)
