"""Rollouts, told side by side: a story waits for pods far more than it works, so all of a file begin at once.

They share one operator and one namespace; each has ModelDeployments of its own.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from testbed.operating import OperatorProcess
from tests.stories.story import Story


class Telling:
    """The stories of one file, under way."""

    def __init__(self, items: list[pytest.Function], story: Story) -> None:
        self._pool = ThreadPoolExecutor(len(items), "story")
        self._told: dict[str, Future[None]] = {
            item.nodeid: self._pool.submit(item.obj, **_arguments(item, story)) for item in items
        }

    def end_of(self, item: pytest.Item) -> None:
        """Wait for one of them; raises what it raised."""
        self._told[item.nodeid].result()

    def close(self) -> None:
        """Wait for those that nobody asked for any more."""
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module", autouse=True)
def telling(request: pytest.FixtureRequest, story: Story, operator: OperatorProcess) -> Iterator[Telling]:
    """All stories of the file that were chosen."""
    items = [item for item in request.session.items if item.path == request.path and isinstance(item, pytest.Function)]
    begun = Telling(items, story)
    yield begun
    begun.close()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """A test is its story, which has begun already."""
    telling = pyfuncitem.funcargs["telling"]
    assert isinstance(telling, Telling)
    telling.end_of(pyfuncitem)
    return True


def _arguments(item: pytest.Function, story: Story) -> dict[str, Any]:
    """Stories take `story`, and what they are parametrized with."""
    return {"story": story, **(item.callspec.params if hasattr(item, "callspec") else {})}
