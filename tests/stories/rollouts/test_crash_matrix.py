"""Killed after its k-th write, for every k: a rollout, and the way back out of one that failed in the middle.

Each k has a namespace and an operator of its own (cell.py), and many of them run at once.
"""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import pytest

from testbed.api import Manifest
from tests.stories.dying import NEVER
from tests.stories.rollouts.cell import PODS, Cell, changed
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
AT_ONCE: Final = 5
CERTAIN: Final = 8
"""So many writes each tale has. Which k come after them is known when the one that nobody disturbs has ended."""
SLACK: Final = 2
"""Writes that a disturbed one may have more by its k-th."""


def _matrix(story: Story, most_writes: int, *tale: Any) -> None:
    """Tell it once undisturbed, and for each k that is a write of it; all ends must be the same."""
    undisturbed, killed = Cell(story, NEVER, rollout=ROLLING), list[Cell]()
    ends = list[Future[Manifest]]()
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def tell(ks: range) -> None:
            cells = [Cell(story, k, rollout=ROLLING) for k in ks]
            killed.extend(cells)
            ends.extend(pool.submit(cell.tell, *tale) for cell in cells)

        first = pool.submit(undisturbed.tell, *tale)
        tell(range(1, CERTAIN + 1))
        end, writes = first.result(), len(undisturbed.writes)
        assert CERTAIN <= writes <= most_writes, undisturbed.writes
        tell(range(CERTAIN + 1, writes + SLACK + 1))  # there is no write without its k
    died = [cell.k for cell in killed if len(cell.writes) == cell.k]
    assert len(died) >= writes * 3 // 4, died  # what falls into one pass is written once
    pairs = zip(killed, (told.result() for told in ends), strict=True)
    different = {cell.k: differs for cell, other in pairs if (differs := changed(end, other))}
    assert not different, str(different)


def test_a_rollout_ends_the_same_whichever_write_was_the_operators_last(story: Story) -> None:
    # given: version 1 serves, with an operator for each k, and each operator dies after its k-th write
    def done(model: Model) -> bool:
        return model.story.is_ready(model.name, "2")

    # when: version 2 is asked for
    # then: it serves, and every end is the undisturbed one
    _matrix(story, 32, lambda _: None, lambda model: model.moves("2"), done)


def test_a_rollback_ends_the_same_whichever_write_was_the_operators_last(story: Story) -> None:
    # given: version 2 has two of three pods, with an operator for each k, and each operator dies after its k-th write
    # when: all servers of version 2 crash
    # then: version 1 is back, and every end is the undisturbed one
    _matrix(story, 22, _half_way, _fails, _is_back)


def _half_way(model: Model) -> None:
    model.moves("2")
    new = model.shifts()
    model.until("it has two pods", lambda: model.count(new) == 2)


def _fails(model: Model) -> None:
    """The servers of the new version end by themselves, all of them."""
    model.crash(model.candidate())


def _is_back(model: Model) -> bool:
    status = model.status
    refused = (status.get("refused") or {}).get("reason")
    if refused is None and status.get("candidate"):
        _fails(model)
    return refused == "CrashLoop" and status["stable"]["version"] == "1" and status["ready"] == f"{PODS}/{PODS}"
