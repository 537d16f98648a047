"""A port of a pod on loopback, by `kubectl port-forward`, for as long as somebody asks there."""

import queue
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from slipway.cli.kubectl import Kubectl, KubectlError, refusal

_STARTS_SECONDS: Final = 20.0
_FORWARDS: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) -> ")


@contextmanager
def forwarded(kubectl: Kubectl, pod: str, port: int) -> Iterator[int]:
    """The port on loopback. KubectlError where kubectl refuses, or does not listen in time."""
    words = ("port-forward", f"pod/{pod}", f":{port}", "--address=127.0.0.1")
    with kubectl.start(*words, with_complaints=True) as process:
        try:
            assert process.stdout
            yield _listening(process.stdout)
        finally:
            process.terminate()


def _listening(said: IO[str]) -> int:
    """What it says goes on being read: it says something of each connection, and would wait for a reader."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(said, lines), daemon=True).start()
    complaint = ""
    with suppress(queue.Empty):
        while (line := lines.get(timeout=_STARTS_SECONDS)) is not None:
            if forwards := _FORWARDS.match(line):
                return int(forwards[1])
            complaint += line
        raise refusal(complaint)
    raise KubectlError(f"kubectl port-forward does not listen within {_STARTS_SECONDS:g} s")


def _read(said: IO[str], lines: "queue.SimpleQueue[str | None]") -> None:
    with suppress(ValueError, OSError):  # closed at the end
        for line in said:
            lines.put(line)
    lines.put(None)
