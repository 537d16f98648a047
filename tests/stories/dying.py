"""`slipway`, but killed by SIGKILL right after its first write was answered: a power cut at its worst moment.

    python dying.py run …

The Lease's writes do not count, and Events do not either: nothing is decided from them.
"""

import os
import signal
from typing import Any

from slipway.controller.kinds import EVENT, LEASE, Kind
from slipway.controller.kube import ApiKube
from slipway.controller.main import main

READS = frozenset({"get", "list"})


def dies() -> None:
    """Stand in for the transport of every ApiKube."""
    real = ApiKube._call

    async def call(kube: ApiKube, verb: str, kind: Kind, **how: Any) -> Any:
        answer = await real(kube, verb, kind, **how)
        if verb not in READS and kind not in (LEASE, EVENT):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    setattr(ApiKube, "_call", call)  # noqa: B010


if __name__ == "__main__":
    dies()
    main()
