"""Threads for what waits for a store."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager


@contextmanager
def threads(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """So many of them. What has failed begins nothing more; whoever ends the program waits for no answer either."""
    made = ThreadPoolExecutor(count, name)
    try:
        yield made
    except BaseException as error:
        made.shutdown(wait=isinstance(error, Exception), cancel_futures=True)
        raise
    made.shutdown()
