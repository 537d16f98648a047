"""The server's output: copied to ours line by line, and remembered for the day that it ends.

Triton's last line when a model cannot load is `failed to load all models`; why stands further up, amid tables.
"""

from __future__ import annotations

import collections
import re
import sys
import threading
from typing import IO

_KEPT_LINES = 20
_LINE_LIMIT = 400
_KEPT_ERRORS = 64
_ERROR_LIMIT = 2_000
# Of a line without an end; more of it is copied, and not looked at.
_PIECE_BYTES = 64 << 10

# `2026-01-31T10:20:30Z E 7009 model_lifecycle.cc:642] "…"`, or by default `E0131 10:20:30.1 7009 file.cc:42] …`
_ERROR = re.compile(r"(?:^\S+ E \d+|^E\d{4} \S+ \d+) \S+\] (?P<text>.*)$")
_LOAD = re.compile(r"failed to load '(?P<model>[^']*)' version (?P<version>\d+): (?P<why>.*)", re.DOTALL)
_BACKEND = re.compile(
    r"unable to find (?:backend library for )?(?:shared library \S+ for )?(?:backend )'?(?P<name>[\w-]+)"
)
_PROTOBUF = re.compile(r"^\[libprotobuf ERROR [^\]]*\] (?P<text>.*)$")
_ARGUMENT = re.compile(r"tritonserver: (?P<text>(?:unrecognized|unknown|invalid|ambiguous) option.*|option .*)$")
# Not about the model: a server without a GPU says it at every start.
_NOISE = ("CudaDriverHelper has not been initialized", "Failed to create instance:", "unable to create cuda")
_TABLE = re.compile(r"^(\||\+-)")
_TRACE = re.compile(r"\n\s*\n?At:\n.*", re.DOTALL)


class Output:
    """Copies one stream to stdout in a thread of its own, and keeps what verdicts quote."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._tail: collections.deque[str] = collections.deque(maxlen=_KEPT_LINES)
        self._errors: list[str] = []
        self._loading = True
        self._argument: str | None = None
        self._usage = False
        self._thread: threading.Thread | None = None

    def follow(self, stream: IO[bytes]) -> None:
        """Start copying."""
        self._thread = threading.Thread(target=self._copy, args=(stream,), name="output", daemon=True)
        self._thread.start()

    def finish(self, timeout_seconds: float) -> None:
        """Wait until the server's last line has been copied."""
        if self._thread is not None:
            self._thread.join(timeout_seconds)

    def note(self, line: str) -> None:
        """Remember one line."""
        if line.strip() and not _TABLE.match(line):
            self._tail.append(line[:_LINE_LIMIT])
        match = _ERROR.search(line) or _PROTOBUF.search(line)
        if match and not any(noise in line for noise in _NOISE):
            self._remember(_unquoted(match["text"])[:_ERROR_LIMIT])
        argument = _ARGUMENT.search(line)
        if argument and self._argument is None:
            self._argument = argument["text"][:_ERROR_LIMIT]
        self._usage = self._usage or line.startswith("Usage: tritonserver")

    def loaded(self) -> None:
        """The model has answered: from now on nobody asks why it could not be loaded."""
        self._loading = False
        self._errors = []

    def refused_arguments(self) -> str | None:
        """Triton's words about an argument that it does not take; it says little of a bad value."""
        if self._argument is not None:
            return self._argument
        return "a value is not of the argument's type" if self._usage else None

    def why_not_loaded(self) -> str | None:
        """Triton's own words for a model that it could not load."""
        for text in self._errors:
            match = _LOAD.search(text)
            if match:
                why = _TRACE.sub("", match["why"]).strip()
                return f"failed to load '{match['model']}' version {match['version']}: {why}"
        return "; ".join(_TRACE.sub("", text).strip() for text in self._errors[:3]) or None

    def missing_backend(self) -> str | None:
        """The backend that the model asks for and this server has not."""
        match = next(filter(None, map(_BACKEND.search, self._errors)), None)
        return match["name"] if match else None

    def last_words(self, lines: int = 8) -> str:
        """The last lines as they were."""
        return "\n".join(list(self._tail)[-lines:]) or "(it said nothing)"

    def _remember(self, error: str) -> None:
        """The first error is the cause. A model may log any number of its own before Triton says what became of it."""
        room = 2 * _KEPT_ERRORS if _LOAD.search(error) else _KEPT_ERRORS
        if self._loading and len(self._errors) < room:
            self._errors.append(error)

    def _copy(self, stream: IO[bytes]) -> None:
        begins, held = True, b""
        while True:
            raw = stream.readline(_PIECE_BYTES)
            ends = not raw or raw.endswith(b"\n")
            piece = (held + raw).replace(self._secret, b"***")
            # Of a line that goes on the secret may have begun.
            cut = len(piece) if ends else max(0, len(piece) - len(self._secret) + 1)
            piece, held = piece[:cut], piece[cut:]
            if begins and piece:
                self.note(piece.decode("utf-8", "replace").rstrip("\n"))
            begins = ends or (begins and not piece)
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            if not raw:
                return


def _unquoted(text: str) -> str:
    """Triton writes messages in quotes, with line breaks as `\\n`."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1].replace("\\n", "\n").replace('\\"', '"').replace("\\\\", "\\")
    return text
