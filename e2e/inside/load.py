"""Ask without pause by HTTP and gRPC, and count every answer and every failure.

`load.py start FOLDER TOLD` goes on in the background, and returns after each protocol's first answer. TOLD is JSON:
{"host": …, "model": …, "x": 3.0, "workers": 2}. `load.py end FOLDER` ends it and prints {"http": {"answers":
[{"y": …, "count": …, "first": SECONDS, "last": SECONDS}], "failed": …, "failures": […]}, "grpc": {…}}. Two short
commands and no long one: a stream into a pod may break when the machine is busy.

The HTTP client keeps its connection, and opens another when the server has closed the one it kept: it asks again only
when a kept connection ended without a byte of an answer, as HTTP clients do. The gRPC client is Triton's own.
"""

import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import tritonclient.grpc

SECONDS = 10.0
PAUSE_SECONDS = 0.005
FAILURES_KEPT = 20
POLL_SECONDS = 0.1
END_SECONDS = 3 * SECONDS


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


def start(folder: Path, told: str) -> None:
    """Go on in the background, and come back when both protocols had an answer."""
    folder.mkdir()
    with (folder / "log").open("w") as log:
        subprocess.Popen(
            [sys.executable, __file__, "run", str(folder), told],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    _wait_for(folder / "begun")


def run(folder: Path, told: str) -> None:
    """Load until the folder says `end`."""
    asked = json.loads(told)
    host, model, x = asked["host"], asked["model"], asked["x"]
    begun, ended = time.monotonic(), threading.Event()
    tallies = {"http": Tally(begun), "grpc": Tally(begun)}
    makers: dict[str, Callable[[], Http | Grpc]] = {
        "http": lambda: Http(host, model, x),
        "grpc": lambda: Grpc(host, model, x),
    }
    workers = [
        threading.Thread(target=work, args=(makers[protocol], tallies[protocol], ended))
        for protocol in makers
        for _ in range(asked["workers"])
    ]
    for worker in workers:
        worker.start()
    for tally in tallies.values():
        tally.first.wait(SECONDS)
    (folder / "begun").touch()
    while not (folder / "end").exists():
        time.sleep(POLL_SECONDS)
    ended.set()
    for worker in workers:
        worker.join()
    seen = folder / "seen.part"
    seen.write_text(json.dumps({protocol: tally.told() for protocol, tally in tallies.items()}))
    seen.rename(folder / "seen")


def end(folder: Path) -> None:
    """End it and say what came of it."""
    (folder / "end").touch()
    _wait_for(folder / "seen")
    print((folder / "seen").read_text())


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not file.exists():
        if time.monotonic() > deadline:
            sys.exit(f"no {file.name} within {END_SECONDS:g} s: {(file.parent / 'log').read_text()}")
        time.sleep(POLL_SECONDS)


COMMANDS: dict[str, Callable[..., None]] = {"start": start, "run": run, "end": end}

if __name__ == "__main__":
    COMMANDS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
