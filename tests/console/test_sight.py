"""What a person may see: which questions the API server is asked, and what its answers show."""

import re
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from slipway.api.v1alpha1 import MODEL_VERSION, REGISTERED_MODEL, Named
from slipway.console import in_cluster, market
from slipway.console.api_server import ApiError, ApiServer
from slipway.console.following import Change, change_of
from slipway.console.identity import ANYBODY, TOKEN_HEADER, Proxy, Reader
from slipway.console.in_cluster import SharedConsole
from slipway.console.kept import DEPLOYMENTS, Kept
from slipway.console.sight import Sight, Sights, seen
from tests.console.objects import deployment, registered, version
from tests.console.spoken import listening, told
from tests.console.teams import Asked, kept

Object = dict[str, Any]
ANN = Reader("ann", frozenset({"ml"}))


def places(found: Kept) -> list[set[str]]:
    return [{each["metadata"]["namespace"] for each in kind} for kind in found.kinds]


async def sight(of: Kept, *allowed: tuple[Named, str], reader: Reader = ANN) -> list[set[str]]:
    return places(seen(of, await Sights(Asked(*allowed), of).of(reader)))


ALL = {"team-0", "team-1"}


async def test_each_kind_is_shown_where_it_may_be_listed() -> None:
    assert await sight(kept([], [])) == [set(), set(), set()]
    assert await sight(kept([], []), (DEPLOYMENTS, "team-1")) == [{"team-1"}, set(), set()]
    assert await sight(kept([], []), (REGISTERED_MODEL, "team-0"), (MODEL_VERSION, "")) == [set(), {"team-0"}, ALL]


async def test_a_model_is_shown_with_its_versions_where_it_is_shared() -> None:
    assert await sight(kept(["*"], [])) == [set(), {"team-0"}, {"team-0"}]
    assert await sight(kept(["*"], []), reader=ANYBODY) == [set(), {"team-0"}, {"team-0"}]
    shared = kept(["mine"], ["other"])
    assert await sight(shared, (DEPLOYMENTS, "mine")) == [set(), {"team-0"}, {"team-0"}]
    assert await sight(shared) == [set(), set(), set()]
    assert await sight(shared, reader=ANYBODY) == [set(), set(), set()]


@pytest.mark.parametrize(
    "spec", [None, 3, {"sharedWith": "*"}, {"sharedWith": [3, None, ""]}, {"sharedWith": {"*": 1}}]
)
def test_what_is_no_list_of_namespaces_shares_nothing(spec: Any) -> None:
    assert not Sight().is_shared({"metadata": {}, "spec": spec})
    assert not Sight().is_shared(None)


async def test_a_right_that_is_had_everywhere_takes_one_question_for_each_kind() -> None:
    api = Asked(*((kind, "") for kind in (DEPLOYMENTS, REGISTERED_MODEL, MODEL_VERSION)))
    sights = Sights(api, kept(*([] for _ in range(50))))
    for _ in range(3):
        await sights.of(ANN)
    assert len(api.questions) == 3


async def test_who_shares_with_thousands_costs_few_questions() -> None:
    api = Asked()
    await Sights(api, kept([f"n{number}" for number in range(5_000)], ["mine"])).of(ANN)
    assert ("modeldeployments", "mine") in api.questions
    assert len(api.questions) < 100


async def test_where_the_api_server_says_nothing_nothing_is_shown() -> None:
    class Silent(ApiServer):
        def __init__(self) -> None:
            pass

        async def post(self, path: str, body: Object, **query: str) -> Object:
            raise ApiError(0, "the API server does not answer")

    with pytest.raises(ApiError):
        await Sights(Silent(), kept(["*"])).of(ANN)


async def test_objects_are_read_once_for_all_who_look(monkeypatch: pytest.MonkeyPatch) -> None:
    read, version_of = list[str](), market.version_of

    def noted(each: Object) -> Any:
        read.append(each["metadata"]["namespace"])
        return version_of(each)

    class Allowing(ApiServer):
        def __init__(self) -> None:
            pass

        async def post(self, path: str, body: Object, **query: str) -> Object:
            return {"status": {"allowed": body["spec"]["resourceAttributes"]["namespace"] == body["spec"]["groups"][0]}}

    monkeypatch.setattr(market, "version_of", noted)
    shared = SharedConsole(Allowing(), kept([], [], []), None)
    for person in range(9):
        team = f"team-{person % 3}"
        console = await shared._console(Reader(f"person-{person}", frozenset({team})))
        assert [where for where, _ in await console._published()] == [team]
    assert sorted(read) == ["team-0", "team-1", "team-2"]


async def test_one_who_opens_pages_without_an_end_leaves_others_their_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_cluster, "_STREAMS_OF_ONE", 2)
    token = "t" * 16
    shared = SharedConsole(Asked(), kept([]), Proxy(lambda: token))
    async with (
        listening(shared.application()) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={TOKEN_HEADER: token}, timeout=60) as client,
        AsyncExitStack() as opened,
    ):

        async def opens(person: str) -> int:
            headers = {"X-Forwarded-User": person}
            return (await opened.enter_async_context(client.stream("GET", "/changes", headers=headers))).status_code

        assert [await opens(person) for person in ("ann", "ann", "ann", "bob")] == [200, 200, 503, 200]


def edited(each: Object, **spec: Any) -> Object:
    return {**each, "spec": {**each["spec"], **spec}}


SHARED = registered("team-1", sharedWith=["mine"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (Change(), True),
        (change_of(DEPLOYMENTS, {}, deployment(namespace="team-0")), True),
        (change_of(DEPLOYMENTS, deployment(namespace="team-1"), deployment(namespace="team-1")), False),
        (change_of(REGISTERED_MODEL, SHARED, edited(SHARED, title="new")), True),
        (change_of(REGISTERED_MODEL, SHARED, edited(SHARED, sharedWith=[])), True),
        (change_of(REGISTERED_MODEL, edited(SHARED, sharedWith=[]), SHARED), True),
        (change_of(REGISTERED_MODEL, edited(SHARED, sharedWith=["other"]), edited(SHARED, sharedWith=[])), False),
        (change_of(MODEL_VERSION, {}, version("5", namespace="team-1")), True),
        (change_of(MODEL_VERSION, {}, version("5", namespace="team-2")), False),
    ],
)
async def test_a_page_is_told_of_what_its_reader_may_see_before_or_after(change: Change, told: bool) -> None:
    api = Asked((DEPLOYMENTS, "team-0"), (DEPLOYMENTS, "mine"))
    of = kept([], ["mine"], ["other"])
    shared = SharedConsole(api, of, None)
    assert await shared._concerns(ANN, [change]) is told


async def test_what_happens_elsewhere_is_not_told_and_not_counted() -> None:
    class Allowing(ApiServer):
        def __init__(self) -> None:
            pass

        async def post(self, path: str, body: Object, **query: str) -> Object:
            return {"status": {"allowed": body["spec"]["resourceAttributes"]["namespace"] == "team-0"}}

    token, of = "t" * 16, kept([], [])
    headers = {TOKEN_HEADER: token, "X-Forwarded-User": "ann"}
    async with (
        listening(SharedConsole(Allowing(), of, Proxy(lambda: token)).application()) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=60) as client,
    ):
        (moment,) = re.findall(r'since=(\d+)"', (await client.get("/")).text)
        for _ in range(3):
            await of.changes.tell(change_of(DEPLOYMENTS, deployment(namespace="team-1")))
        assert not await told(client, since=int(moment))
        await of.changes.tell(change_of(DEPLOYMENTS, deployment(namespace="team-0")))
        assert await told(client, since=int(moment))
