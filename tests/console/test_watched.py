"""What the console keeps in memory, from an API server that says what a healthy one cannot be made to say."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from aiohttp import web

from slipway.api.v1alpha1 import KIND, PLURAL, Named
from slipway.console import api_server as api_server_module
from slipway.console import keeping, watched
from slipway.console.api_server import ApiServer
from slipway.console.following import Changes
from slipway.console.keeping import Keeping
from slipway.console.watched import Watched
from slipway.core.names import REQUEST
from tests.console.objects import ready
from tests.console.spoken import answered

Object = dict[str, Any]
Answer = web.Response | str
DEPLOYMENTS = Named(KIND, PLURAL, "md")


def listed(*objects: Object, version: str = "7") -> web.Response:
    return web.json_response({"items": list(objects), "metadata": {"resourceVersion": version}})


def events(*each: Object) -> web.Response:
    return web.Response(text="".join(f"{json.dumps(event)}\n" for event in each))


@asynccontextmanager
async def api_server(
    lists: Callable[[int], web.Response], watches: Callable[[int], web.Response]
) -> AsyncIterator[ApiServer]:
    """One that answers the first, second … list and watch so."""
    asked = {"list": 0, "watch": 0}

    async def handle(request: web.Request) -> web.Response:
        kind = "watch" if "watch" in request.query else "list"
        asked[kind] += 1
        return (watches if kind == "watch" else lists)(asked[kind])

    async with answered(handle) as api:
        yield api


@asynccontextmanager
async def kept(api: ApiServer) -> AsyncIterator[Watched]:
    """What is kept, while it is kept."""
    models = Watched(api, DEPLOYMENTS, "team-a", Changes())
    task = asyncio.create_task(models.run())
    try:
        yield models
        assert not task.done(), "it looks for ever"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(models: Watched, holds: Callable[[], object]) -> None:
    """Wait for a change after which it holds."""
    moment = 0
    async with asyncio.timeout(20):
        while not holds():
            moment, _ = await models._changes.after(moment)


async def test_a_model_that_is_nested_deep_is_there_with_all_others() -> None:
    deep = '{"metadata": {"name": "deep", "namespace": "team-a"}, "spec": ' + '{"a":' * 5000 + "1" + "}" * 5001
    text = f'{{"items": [{json.dumps(ready("good"))}, {deep}], "metadata": {{}}}}'
    watch = f'{{"type": "ADDED", "object": {deep.replace("deep", "later")}}}\n'
    async with (
        api_server(lambda _: web.Response(text=text), lambda _: web.Response(text=watch)) as api,
        kept(api) as models,
    ):
        await until(models, lambda: len(list(models)) == 3)
        assert [each["metadata"]["name"] for each in models] == ["deep", "good", "later"]
        assert models.problem is None


@pytest.fixture(autouse=True)
def short_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "FIRST_SECONDS", 0.01)


STATUS = {"kind": "Status", "code": 500, "message": "etcdserver: too many requests"}


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long it rests, each time; it takes no time."""
    monkeypatch.setattr(watched, "FIRST_SECONDS", 1)
    rested = list[float]()
    sleep = asyncio.sleep

    async def rest(seconds: float) -> None:
        rested.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", rest)
    return rested


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (events({"type": "ERROR", "object": STATUS}), "the watch ends: etcdserver: too many requests"),
        (events({"type": "ERROR", "object": {**STATUS, "code": 410, "message": "too old"}}), "the watch ends: too old"),
        (events({"type": "ERROR", "object": 7}), "the watch ends: ERROR"),
        (events({"type": "NEW", "object": {}}), "the watch ends: NEW"),
        (web.Response(text="rubbish\n"), "the watch ends: it says nothing"),
        (web.json_response({**STATUS, "code": 410, "message": "gone"}, status=410), "gone"),
        (web.Response(status=503, text="<html>"), "the API server answers 503 at /apis/"),
        (web.Response(body=b'{"' + b"x" * (9 << 20)), "what the API server says cannot be read: LineTooLong"),
    ],
)
async def test_a_watch_that_fails_is_said_and_the_next_look_is_a_new_list(answer: web.Response, problem: str) -> None:
    said = list[str | None]()
    async with (
        api_server(lambda count: listed(ready(f"m{count}")), lambda _: copied(answer)) as api,
        kept(api) as models,
    ):
        await until(models, lambda: heard(models, said) and models.get("team-a", "m2") and not models.problem)
    assert [each for each in said if (each or "").startswith(problem)], said


