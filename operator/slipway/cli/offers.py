"""Rounds of requests within a pod: the program that makes them runs there by `kubectl exec`, for as long as somebody
asks for rounds."""

import base64
import json
import os
import queue
import select
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from typing import IO, Any, Final, Self
from urllib.parse import quote

from slipway.cli.kubectl import DeniedError, Kubectl, NoApiError, refusal
from slipway.cli.rates import Ask, Round
from slipway.cli.text import plain
from slipway.core.names import SERVER_CONTAINER
from slipway.guard import wire
from slipway.guard.golden import GoldenRequest

_READS_ITSELF: Final = "import json, sys; exec(compile(json.loads(sys.stdin.readline()), 'offering', 'exec'))"
"""The program comes by standard input: words of a command go into an address, which may be too long on the way."""
_LARGEST_LINE: Final = 64 << 10
_MOST_UNREAD: Final = 64
"""Lines that nobody has asked for. Whoever has the pod may write without an end."""
_MOST_REQUESTS: Final = 10**9
_WORDS: Final = 300
"""Of the first failure."""
_LAST_WORDS: Final = 4096
_LAST_SECONDS: Final = 1.0
_RIGHTS: Final = ("no right to create pods/exec:", "no right to get pods:")
"""Those that kubectl takes for it. Its words and the pod's come by the same way: of others the pod spoke."""
MOST_BYTES: Final = 16 << 20
"""Of all requests together."""
SLACK_SECONDS: Final = 5.0
"""What a round may take beside its own time: kubectl, and a pod that has little CPU."""


class PodGoneError(Exception):
    """The program in the pod has ended, and its container with it or not: in kubectl's words."""


class LateError(Exception):
    """A round did not end in its time, or nobody read in time what it is."""


@dataclass(frozen=True, kw_only=True)
class Offers:
    """The program in the pod."""

    stdin: IO[str]
    lines: "queue.SimpleQueue[str | None]"
    objective: float
    """Seconds: an answer above it is late."""
    patience: float
    """Seconds for an answer."""

    @classmethod
    @contextmanager
    def within(
        cls,
        kubectl: Kubectl,
        pod: str,
        model: str,
        requests: Sequence[GoldenRequest],
        *,
        objective: float,
        patience: float,
        seconds: float,
    ) -> Iterator[Self]:
        """In a pod's server container; it ends there after so many seconds, whatever becomes of who asked. LateError
        where the pod has not read by then what it is to ask."""
        until = time.monotonic() + seconds
        words = ("exec", "-i", pod, f"--container={SERVER_CONTAINER}", "--", "python3", "-c", _READS_ITSELF)
        with kubectl.start(*words, with_complaints=True, fed=True) as process:
            try:
                assert process.stdin
                assert process.stdout
                lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
                # Of its own: closing a file waits for its reader, and what kubectl has started may hold the pipe open.
                said = os.fdopen(os.dup(process.stdout.fileno()), encoding="utf-8", errors="replace")
                threading.Thread(target=_read, args=(said, lines), daemon=True).start()
                made = cls(stdin=process.stdin, lines=lines, objective=objective, patience=patience)
                made.say(resources.files("slipway.guard").joinpath("offering.py").read_text("utf-8"), until)
                asked = [_encoded(request) for request in requests]
                path = f"/v2/models/{quote(model, safe='')}/infer"
                made.say({"path": path, "requests": asked, "seconds": seconds + 1}, until)
                yield made
            finally:
                process.kill()
                with suppress(OSError):  # what was not read there cannot be written any more
                    process.stdin.close() if process.stdin else None

    def say(self, what: Any, until: float) -> None:
        """A line for the program. LateError where nobody has read it by then, on the monotonic clock."""
        try:
            _write(self.stdin.fileno(), f"{json.dumps(what)}\n".encode(), until)
        except (OSError, ValueError):
            raise self._gone() from None

    def round(self, ask: Ask, left: float) -> Round:
        """Make a round. LateError where it is not over within its time or the seconds that are left, PodGoneError where
        the program is gone."""
        until = time.monotonic() + max(0.1, min(left, ask.seconds + self.patience + SLACK_SECONDS))
        self.say({"rate": ask.rate, "seconds": ask.seconds, "limit": self.objective, "patience": self.patience}, until)
        try:
            line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            raise LateError from None
        result = _read_round(line, ask)
        if result is None:
            raise self._gone(line or "")
        return result

    def _gone(self, words: str = "") -> Exception:
        """What kubectl says of it. That a right is missing is no pod's fault."""
        until = time.monotonic() + _LAST_SECONDS
        with suppress(queue.Empty):
            while len(words) < _LAST_WORDS:
                line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
                if line is None:
                    break
                words += line
        refused = refusal(words[:_LAST_WORDS])
        if isinstance(refused, DeniedError | NoApiError):
            own = str(refused).startswith(_RIGHTS)
            return refused if own else PodGoneError(f"kubectl: {plain(words[:_LAST_WORDS])}")
        return PodGoneError(str(refused))


def encodable(request: GoldenRequest) -> bool:
    """Whether it can be asked alone, again and again."""
    return not request.then and all(0 not in tensor.shape for tensor in request.inputs)


def _encoded(request: GoldenRequest) -> dict[str, Any]:
    outputs = [output.name for output in request.outputs] or None
    body, headers = wire.infer_request(request.inputs, request.parameters, outputs)
    return {"headers": headers, "body": base64.b64encode(body).decode()}


def first_within(requests: Iterable[GoldenRequest], most_bytes: int = MOST_BYTES) -> list[GoldenRequest]:
    """The first ones that have so many bytes together, as they are sent. Each is encoded once, and none of the rest."""
    sizes, kept = 0, list[GoldenRequest]()
    for request in requests:
        sizes += len(_encoded(request)["body"])
        if sizes > most_bytes:
            break
        kept.append(request)
    return kept


def _write(pipe: int, line: bytes, until: float) -> None:
    """Write it all, past any buffer. Whoever never reads fills the pipe, and a write would wait for ever."""
    os.set_blocking(pipe, False)
    left = memoryview(line)
    while left:
        seconds = until - time.monotonic()
        if seconds <= 0:
            raise LateError
        if select.select([], [pipe], [], seconds)[1]:
            with suppress(BlockingIOError):
                left = left[os.write(pipe, left) :]


def _read(said: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    with said, suppress(ValueError, OSError):
        while lines.qsize() < _MOST_UNREAD and (line := said.readline(_LARGEST_LINE)):
            lines.put(line)
    lines.put(None)


def _read_round(line: str | None, ask: Ask) -> Round | None:
    """The pod may write what it likes: what is no round is none."""
    try:
        said = json.loads(line or "")
        return Round(
            rate=ask.rate,
            confirming=ask.confirming,
            sent=_count(said["sent"]),
            answered=_count(said["answered"]),
            failed={str(kind)[:64]: _count(count) for kind, count in list(said["failed"].items())[:16]},
            seconds=_seconds(said["seconds"]) or 0,
            p50=_seconds(said["p50"]),
            p99=_seconds(said["p99"]),
            late=_seconds(said["late"]),
            words=str(said["words"])[:_WORDS],
            sending=ask.seconds,
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError):
        return None


def _count(value: Any) -> int:
    count = int(value)
    if not 0 <= count < _MOST_REQUESTS:
        raise ValueError(value)
    return count


def _seconds(value: Any) -> float | None:
    number = None if value is None else float(value)
    if number is not None and not 0 <= number < 1e6:
        raise ValueError(value)
    return number
