"""The V2 inference protocol over HTTP on the loopback, as much of it as the guard needs; tensors are binary."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
from dataclasses import dataclass
from typing import Any, Iterator, Sequence
from urllib.parse import quote

from . import tensors
from .tensors import Tensor

_HEADER = "Inference-Header-Content-Length"
# What comes from the server is as long as the model likes.
_ANSWER_LIMIT = 256 << 20
_ERROR_LIMIT = 64 << 10
_REQUEST_ID = re.compile(r"^\[request id: [^\]]*\] ")


class Unreachable(Exception):
    """Nobody listens, or the connection broke: the server is not there yet, or there no more."""


class TooSlow(Exception):
    """No answer within the time given."""


class Refused(Exception):
    """The server answered with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Client:
    """One model of one server."""

    port: int
    model: str
    host: str = "127.0.0.1"

    def live(self, timeout_seconds: float) -> bool:
        """Whether the server listens: Triton opens its ports once every model is loaded."""
        return self._works("/v2/health/live", timeout_seconds)

    def model_ready(self, timeout_seconds: float) -> bool:
        """Whether the server has the model."""
        return self._works(f"{self._path()}/ready", timeout_seconds)

    def metadata(self, timeout_seconds: float) -> dict[str, Any]:
        """The model's declared inputs and outputs."""
        body, _ = self._call("GET", self._path(), timeout_seconds)
        found: dict[str, Any] = json.loads(body)
        return found

    def infer(self, inputs: Sequence[Tensor], outputs: Sequence[str], timeout_seconds: float) -> list[Tensor]:
        """The model's answer."""
        raws = [tensors.encode(tensor.datatype, tensor.data) for tensor in inputs]
        header = json.dumps(
            {
                "inputs": [
                    {
                        "name": tensor.name,
                        "datatype": tensor.datatype,
                        "shape": tensor.shape,
                        "parameters": {"binary_data_size": len(raw)},
                    }
                    for tensor, raw in zip(inputs, raws)
                ],
                "outputs": [{"name": name, "parameters": {"binary_data": True}} for name in outputs],
            }
        ).encode()
        headers = {"Content-Type": "application/octet-stream", _HEADER: str(len(header))}
        body, head = self._call("POST", f"{self._path()}/infer", timeout_seconds, header + b"".join(raws), headers)
        return _answer(body, len(body) if head is None else int(head))

    def _path(self) -> str:
        return f"/v2/models/{quote(self.model, safe='')}"

    def _works(self, path: str, timeout_seconds: float) -> bool:
        try:
            self._call("GET", path, timeout_seconds)
        except (Unreachable, TooSlow, Refused):
            return False
        return True

    def _call(
        self, method: str, path: str, timeout_seconds: float, body: bytes | None = None, headers: Any = None
    ) -> tuple[bytes, str | None]:
        with self._connection(timeout_seconds) as connection:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise Refused(response.status, _error(response.read(_ERROR_LIMIT)))
            content = response.read(_ANSWER_LIMIT + 1)
            if len(content) > _ANSWER_LIMIT:
                raise Refused(response.status, f"the answer is larger than {_ANSWER_LIMIT >> 20} MiB")
            return content, response.getheader(_HEADER)

    @contextlib.contextmanager
    def _connection(self, timeout_seconds: float) -> Iterator[http.client.HTTPConnection]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout_seconds)
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


def _answer(body: bytes, header_length: int) -> list[Tensor]:
    at = header_length
    found = []
    for output in json.loads(body[:header_length])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size", 0)
        try:
            data = tensors.decode(output["datatype"], body[at : at + size])
        except ValueError as error:
            raise Refused(http.client.OK, f"output {output['name']}: {error}") from None
        found.append(Tensor(output["name"], output["datatype"], tuple(output["shape"]), data))
        at += size
    return found


def _error(content: bytes) -> str:
    text = content.decode("utf-8", "replace")
    try:
        return _REQUEST_ID.sub("", str(json.loads(text)["error"]))
    except (ValueError, KeyError, TypeError):
        return text.strip() or "no reason given"
