"""What is asked of kopf beside its public names is still there."""

import inspect
import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kopf._cogs.clients import api, fetching
from kopf._cogs.clients import watching as kopf_watching

from slipway.controller import watching
from slipway.controller.kinds import DEPLOYMENT, POD, Kind
from slipway.controller.kube import ForbiddenError, Kube, KubeError, NotFoundError, Page
from slipway.controller.resync import KindsChangedError
from slipway.controller.watching import CANCELLING, TELLS_OF_TRIES, NoMemories, is_first_try, take_over_lists


def test_kopf_reads_what_watches_tell_by_the_library_that_we_gave_it_and_asks_no_more_of_it() -> None:
    assert set(re.findall(r"\bjson\.(\w+)", inspect.getsource(api))) == {"loads"}
    assert json.loads is not api.json.loads  # type: ignore[attr-defined]


def test_the_callback_that_trips_is_still_called_so() -> None:
    assert f"def {CANCELLING}(" in inspect.getsource(api.stream)


async def test_kopf_remembers_nothing_of_an_object() -> None:
    memories = NoMemories()
    await memories.recall({"metadata": {"uid": "one"}}, noticed_by_listing=True, memobase=())
    assert not list(memories.iter_all_memories())


def test_each_watch_of_kopf_still_begins_with_that_list() -> None:
    assert "fetching.fetch_objs(" in inspect.getsource(kopf_watching.continuous_watch)


class FakeLists:
    """An API server that fails as often as it is told to, and then lists two pages."""

    def __init__(self, *failures: KubeError) -> None:
        self._failures = list(failures)

    async def list(self, kind: Kind, namespace: str | None) -> AsyncIterator[Page]:
        yield Page(items=[{"metadata": {"uid": "a", "resourceVersion": "3"}}], resource_version="9")
        if self._failures:
            raise self._failures.pop(0)
        yield Page(items=[{"metadata": {"uid": "b", "resourceVersion": "4"}}], resource_version="9")


async def chunks_of(plural: str, group: str = "") -> list[Any]:
    resource: Any = SimpleNamespace(group=group, version="v1", plural=plural)
    more: Any = {"settings": None, "logger": None, "namespace": "shop"}
    return [chunk async for chunk in fetching.fetch_objs(resource=resource, **more)]


@pytest.fixture
def lists(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeLists], list[Any]]:
    """What is told of lists while a watch begins."""

    async def fake_lists(**_: object) -> Any:
        yield ["kopf's own"], "7"

    monkeypatch.setattr(watching, "_fetch_objs", fake_lists)
    monkeypatch.setattr(fetching, "fetch_objs", fetching.fetch_objs)
    monkeypatch.setattr(watching, "EndlessBackoffs", lambda: [0, 0, 0])

    def begin(kube: FakeLists) -> list[Any]:
        told: list[Any] = []
        take_over_lists(
            [POD, DEPLOYMENT],
            cast("Kube", kube),
            lambda kind, manifest: told.append((kind, manifest["metadata"]["uid"])),
            lambda *what: told.append(what),
        )
        return told

    return begin


async def test_what_a_watch_lists_as_it_begins_is_told_once_it_is_whole_and_kopf_gets_none_of_it(
    lists: Callable[[FakeLists], list[Any]],
) -> None:
    told = lists(FakeLists())

    assert await chunks_of("pods") == [((), "9")]
    assert told == [(POD, "a"), (POD, "b"), (POD, "shop", {"a": 3, "b": 4}, 9)]
    assert await chunks_of("secrets") == [(["kopf's own"], "7")]


async def test_a_list_that_fails_is_made_again_and_a_part_of_one_is_no_list(
    lists: Callable[[FakeLists], list[Any]],
) -> None:
    told = lists(FakeLists(KubeError(0, "NoAnswer", ""), ForbiddenError(403, "Forbidden", "")))

    assert await chunks_of("pods") == [((), "9")]
    assert [what for what in told if len(what) > 2] == [(POD, "shop", {"a": 3, "b": 4}, 9)]


async def test_a_kind_that_is_gone_ends_the_watches(lists: Callable[[FakeLists], list[Any]]) -> None:
    lists(FakeLists(NotFoundError(404, "NotFound", "")))

    with pytest.raises(KindsChangedError, match="pods"):
        await chunks_of("pods")


def test_of_all_tries_of_a_request_that_fails_the_first_is_logged() -> None:
    source = inspect.getsource(api.request)
    assert source.count('logger.error(f"Request attempt {idx} failed; ') == 4
    assert kopf_watching.logger.name == TELLS_OF_TRIES

    def is_told(message: str) -> bool:
        return is_first_try(logging.LogRecord("kopf", logging.ERROR, "", 0, message, (), None))

    failure = "failed; will retry: GET https://api/pods -> APIForbiddenError"
    assert [is_told(f"Request attempt #{number} {failure}") for number in (1, 2, 10, 11)] == [True, False, False, False]
    assert is_told("Something else")
