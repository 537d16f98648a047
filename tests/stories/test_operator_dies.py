"""Rule 7: all state is in the API. Killed between any two writes, the next life ends in the same place."""

from typing import Final

import pytest

from testbed.api import Manifest
from tests.stories.dying import NEVER
from tests.stories.rollouts.cell import Cell, changed
from tests.stories.rollouts.model import Model
from tests.stories.story import Story

pytestmark = pytest.mark.plane

REPLICAS: Final = 2
FEWEST: Final = 4
"""Deaths. What falls into one pass is not written one by one, so there are not as many as writes."""


@pytest.fixture(scope="module")
def undisturbed(story: Story) -> Manifest:
    """What a first version and then a second lead to when nobody dies."""
    return _tell(Cell(story, NEVER))


def test_killed_after_every_single_write_it_ends_where_it_would_have_ended(undisturbed: Manifest, story: Story) -> None:
    # given: the end that nobody disturbed (`undisturbed`)
    # when: the operator dies after each write of a first version and of a second
    cell = Cell(story, k=1, again=True)
    end = _tell(cell)

    # then: it ends the same
    assert cell.lives > FEWEST  # it was really killed, and more than once
    assert not changed(undisturbed, end)


def _tell(cell: Cell) -> Manifest:
    """A first version and then a second."""
    cell.comes_to(lambda model: model.apply("1", replicas=REPLICAS), lambda model: _serves(model, "1"))
    end = cell.comes_to(lambda model: model.moves("2"), lambda model: _serves(model, "2"))
    cell.leave()
    return end


def _serves(model: Model, version: str) -> bool:
    return model.story.is_ready(model.name, version)
