"""How fast a source sends, by the time that it is waited for: a byte now and then is as good as none."""

import time
from collections.abc import Callable, Iterator

from slipway.fetch.policy import Policy
from slipway.fetch.verdict import FetchError, Reason


class Pace:
    """Of one stream, over all its connections. The time that the taker needs is not the source's."""

    def __init__(self, policy: Policy, where: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._policy, self._where, self._clock = policy, where, clock
        self._waited = 0.0
        self._came = 0

    def kept(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The same chunks, until they come too slowly: then FetchStalled, which another try at once would not mend."""
        while True:
            asked = self._clock()
            try:
                chunk = next(chunks, None)
            finally:  # also for what did not come
                self._waited += self._clock() - asked
            if chunk is None:
                return
            self._came += len(chunk)
            self._judge()
            yield chunk

    def _judge(self) -> None:
        if self._waited < self._policy.stall_seconds:
            return
        if self._came < self._policy.least_bytes_per_second * self._waited:
            message = f"{self._where}: {self._came} bytes in {self._waited:.0f} s; see to the store or the network"
            raise FetchError(Reason.FETCH_STALLED, message)
        self._waited, self._came = 0.0, 0
