"""Killed after its k-th write, for every k: a rollout, and the way back out of one that failed in the middle.

Each k has a namespace and an operator of its own (cell.py), and many of them run at once.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from tests.stories.dying import NEVER
from tests.stories.rollouts.cell import PODS, Cell, changed
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

ROLLING: Final = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
AT_ONCE: Final = 5


def _matrix(story: Story, k_max: int, *tale: Any) -> None:
    """Tell it for every k, and once for a k that is never reached; all ends must be the same."""
    cells = [Cell(story, k, rollout=ROLLING) for k in (NEVER, *range(1, k_max + 1))]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        undisturbed, *ends = pool.map(lambda cell: cell.tell(*tale), cells)
    killed = [cell.k for cell in cells[1:] if len(cell.writes) == cell.k]
    assert len(cells[0].writes) < k_max, cells[0].writes  # there is no write without its k
    assert len(killed) >= len(cells[0].writes) * 3 // 4, killed  # what falls into one pass is written once
    pairs = zip(cells[1:], ends, strict=True)
    different = {cell.k: differs for cell, end in pairs if (differs := changed(undisturbed, end))}
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
