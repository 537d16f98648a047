"""Rollouts, told side by side: a story waits for pods far more than it works, so many stories of this folder are under
way at once, whatever their file.

Each file has a namespace and an operator of its own, which its stories share, and each story has ModelDeployments of
its own. What a file's stories need beside that is its `world`, a context.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self

import pytest

from testbed.api import Api
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story

HERE: Final = Path(__file__).parent
AT_ONCE: Final = 8
"""Stories under way: more would wait for each other, and miss deadlines of half a minute."""


class File:
    """The stories of one file, under way: a context."""

    def __init__(self, plane: Plane, items: list[pytest.Function], tellers: ThreadPoolExecutor) -> None:
        self._plane, self._items, self._tellers = plane, items, tellers
        self._around = ExitStack()
        self._ends: dict[str, Future[None]] = {}
        self.story: Story
        self.operator: OperatorProcess

    def __enter__(self) -> Self:
        enter = self._around.enter_context
        self.story = Story(self._plane, enter(Api(self._plane))).begin()
        self._around.callback(self.story.kubectl, "delete", "modeldeployments", "--all", "--wait=false")
        self.operator = enter(OperatorProcess(self._plane, namespaces=[self.story.namespace]))
        if world := getattr(self._items[0].module, "world", None):
            enter(world(self.story))
        self._ends = {i.nodeid: self._tellers.submit(i.obj, **_arguments(i, self.story)) for i in self._items}
        self._around.callback(_end, list(self._ends.values()))
        return self

    def __exit__(self, *_: object) -> None:
        self._around.close()

    def end_of(self, item: pytest.Item) -> None:
        """Wait for one of the stories; raises what it raised."""
        self._ends[item.nodeid].result()

    def leave(self, item: pytest.Item) -> None:
        """One of the stories is over; after the last of them its operator has nothing left to do."""
        del self._ends[item.nodeid]
        if not self._ends:
            self._around.close()


@pytest.fixture(scope="session")
def files(request: pytest.FixtureRequest, story_plane: Plane) -> Iterator[dict[Path, File]]:
    """All stories of this folder that were chosen, by their file."""
    chosen: dict[Path, list[pytest.Function]] = {}
    for item in request.session.items:
        if HERE in item.path.parents and isinstance(item, pytest.Function):
            chosen.setdefault(item.path, []).append(item)
    longest_first = sorted(chosen.items(), key=lambda file: not hasattr(file[1][0].module, "Cell"))
    with ThreadPoolExecutor(AT_ONCE, "story") as tellers, ExitStack() as under_way:
        yield {path: under_way.enter_context(File(story_plane, items, tellers)) for path, items in longest_first}


@pytest.fixture(autouse=True)
def file(request: pytest.FixtureRequest, files: dict[Path, File]) -> Iterator[File]:
    """The file of a story."""
    yield files[request.path]
    files[request.path].leave(request.node)


@pytest.fixture
def story(file: File) -> Story:
    """Its namespace."""
    return file.story


@pytest.fixture(autouse=True)
def operator(file: File) -> OperatorProcess:
    """Its operator."""
    return file.operator


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool:
    """A test is its story, which has begun already."""
    file = pyfuncitem.funcargs["file"]
    assert isinstance(file, File)
    file.end_of(pyfuncitem)
    return True


def _end(stories: list[Future[None]]) -> None:
    """Begin none that has not begun, and wait for the others."""
    for story in stories:
        story.cancel()
    wait(stories)


def _arguments(item: pytest.Function, story: Story) -> dict[str, Any]:
    """Stories take `story`, and what they are parametrized with."""
    return {"story": story, **(item.callspec.params if hasattr(item, "callspec") else {})}
