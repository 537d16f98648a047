"""The V2 inference protocol over HTTP on the loopback, as much of it as the guard needs; tensors are binary."""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import json
import re
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, NamedTuple, Sequence
from urllib.parse import quote

from . import model_config, tensors, wire
from .model_config import ModelConfig
from .tensors import Tensor

# What comes from the server is as long as the model likes.
_ANSWER_LIMIT = 256 << 20
_ERROR_LIMIT = 64 << 10
_PIECE_BYTES = 1 << 20
_REQUEST_ID = re.compile(r"^\[request id: [^\]]*\] ")


KEY_HEADER = "slipway-key"
"""Has the key of the locked APIs."""


class Unreachable(Exception):
    """Nobody listens, or the connection broke: the server is not there yet, or there no more."""


class TooSlow(Exception):
    """No answer within the time given."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Statistics(NamedTuple):
    """Counts of requests since the server's start."""

    answered: int
    cache_hits: int
    cache_misses: int


@dataclass(frozen=True)
class Client:
    """One model of one server."""

    port: int
    model: str
    host: str = "127.0.0.1"
    key: str = field(default="", repr=False)
    """Opens what is locked on it: the guard's own questions have it."""

    def live(self, timeout_seconds: float) -> bool:
        """Whether the server listens: Triton opens its ports once every model is loaded."""
        return self._works("/v2/health/live", timeout_seconds)

    def model_ready(self, timeout_seconds: float) -> bool:
        """Whether the server has the model."""
        return self._works(f"{self._path()}/ready", timeout_seconds)

    def check_ready(self, timeout_seconds: float) -> None:
        """Refused where the server has the model no more."""
        self._call("GET", f"{self._path()}/ready", timeout_seconds)

    def metadata(self, timeout_seconds: float) -> dict[str, Any]:
        """The model's declared inputs and outputs."""
        body, _ = self._call("GET", self._path(), timeout_seconds)
        metadata: dict[str, Any] = json.loads(body)
        return metadata

    def config(self, timeout_seconds: float) -> ModelConfig:
        """How the model is asked."""
        body, _ = self._call("GET", f"{self._path()}/config", timeout_seconds)
        try:
            return model_config.read(json.loads(body))
        except ValueError as error:
            raise Refused(http.client.OK, f"its configuration: {error}") from None

    def page(self, path: str, timeout_seconds: float, limit_bytes: int) -> str:
        """A page of text; Refused where it is larger."""
        body, _ = self._call("GET", path, timeout_seconds, limit_bytes=limit_bytes)
        return body.decode("utf-8", "replace")

    def statistics(self, timeout_seconds: float) -> Statistics:
        """What the server has counted of the model, all versions together."""
        body, _ = self._call("GET", f"{self._path()}/stats", timeout_seconds)
        try:
            counted = [each["inference_stats"] for each in json.loads(body)["model_stats"]]
            names = ("success", "cache_hit", "cache_miss")
            return Statistics(*(sum(int(each[name]["count"]) for each in counted) for name in names))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise Refused(http.client.OK, f"its statistics cannot be read: {error!r}") from None

    def infer(
        self,
        inputs: Sequence[Tensor],
        outputs: Sequence[str] | None,
        timeout_seconds: float,
        *,
        version: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> list[Tensor]:
        """The model's answer, of its newest version unless one is named. `outputs` of None: all that it has."""
        asked, headers = wire.infer_request(inputs, parameters or {}, outputs)
        body, head = self._call("POST", f"{self._path(version)}/infer", timeout_seconds, asked, headers)
        try:
            return wire.infer_answer(body, len(body) if head is None else int(head), tensors.in_place)
        except ValueError as error:
            raise Refused(http.client.OK, f"the answer cannot be read: {error}") from None

    def generate(
        self,
        inputs: Sequence[Tensor],
        config: ModelConfig,
        timeout_seconds: float,
        *,
        version: str = "",
        parameters: Mapping[str, Any] | None = None,
    ) -> list[list[Tensor]]:
        """All responses of a decoupled model; CannotAskError where its endpoint cannot hold the request."""
        asked, headers = wire.generate_request(inputs, parameters or {}, config)
        body, _ = self._call("POST", f"{self._path(version)}/generate_stream", timeout_seconds, asked, headers)
        try:
            return wire.generate_answers(body, config)
        except wire.ResponseError as error:
            raise Refused(http.client.INTERNAL_SERVER_ERROR, str(error)) from None
        except ValueError as error:
            raise Refused(http.client.OK, f"the answer cannot be read: {error}") from None

    def _path(self, version: str = "") -> str:
        path = f"/v2/models/{quote(self.model, safe='')}"
        return f"{path}/versions/{quote(version, safe='')}" if version else path

    def _works(self, path: str, timeout_seconds: float) -> bool:
        try:
            self._call("GET", path, timeout_seconds)
        except (Unreachable, TooSlow, Refused):
            return False
        return True

    def _call(
        self,
        method: str,
        path: str,
        timeout_seconds: float,
        body: bytes | None = None,
        headers: Any = None,
        *,
        limit_bytes: int | None = None,
    ) -> tuple[bytes, str | None]:
        with self._connection(timeout_seconds) as connection:
            connection.request(method, path, body, {**(headers or {}), **({KEY_HEADER: self.key} if self.key else {})})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise _refused(response.status, response.read(_ERROR_LIMIT))
            content = _read(response, limit_bytes or _ANSWER_LIMIT)
            return content, response.getheader(wire.HEADER_LENGTH)

    @contextlib.contextmanager
    def _connection(self, timeout_seconds: float) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_seconds)
        connection.response_class = functools.partial(_Response, time.monotonic() + timeout_seconds)  # type: ignore[assignment]
        try:
            yield connection
        # Python 3.8 has socket.timeout beside TimeoutError; both are OSErrors, as a refusal is.
        except (OSError, http.client.HTTPException) as error:
            if "timed out" in str(error):
                raise TooSlow(f"no answer within {timeout_seconds:g} s") from None
            raise Unreachable(str(error) or type(error).__name__) from None
        finally:
            # Triton waits its whole exit timeout for a connection that idles, so none is kept.
            connection.close()


class _Response(http.client.HTTPResponse):
    """One that is whole by a deadline: its head, its body or an error may bring a little again and again, and never
    end."""

    def __init__(self, deadline: float, sock: socket.socket, *of_http: Any, **named: Any) -> None:
        super().__init__(sock, *of_http, **named)
        self.fp = io.BufferedReader(_Until(deadline, sock, self.fp.detach()))


class _Until(io.RawIOBase):
    """What a socket brings: each piece has the time that is left."""

    def __init__(self, deadline: float, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._deadline, self._socket, self._raw = deadline, sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._socket.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _read(response: http.client.HTTPResponse, limit_bytes: int) -> bytes:
    """The whole answer."""
    content = bytearray()
    while piece := response.read1(_PIECE_BYTES):
        content += piece
        if len(content) > limit_bytes:
            raise Refused(response.status, f"the answer is larger than {limit_bytes >> 20} MiB")
    return bytes(content)


def _refused(status: int, content: bytes) -> Refused:
    text = content.decode("utf-8", "replace")
    if text.startswith(wire.STREAM):
        # A model's own error, which a stream tells with 400.
        return Refused(http.client.INTERNAL_SERVER_ERROR, _error(text[len(wire.STREAM) :]))
    return Refused(status, _error(text))


def _error(text: str) -> str:
    try:
        return _REQUEST_ID.sub("", str(json.loads(text)["error"]))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return text.strip() or "no reason given"
