"""What is asked of kopf beside its public names is still there."""

import inspect
import json
import logging
import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from kopf._cogs.clients import api, fetching
from kopf._cogs.clients import watching as kopf_watching

from slipway.controller import watching
from slipway.controller.kinds import DEPLOYMENT, POD, Kind
from slipway.controller.watching import CANCELLING, TELLS_OF_TRIES, NoMemories, is_first_try, tell_of_lists


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


async def test_what_a_watch_lists_as_it_begins_is_told_once_it_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fake_lists(**_: object) -> Any:
        yield [{"metadata": {"uid": "a", "resourceVersion": "3"}}], "9"
        yield [{"metadata": {"uid": "b", "resourceVersion": "4"}}], "9"

    lists: list[tuple[Kind, str | None, Mapping[str, int], int]] = []
    monkeypatch.setattr(watching, "_fetch_objs", fake_lists)
    monkeypatch.setattr(fetching, "fetch_objs", fetching.fetch_objs)
    tell_of_lists([POD, DEPLOYMENT], lambda *what: lists.append(what))
    for group, plural in (("", "pods"), ("", "secrets")):
        resource: Any = SimpleNamespace(group=group, version="v1", plural=plural)
        more: Any = {"settings": None, "logger": None, "namespace": "shop"}
        chunks = [chunk async for chunk, _ in fetching.fetch_objs(resource=resource, **more)]
        assert len(chunks) == 2

    assert lists == [(POD, "shop", {"a": 3, "b": 4}, 9)]


def test_of_all_tries_of_a_request_that_fails_the_first_is_logged() -> None:
    source = inspect.getsource(api.request)
    assert source.count('logger.error(f"Request attempt {idx} failed; ') == 4
    assert kopf_watching.logger.name == TELLS_OF_TRIES

    def is_told(message: str) -> bool:
        return is_first_try(logging.LogRecord("kopf", logging.ERROR, "", 0, message, (), None))

    failure = "failed; will retry: GET https://api/pods -> APIForbiddenError"
    assert [is_told(f"Request attempt #{number} {failure}") for number in (1, 2, 10, 11)] == [True, False, False, False]
    assert is_told("Something else")
