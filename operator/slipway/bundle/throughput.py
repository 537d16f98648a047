"""How many rows a second a server answers, by the number of rows that are asked at once.

The rows are those of a golden request. They are encoded once, and each client has one connection and asks again as soon
as it is answered, so what is measured is the server and one hop of HTTP.
"""

import http.client
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from slipway.bundle.errors import BundleError
from slipway.fetch import layout
from slipway.guard import golden, wire
from slipway.guard.arguments import HTTP_BODY_BYTES
from slipway.guard.golden import GoldenRequest
from slipway.guard.settings import REPOSITORY
from slipway.guard.tensors import Tensor
from slipway.triton import config

_TIMEOUT_SECONDS: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Load:
    """How it is asked."""

    seconds: float
    """For each size of batch."""
    clients: int = 1


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """One size of batch."""

    batch: int
    """Rows of a request; 0 for a model without batches."""
    per_second: float
    """Rows, or answers of a model without batches."""
    median_seconds: float
    p99_seconds: float

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "batch": self.batch,
            "perSecond": round(self.per_second, 1),
            "medianMilliseconds": round(self.median_seconds * 1000, 3),
            "p99Milliseconds": round(self.p99_seconds * 1000, 3),
        }


def cannot(root: Path, model: str) -> str | None:
    """Why a laid-out bundle cannot be measured so, or None."""
    configuration = config.parse(_config(root, model))
    if configuration.HasField("sequence_batching"):
        return "the model keeps state by sequence, and single requests say nothing of it"
    if configuration.model_transaction_policy.decoupled:
        return "the model answers in streams (decoupled)"
    if _request(root) is None:
        return "the bundle has no golden request whose rows could be asked"
    return None


def sizes(most: int) -> list[int]:
    """1, 2, 4 … and the most; 0 alone for a model without batches."""
    return sorted({most, *(2**power for power in range(most.bit_length()))}) if most else [0]


def measure(root: Path, port: int, model: str, load: Load) -> list[Throughput]:
    """Ask every size of batch, for as long as it says each; those whose request would be too large are left out."""
    most = config.parse(_config(root, model)).max_batch_size
    request = _request(root)
    assert request is not None
    encoded = (_encoded(request, size, port, model) for size in sizes(most))
    return [_measured(each, load) for each in encoded if len(each.body) <= HTTP_BODY_BYTES]


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A request as it goes over the wire, again and again."""

    batch: int
    port: int
    path: str
    headers: Mapping[str, str]
    body: bytes

    def ask(self, seconds: float) -> list[float]:
        """How long each answer took. The first one is not counted: it may find things cold."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_SECONDS)
        try:
            self._answer(connection)
            return list(self._answers(connection, seconds))
        except (OSError, http.client.HTTPException) as error:
            raise BundleError(f"the server does not answer under load: {error or type(error).__name__}") from None
        finally:
            connection.close()

    def _answers(self, connection: http.client.HTTPConnection, seconds: float) -> Iterator[float]:
        end = time.perf_counter() + seconds
        while True:
            begun = time.perf_counter()
            self._answer(connection)
            yield (now := time.perf_counter()) - begun
            if now >= end:
                return

    def _answer(self, connection: http.client.HTTPConnection) -> None:
        connection.request("POST", self.path, self.body, dict(self.headers))
        response = connection.getresponse()
        content = response.read()
        if response.status != http.client.OK:
            words = content[:400].decode(errors="replace")
            raise BundleError(f"under load the server answered {response.status}: {words}")


def _measured(request: Encoded, load: Load) -> Throughput:
    with ThreadPoolExecutor(load.clients, "client") as clients:
        asked = [clients.submit(request.ask, load.seconds) for _ in range(load.clients)]
        taken = [each.result() for each in asked]
    all_taken = np.array([seconds for times in taken for seconds in times])
    rate = sum(len(times) / sum(times) for times in taken)
    return Throughput(
        batch=request.batch,
        per_second=rate * max(request.batch, 1),
        median_seconds=float(np.median(all_taken)),
        p99_seconds=float(np.quantile(all_taken, 0.99)),
    )


def _request(root: Path) -> GoldenRequest | None:
    """The first golden request that has rows."""
    requests = golden.load(root, root / "config")
    return next((each for each in requests if all(0 not in tensor.shape for tensor in each.inputs)), None)


def _encoded(request: GoldenRequest, size: int, port: int, model: str) -> Encoded:
    """The request with this many rows, which begin anew where there are fewer."""
    inputs = [_of_size(tensor, size) if size else tensor for tensor in request.inputs]
    body, headers = wire.infer_request(inputs, request.parameters)
    path = f"/v2/models/{model}/infer"
    return Encoded(batch=size, port=port, path=path, headers=headers, body=body)


def _of_size(tensor: Tensor, size: int) -> Tensor:
    count = tensor.shape[0]
    width = len(tensor.data) // count
    rows: Sequence[Any] = [tensor.data[row * width : (row + 1) * width] for row in range(count)]
    data = tuple(value for index in range(size) for value in rows[index % count])
    return Tensor(tensor.name, tensor.datatype, (size, *tensor.shape[1:]), data)


def _config(root: Path, model: str) -> str:
    return (root / REPOSITORY / model / layout.CONFIG).read_text()
