"""The plane that stories are told on, and the ways to begin one."""

from collections.abc import Callable, Generator, Iterator
from typing import Final

import pytest

from testbed.api import Api
from testbed.operating import OperatorProcess
from testbed.plane import Plane
from tests.stories.story import Story

LINES_SHOWN: Final = 40
Figures = dict[str, str]
"""What a story has measured, in words, by what it is."""


@pytest.fixture(scope="session")
def story_plane(cluster_plane: Plane) -> Plane:
    """A whole control plane with kwok's pods, and two nodes without a GPU."""
    return cluster_plane


@pytest.fixture(scope="session")
def story_api(story_plane: Plane) -> Iterator[Api]:
    """Its API server, as a user who may do anything."""
    with Api(story_plane) as api:
        yield api


@pytest.fixture(scope="module")
def story(story_plane: Plane, story_api: Api) -> Iterator[Story]:
    """A namespace for the stories of one file."""
    begun = Story(story_plane, story_api).begin()
    yield begun
    begun.kubectl("delete", "modeldeployments", "--all", "--wait=false")


@pytest.fixture(scope="module")
def operator(story_plane: Plane, story: Story) -> Iterator[OperatorProcess]:
    """An operator for that namespace."""
    with OperatorProcess(story_plane, namespaces=[story.namespace]) as running:
        yield running


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Iterator[Figures]:
    """For the summary at the end of the run."""
    found: Figures = {}
    yield found
    record_property("figures", found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A story that fails shows what its operator said last, and the two that spoke last."""
    report = yield
    found = getattr(item, "funcargs", {})
    plane, own = found.get("story_plane"), found.get("operator")
    if report.failed and isinstance(plane, Plane):
        latest = sorted(plane.dir.glob("slipway-*.log"), key=lambda path: path.stat().st_mtime)[-2:]
        for log in {*latest, own.log_path} if isinstance(own, OperatorProcess) else latest:
            said = log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
            report.sections.append((log.name, "\n".join(said)))
    return report
