"""A time for the whole of a call: limits of the network's libraries begin anew with each byte that comes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

T = TypeVar("T")


class LateError(TimeoutError):
    """A call has not ended in its time. What it raises itself is never this."""


def within(seconds: float, call: Callable[[], T]) -> T:
    """What a call gives or raises. LateError after so many seconds; nobody waits for what then still goes on."""
    ended: Future[T] = Future()

    def run() -> None:
        try:
            ended.set_result(call())
        # Handed on to whoever waits, whatever it is.
        except BaseException as error:  # noqa: BLE001
            ended.set_exception(error)

    threading.Thread(target=run, name="call", daemon=True).start()
    if not wait([ended], timeout=seconds).done:
        raise LateError(f"no whole answer within {seconds:g} s")
    return ended.result()
