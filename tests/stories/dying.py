"""`slipway`, but killed by SIGKILL right after its n-th write was answered: a power cut at its worst moment.

The Lease's writes do not count, and Events do not either: nothing is decided from them.
"""

import ctypes
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes.aio.config import kube_config as aio_config
from kubernetes.config import kube_config as config

from slipway.controller.kinds import EVENT, LEASE, Kind
from slipway.controller.kube import ApiKube
from slipway.program import main

READS: Final = frozenset({"get", "list"})
NEVER: Final = 10**9
PR_SET_PDEATHSIG: Final = 1


@dataclass(kw_only=True)
class Countdown:
    """How many writes are left to live."""

    left: int = 1
    since: Path | None = None
    """Writes count once this file is there."""
    counter: Path | None = None
    """Where those that counted are noted."""

    def wrote(self, what: str) -> None:
        """One write was answered; it may have been the last."""
        if self.since and not self.since.exists():
            return
        if self.counter:
            with self.counter.open("a") as noted:
                noted.write(f"{what}\n")
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


def dies(countdown: Countdown) -> None:
    """Stand in for the transport of every ApiKube."""
    real = ApiKube._call

    async def call(kube: ApiKube, verb: str, kind: Kind, **how: Any) -> Any:
        answer = await real(kube, verb, kind, **how)
        if verb not in READS and kind not in (LEASE, EVENT):
            countdown.wrote(f"{verb} {kind.name}")
        return answer

    setattr(ApiKube, "_call", call)  # noqa: B010


@dataclass(frozen=True, kw_only=True)
class Life:
    """One life of an operator, in a process that was forked where everything is imported already."""

    argv: Sequence[str]
    kubeconfig: Path
    log: Path
    countdown: Countdown

    def begin(self) -> None:
        """Be that operator. It must not outlive a test run that was killed."""
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for known in (aio_config, config):  # both read the environment when they were imported, before the fork
            setattr(known, "KUBE_CONFIG_DEFAULT_LOCATION", str(self.kubeconfig))  # noqa: B010
        said = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(said, 1)
        os.dup2(said, 2)
        dies(self.countdown)
        main(list(self.argv), prog_name="slipway")
