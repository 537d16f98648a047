"""`slipway`, but killed by SIGKILL right after its Nth write was answered: a power cut at its worst moment.

    python dying.py N run …

The Lease's writes do not count, and Events do not either: nothing is decided from them.
"""

import os
import signal
import sys
from typing import Any

from slipway.controller.kinds import EVENT, LEASE, Kind
from slipway.controller.kube import ApiKube
from slipway.controller.main import main

READS = frozenset({"get", "list"})


class Counting:
    """Counts writes as they are answered, and ends the process at the Nth."""

    def __init__(self, writes: int) -> None:
        self._left = writes

    def install(self) -> None:
        """Stand in for the transport of every ApiKube."""
        counting, real = self, ApiKube._call

        async def call(kube: ApiKube, verb: str, kind: Kind, **how: Any) -> Any:
            answer = await real(kube, verb, kind, **how)
            if verb not in READS and kind not in (LEASE, EVENT):
                counting.written()
            return answer

        setattr(ApiKube, "_call", call)  # noqa: B010

    def written(self) -> None:
        """One more write is in the API."""
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Counting(int(sys.argv.pop(1))).install()
    main()
