"""Offers a server requests at a rate, from within its pod, where no tunnel and no network is measured with it.

`slipway fit` sends this file to the pod's Python, whichever operator has made the pod, so it stands alone. It reads
lines of JSON: first what is asked, then a round for each line; and writes a line for each. It ends with its standard
input, and at the latest when it was told to.

It is an open loop: requests leave when they are due, as of many clients that know nothing of each other, however slow
the answers are; and a latency counts from the time that a request was due.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import queue
import random
import sys
import threading
import time
from typing import Any, Tuple

MOST_OPEN = 1000
"""Requests on their way at a time. More says that the server does not keep up."""
_LATE_OF = 100
"""One request in so many may be late: then it is known that a round does not hold, and it ends."""
_LARGEST_ANSWER = 64 << 20
_HEAD_BYTES = 64 << 10
_WORDS = 300


class Failed(Exception):
    """A request without an answer: of which kind, and why."""

    def __init__(self, kind: str, words: str = "") -> None:
        super().__init__(words)
        self.kind = kind


Connection = Tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Server:
    """The server, asked over connections that are kept."""

    def __init__(self, asked: dict[str, Any], host: str, port: int) -> None:
        self._host, self._port = host, port
        self._requests = [_encoded(asked["path"], each) for each in asked["requests"]]
        self._idle: list[Connection] = []

    async def ask(self, number: int, seconds: float) -> None:
        """Ask once, the requests in turn. Failed where no answer came."""
        try:
            await asyncio.wait_for(self._answered(self._requests[number % len(self._requests)]), seconds)
        except asyncio.TimeoutError:
            raise Failed("timeout", f"no answer within {seconds:g} s") from None

    async def _answered(self, request: bytes) -> None:
        reader, writer = self._idle.pop() if self._idle else await self._connected()
        kept = False
        try:
            writer.write(request)
            await writer.drain()
            status, body = await _answer(reader)
            kept = True
        except (OSError, asyncio.IncompleteReadError) as error:
            raise Failed("closed", str(error) or type(error).__name__) from None
        except (asyncio.LimitOverrunError, ValueError) as error:
            raise Failed("unreadable", str(error)) from None
        finally:
            if kept:
                self._idle.append((reader, writer))
            else:
                writer.close()
        if status != 200:
            raise Failed(f"status {status}", body[:_WORDS].decode("utf-8", "replace"))

    async def _connected(self) -> Connection:
        try:
            return await asyncio.open_connection(self._host, self._port, limit=_HEAD_BYTES)
        except OSError as error:
            raise Failed("connect", str(error)) from None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Status and body."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = int(fields["content-length"]) if "content-length" in fields else -1
    if not 0 <= size <= _LARGEST_ANSWER:
        raise ValueError(f"an answer of no length, or above {_LARGEST_ANSWER >> 20} MiB")
    return int(first.split(" ")[1]), await reader.readexactly(size)


def _encoded(path: str, request: dict[str, Any]) -> bytes:
    body = base64.b64decode(request["body"])
    fields = {"Host": "localhost", "Content-Length": str(len(body)), **request["headers"]}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + body


class Round:
    """One rate for some seconds; a rate of 0 asks one request at a time."""

    def __init__(self, server: Server, wanted: dict[str, Any]) -> None:
        self._server = server
        self._rate, self._seconds = float(wanted["rate"]), float(wanted["seconds"])
        self._limit, self._patience = float(wanted["limit"]), float(wanted["patience"])
        self._begun = time.monotonic()
        self._sent = self._open = self._bad = 0
        self._latencies: list[float] = []
        self._late: list[float] = []
        self._failed: dict[str, int] = {}
        self._words = ""

    async def run(self) -> dict[str, Any]:
        """Offer it, and wait for what is still to come."""
        await (self._offer() if self._rate else self._one_at_a_time())
        return {
            "sent": self._sent,
            "answered": len(self._latencies),
            "failed": self._failed,
            "words": self._words,
            "seconds": time.monotonic() - self._begun,
            "p50": _quantile(self._latencies, 0.5),
            "p99": _quantile(self._latencies, 0.99),
            "late": _quantile(self._late, 0.99),
        }

    async def _one_at_a_time(self) -> None:
        while time.monotonic() - self._begun < self._seconds and not self._failed:
            self._sent += 1
            await self._ask(time.monotonic())

    async def _offer(self) -> None:
        chance, due = random.Random(self._rate), self._begun  # noqa: S311 - no secret
        waiting: set[asyncio.Future[None]] = set()
        most = int(self._rate * self._seconds / _LATE_OF) + 1
        while due < self._begun + self._seconds and self._bad <= most:
            now = time.monotonic()
            if due > now:
                await asyncio.sleep(due - now)
            self._sent += 1
            if self._open < MOST_OPEN:
                task = asyncio.ensure_future(self._ask(due))
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                await asyncio.sleep(0)
            else:
                self._fail(Failed("not sent", f"{MOST_OPEN} requests wait for their answers"))
            due += chance.expovariate(self._rate)
        while waiting:
            await asyncio.wait(set(waiting))

    async def _ask(self, due: float) -> None:
        self._open += 1
        self._late.append(time.monotonic() - due)
        try:
            await self._server.ask(self._sent, self._patience)
            latency = time.monotonic() - due
            self._latencies.append(latency)
            self._bad += latency > self._limit
        except Failed as failed:
            self._fail(failed)
        finally:
            self._open -= 1

    def _fail(self, failed: Failed) -> None:
        self._bad += 1
        self._failed[failed.kind] = self._failed.get(failed.kind, 0) + 1
        self._words = self._words or str(failed)[:_WORDS]


def _quantile(values: list[float], part: float) -> float | None:
    """The smallest that so many do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-part * len(ordered) // 1) - 1)] if ordered else None


def _follow(lines: queue.SimpleQueue[str]) -> None:
    """Whoever asked is gone: so is this."""
    for line in sys.stdin:
        lines.put(line)
    os._exit(0)


def main() -> None:
    """Make a round for each line."""
    asked = json.loads(sys.stdin.readline())
    ends = threading.Timer(float(asked["seconds"]), os._exit, (0,))
    ends.daemon = True
    ends.start()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_follow, args=(lines,), daemon=True).start()
    host = "::1" if ":" in os.environ.get("SLIPWAY_POD_IP", "") else "127.0.0.1"
    server = Server(asked, host, int(os.environ.get("SLIPWAY_HTTP_PORT", "8000")))
    loop = asyncio.new_event_loop()
    while True:
        result = loop.run_until_complete(Round(server, json.loads(lines.get())).run())
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
