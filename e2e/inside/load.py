"""Ask without pause by HTTP and gRPC until standard input ends, and count every answer and every failure.

Told by one line of JSON: {"host": …, "model": …, "x": 3.0, "workers": 2}. Prints `begun` after each protocol's first
answer, and at the end {"http": {"answers": [{"y": …, "count": …, "first": SECONDS, "last": SECONDS}], "failed": …,
"failures": […]}, "grpc": {…}}.

The HTTP client keeps its connection, and opens another when the server has closed the one it kept: it asks again only
when a kept connection ended without a byte of an answer, as HTTP clients do. The gRPC client is Triton's own.
"""

import http.client
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy
import tritonclient.grpc

SECONDS = 10.0
PAUSE_SECONDS = 0.005
FAILURES_KEPT = 20


class Tally:
    """What one protocol's workers saw."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._lock = threading.Lock()
        self._answers: dict[float, dict[str, float]] = {}
        self._failures: list[str] = []
        self.first = threading.Event()

    def answered(self, y: float) -> None:
        """Count an answer."""
        now = round(time.monotonic() - self._begun, 3)
        with self._lock:
            seen = self._answers.setdefault(y, {"count": 0, "first": now, "last": now})
            seen["count"] += 1
            seen["last"] = now
        self.first.set()

    def failed(self, why: str) -> None:
        """Count a request that got no answer."""
        with self._lock:
            self._failures.append(f"{time.monotonic() - self._begun:.3f} s: {why}")

    def told(self) -> dict[str, Any]:
        """The outcome."""
        answers = [{"y": y, **seen} for y, seen in self._answers.items()]
        return {"answers": answers, "failed": len(self._failures), "failures": self._failures[:FAILURES_KEPT]}


class Http:
    """A client that keeps its connection for as long as the server does."""

    def __init__(self, host: str, model: str, x: float) -> None:
        self._host = host
        self._path = f"/v2/models/{model}/infer"
        tensor = {"name": "x", "datatype": "FP32", "shape": [1, 1], "data": [x]}
        self._body = json.dumps({"inputs": [tensor]})
        self._kept: http.client.HTTPConnection | None = None

    def ask(self) -> float:
        """One answer."""
        kept = self._kept
        if kept is not None:
            try:
                return self._answer(kept)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                kept.close()
        self._kept = http.client.HTTPConnection(self._host, 8000, timeout=SECONDS)
        return self._answer(self._kept)

    def _answer(self, connection: http.client.HTTPConnection) -> float:
        connection.request("POST", self._path, self._body)
        response = connection.getresponse()
        text = response.read()
        if response.status != http.client.OK:
            raise http.client.HTTPException(f"{response.status}: {text.decode()[:200]}")
        return float(json.loads(text)["outputs"][0]["data"][0])


class Grpc:
    """Triton's own client, one channel for good."""

    def __init__(self, host: str, model: str, x: float) -> None:
        self._client = tritonclient.grpc.InferenceServerClient(f"{host}:8001")
        self._model = model
        self._input = tritonclient.grpc.InferInput("x", [1, 1], "FP32")
        self._input.set_data_from_numpy(numpy.array([[x]], numpy.float32))

    def ask(self) -> float:
        """One answer."""
        answer = self._client.infer(self._model, [self._input], client_timeout=SECONDS)
        return float(answer.as_numpy("y")[0][0])


def work(make: Callable[[], Http | Grpc], tally: Tally, ended: threading.Event) -> None:
    """One worker: ask, count, until the end. Whatever goes wrong is what it is there to see."""
    client = make()
    while not ended.is_set():
        try:
            tally.answered(round(client.ask(), 4))
        except Exception as error:  # noqa: BLE001
            tally.failed(f"{type(error).__name__}: {error}")
            client = make()
            time.sleep(0.1)
        time.sleep(PAUSE_SECONDS)


def main() -> None:
    """Load until standard input ends."""
    told = json.loads(sys.stdin.readline())
    host, model, x = told["host"], told["model"], told["x"]
    begun, ended = time.monotonic(), threading.Event()
    tallies = {"http": Tally(begun), "grpc": Tally(begun)}
    makers: dict[str, Callable[[], Http | Grpc]] = {
        "http": lambda: Http(host, model, x),
        "grpc": lambda: Grpc(host, model, x),
    }
    workers = [
        threading.Thread(target=work, args=(makers[protocol], tallies[protocol], ended))
        for protocol in makers
        for _ in range(told["workers"])
    ]
    for worker in workers:
        worker.start()
    for tally in tallies.values():
        tally.first.wait(SECONDS)
    print("begun", flush=True)
    sys.stdin.read()
    ended.set()
    for worker in workers:
        worker.join()
    print(json.dumps({protocol: tally.told() for protocol, tally in tallies.items()}), flush=True)


if __name__ == "__main__":
    main()