def heard(models: Watched, said: list[str | None]) -> bool:
    said.append(models.problem)
    return True


def copied(answer: web.Response) -> web.Response:
    return web.Response(body=answer.body, status=answer.status)


@pytest.mark.parametrize(
    "answer",
    [
        {"items": 7, "metadata": {}},
        {"items": {"a": "b"}, "metadata": []},
        {"items": [7, None, [], {"metadata": 7}, {"metadata": {"name": ["x"]}}], "metadata": {"continue": None}},
        {"items": None, "metadata": {"resourceVersion": {}}},
    ],
)
async def test_an_odd_list_is_read_as_far_as_it_goes(answer: Object) -> None:
    with_good = [web.json_response(answer), listed(ready("good"))]
    late = events({"type": "ERROR", "object": {}})
    async with (
        api_server(lambda count: copied(with_good[min(count, 2) - 1]), lambda _: copied(late)) as api,
        kept(api) as models,
    ):
        await until(models, lambda: models.get("team-a", "good"))


async def test_what_nobody_has_thought_of_ends_a_look_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    spoiled = [KeyError("what nobody has thought of")]
    take = Keeping.take

    def takes(self: Keeping, each: Object) -> None:
        if spoiled:
            raise spoiled.pop()
        take(self, each)

    monkeypatch.setattr(Keeping, "take", takes)
    said = list[str | None]()
    added = {"type": "ADDED", "object": ready("later")}
    async with api_server(lambda _: listed(), lambda _: events(added)) as api, kept(api) as models:
        await until(models, lambda: heard(models, said) and models.get("team-a", "later"))
    assert [each for each in said if "what nobody has thought of" in (each or "")]


async def test_rests_grow_while_it_fails_and_begin_anew_once_a_watch_has_spoken(rests: list[float]) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}
    failed = {"type": "ERROR", "object": STATUS}

    def lists(count: int) -> web.Response:
        return listed() if count == 5 else web.Response(status=500)

    async with api_server(lists, lambda _: events(bookmark, failed)) as api, kept(api) as models:
        await until(models, lambda: len(rests) >= 7)
    assert rests[:7] == [1, 2, 4, 8, 1, 2, 4]


async def test_a_list_that_has_no_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_server_module, "_PAGES", 20)
    asked = 0

    def again(count: int) -> web.Response:
        nonlocal asked
        asked = count
        return web.json_response({"items": [], "metadata": {"continue": "more"}})

    async with api_server(again, lambda _: events()) as api, kept(api) as models:
        await until(models, lambda: "the list has no end: more than 20 pages" in (models.problem or ""))
    assert asked >= 20


def of(namespace: str, name: str, **meta: Any) -> Object:
    made = ready(name, namespace)
    made["metadata"] |= meta
    return made


async def test_what_no_page_shows_is_not_kept() -> None:
    fat = {"annotations": {"note": "x" * 250_000, REQUEST: "pause/1"}, "managedFields": [{"manager": "m"}]}
    event = events({"type": "ADDED", "object": of("team-a", "later", **fat)})
    async with (
        api_server(lambda _: listed(of("team-a", "fat", **fat)), lambda _: copied(event)) as api,
        kept(api) as models,
    ):
        await until(models, lambda: len(list(models)) == 2)
        for each in models:
            assert each["metadata"].keys() == {"name", "namespace", "annotations"}
            assert each["metadata"]["annotations"] == {REQUEST: "pause/1"}
            assert keeping.bytes_of(each) < 30_000


async def test_a_namespace_has_so_much_room_and_no_more_and_others_have_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "MOST_BYTES", 10 * keeping.bytes_of(keeping.shown(of("evil", "m00"))))
    stored = [of("evil", f"m{number:02}") for number in range(30)]
    gone = events(*({"type": "DELETED", "object": each} for each in stored[:9]))
    lists = [listed(*stored, of("team-a", "good")), listed(*stored[9:14], of("team-a", "good"))]
    async with (
        api_server(lambda count: copied(lists[min(count, 2) - 1]), lambda _: copied(gone)) as api,
        kept(api) as models,
    ):
        await until(models, lambda: models.left_out)
        assert models.left_out == {"evil": 31 - len(list(models))}
        assert 15 < models.left_out["evil"] < 25
        assert models.get("team-a", "good")
        await until(models, lambda: not models.left_out)
        assert len(list(models)) == 6
