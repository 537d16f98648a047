"""What a person sees while things are brought up: one line a step, and progress where a step is long.

On a terminal a long step shows a spinner with what it is at; in a log it says every minute that it is still at it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

console = Console(highlight=False, soft_wrap=True)
HEARTBEAT_SECONDS = 60.0


class MissingError(Exception):
    """Something essential is not on this machine. The message is one sentence: what, and how to get it."""


def step(text: str) -> None:
    """One line with the time of day."""
    console.print(f"[dim]{datetime.now(UTC):%H:%M:%S}[/dim]  {escape(text)}")


@contextlib.contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """A long step. Yields a function that says how far it is; ends with the seconds it took."""
    began = last = time.monotonic()
    step(f"{text} …")
    with console.status(escape(text)) as status:

        def tell(detail: str) -> None:
            nonlocal last
            now = time.monotonic()
            status.update(f"{escape(text)}: {escape(detail)} ({now - began:.0f} s)")
            if not console.is_terminal and now - last >= HEARTBEAT_SECONDS:
                last = now
                step(f"… {detail} ({now - began:.0f} s)")

        yield tell
    step(f"{text}: {time.monotonic() - began:.0f} s")
