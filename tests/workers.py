"""Which worker takes which files.

Tests wait more than they work, so there are more workers than cores. A control plane costs eight seconds of a core to
start and a fortieth of one to keep, so files that need one go to workers that have it, and few workers have one. What
only computes gives way to what has deadlines.
"""

import os
from contextlib import suppress
from functools import cache
from typing import Any, Final

from xdist.scheduler import LoadFileScheduling

from testbed.shell import ROOT

ROLLOUTS: Final = "tests/stories/rollouts/"
"""Told at once, so they go to one worker."""
HOLDERS: Final = {"cluster": 2, "gateways": 1, "plane": 1}
"""How many workers may have a control plane with controllers, a bare one that knows the kinds of gateways, and one that
does not, while there is something else to do."""
PATIENT: Final = 10
"""Niceness of tests that wait for nobody, beyond that of the run."""
_NICENESS: Final = os.getpriority(os.PRIO_PROCESS, 0)


class ByControlPlane(LoadFileScheduling):  # type: ignore[misc]
    """A worker takes a file at a time, one for which it need not start a control plane if there is such a file."""

    def __init__(self, *of_xdist: Any) -> None:
        super().__init__(*of_xdist)
        self._holders: dict[str, set[Any]] = {plane: set() for plane in HOLDERS}

    def _split_scope(self, nodeid: str) -> str:
        return ROLLOUTS if nodeid.startswith(ROLLOUTS) else nodeid.split("::", 1)[0]

    def _assign_work_unit(self, node: Any) -> None:
        file = min(self.workqueue, key=lambda file: self._cost(node, plane_of(file)))
        if plane := plane_of(file):
            self._holders[plane].add(node)
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)

    def _cost(self, node: Any, plane: str) -> int:
        holders = self._holders.get(plane, set())
        return cost(plane, has_it=node in holders, holders=len(holders))


def cost(plane: str, *, has_it: bool, holders: int) -> int:
    """What it costs that a worker takes a file. Of those that cost the same, the first in the queue is taken."""
    if not plane:
        return 2
    if has_it:
        return 0
    return 1 if holders < HOLDERS[plane] else 3


def place_of(file: str) -> int:
    """Where a file stands in the queue: what waits longest comes first, so that other work can go beside it."""
    if file.startswith(ROLLOUTS):
        return 0
    return 1 if _needs_triton(file) or _is_long(file) else 2


def give_way(file: str) -> None:
    """Set this process's niceness for a file's test. Only root may be less nice again; anybody else stays patient."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, _NICENESS + patience(file))


def patience(file: str) -> int:
    """The niceness of a file's tests beyond that of the run."""
    return 0 if plane_of(file) or _needs_triton(file) else PATIENT


@cache
def plane_of(file: str) -> str:
    """The control plane that a file's tests need; empty for none."""
    if file.startswith("tests/stories/"):
        return "cluster"
    text = _text(file)
    kinds = {"cluster_plane": "cluster", "gateways_plane": "gateways", "mark.plane": "plane"}
    return next((plane for word, plane in kinds.items() if word in text), "")


def _needs_triton(file: str) -> bool:
    return "mark.triton" in _text(file)


def _is_long(file: str) -> bool:
    """It has thousands of objects, or starts operators and waits for what they do."""
    return any(word in _text(file) for word in ("mark.scale", "OperatorProcess"))


@cache
def _text(file: str) -> str:
    return (ROOT / file).read_text()
