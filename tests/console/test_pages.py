"""Pages by HTTP, of a cluster that has what a healthy one has not."""

import asyncio
import re
import threading
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from slipway.console import hub, market, pages, serving
from slipway.console.guarding import HEADERS
from tests.console.objects import DIGEST, churning, deployment, registered, version
from tests.console.spoken import KEY, ROOT, Cluster, browser, told

OTHER = "sha256:" + "b" * 64
TAKE = "/market/team-a/churn/4/deployments"
ANSWERED = "/market/team-a/churn/4?answered=yes"


def catalogue() -> dict[str, list[Any]]:
    return {
        "modeldeployments": [deployment()],
        "registeredmodels": [registered()],
        "modelversions": [version("4")],
    }


def form(page: str) -> dict[str, str]:
    """The hidden fields of a page's forms."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def hostile_models() -> list[Any]:
    text = ("*a_**[" * 400)[:2048]
    named = [registered(description=text, title=f"m{number}") for number in range(200)]
    for number, each in enumerate(named):
        each["metadata"]["name"] = f"m{number:03}"
    return named


async def test_a_page_of_the_market_has_fifty_models_and_others_do_not_wait_for_it() -> None:
    async with browser(Cluster({"registeredmodels": hostile_models()})) as client:
        asked = asyncio.create_task(client.get("/market?page=2"))
        await asyncio.sleep(0)
        for _ in range(3):
            assert (await client.get("/static/console.css")).status_code == 200
        assert not asked.done()
        page = (await asked).text
        assert re.findall(r'<li class="card" id="/?team-a/m(\d+)">', page) == [
            f"{number:03}" for number in range(50, 100)
        ]
        assert "200 models" in page
        assert f'<a href="{ROOT}/market?page=4">4</a>' in page


async def test_what_is_taken_into_use_is_what_was_shown() -> None:
    cluster = Cluster(catalogue())
    async with browser(cluster) as client:
        shown = form((await client.get(ANSWERED)).text)
        assert shown["digest"] == DIGEST
        for moved in ({"digest": OTHER}, {"uri": "s3://elsewhere/churn"}, {"digest": ""}):
            answer = await client.post(TAKE, data={**shown, **moved})
            assert "the catalogue has changed since that page" in answer.text
        assert "the catalogue has changed" in (await client.post(TAKE)).text
        assert cluster.made == []
        await client.post(TAKE, data=shown)
    assert [each["spec"]["model"]["source"]["digest"] for each in cluster.made] == [DIGEST]


async def test_nothing_is_made_before_somebody_has_said_where_an_s3_store_is() -> None:
    cluster = Cluster(catalogue())
    async with browser(cluster) as client:
        asks = (await client.get("/market/team-a/churn/4")).text
        assert ("Make it in" in asks, "say first where the store is" in asks) == (False, True)
        bare = {"digest": DIGEST, "uri": "s3://models/churn/3"}
        assert "say first where the store is; nothing was made" in (await client.post(TAKE, data=bare)).text
        wrong = (await client.get(ANSWERED, params={"answered": "yes", "endpoint": "minio:9000"})).text
        assert ("Make it in" in wrong, "is not the address of a store: write it like" in wrong) == (False, True)
        answer = await client.post(TAKE, data={**bare, "answered": "yes", "endpoint": "minio:9000"})
        assert "endpoint is not the address of a store" in answer.text
        assert 'value="minio:9000"' in answer.text, "what was typed is there still"
        assert cluster.made == []
        said = {"answered": "yes", "endpoint": "https://minio.example:9000", "secretName": "keys"}
        page = (await client.get("/market/team-a/churn/4", params=said)).text
        await client.post(TAKE, data=form(page))
    (made,) = cluster.made
    assert "endpoint: https://minio.example:9000" in page
    assert made["spec"]["model"]["source"]["s3"] == {"endpoint": "https://minio.example:9000"}
    assert made["spec"]["model"]["source"]["secretName"] == "keys"


MADE = (
    (serving, "row_of"), (serving, "overview"), (serving, "page"), (serving, "events"), (serving, "as_read"),
    (serving, "status_of"), (market, "model_of"), (market, "version_of"), (market, "joined"), (market, "search"),
    (market, "comparison"), (market, "uses_of"), (market, "uses"), (hub, "catalogue"), (pages, "taking"),
    (pages, "rendered"),
)  # fmt: skip
ADDRESSES = ("/", "/models/team-a/churn", "/market", "/market.yaml", "/market/team-a/churn", "/market/team-a/churn/4")


async def test_nothing_that_grows_with_what_is_stored_is_made_where_others_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    threads = defaultdict[str, set[int]](set)

    def noted(name: str, made: Callable[..., Any]) -> Callable[..., Any]:
        def note(*args: Any, **kwargs: Any) -> Any:
            threads[name].add(threading.get_ident())
            return made(*args, **kwargs)

        return note

    for module, name in MADE:
        monkeypatch.setattr(module, name, noted(name, getattr(module, name)))
    async with browser(Cluster(catalogue())) as client:
        for path in ADDRESSES:
            assert (await client.get(path)).status_code == 200
        await client.post(TAKE, data=form((await client.get(ANSWERED)).text))
    assert set(threads) == {name for _, name in MADE}
    assert [name for name, where in threads.items() if threading.get_ident() in where] == []


async def test_a_model_with_hundreds_of_versions_is_a_page_of_the_newest() -> None:
    objects = {"registeredmodels": [registered("evil")], "modelversions": churning(300)}
    async with browser(Cluster(objects)) as client:
        page = (await client.get("/market/evil/churn")).text
        assert (page.count('<th scope="col"><a'), page.count("<td>")) == (32, (32 + 1) * (40 + 3)), (
            "with two that have an alias"
        )
        assert "32 of 300 versions" in page
        assert f"Left out: {32 * 32 - 40} metrics" in page
        assert len(page) < 300_000
        assert '/market/evil/churn/0"' in (await client.get("/market/evil/churn?page=10")).text


async def test_where_not_all_namespaces_may_be_listed_others_are_named() -> None:
    cluster = Cluster(catalogue(), confined=True)
    async with browser(cluster) as client:
        for path in ("/", "/market"):
            page = (await client.get(path)).text
            assert ("team-a" in page, "--also-in NAMESPACE" in page) == (False, True), path
            assert "Of namespace mine alone: you may not list all." in page
    async with browser(cluster, "team-a", "team-b") as client:
        assert "team-a/churn" in (await client.get("/market")).text
        page = (await client.get("/")).text
        assert f'href="{ROOT}/models/team-a/churn"' in page
        assert "Of namespaces mine, team-a, team-b alone" in page
        shown = form((await client.get(ANSWERED)).text)
        await client.post(TAKE, data=shown)
    assert [each["metadata"]["namespace"] for each in cluster.made] == ["mine"]


async def test_whoever_may_list_all_namespaces_sees_each_model_once() -> None:
    async with browser(Cluster(catalogue()), "team-a") as client:
        page = (await client.get("/")).text
    assert (page.count(f'href="{ROOT}/models/team-a/churn"'), "--also-in" in page) == (1, False)


async def test_an_address_puts_no_words_into_a_page() -> None:
    async with browser(Cluster(catalogue())) as client:
        for path in ("/models/team-a/churn", "/market/team-a/churn/4"):
            assert "call this number" not in (await client.get(f"{path}?said=call+this+number")).text


@pytest.mark.parametrize("path", ["/models/team-a/churn/requests", TAKE])
async def test_a_refusal_is_shown_however_long_it_is(path: str) -> None:
    cluster = Cluster(catalogue(), refusal="no " * 5000 + "never")
    async with browser(cluster) as client:
        shown = form((await client.get(ANSWERED)).text)
        answer = await client.post(path, data={**shown, "request": "pause/90be11d2"})
    assert (answer.status_code, "no never" in answer.text) == (200, True)


def lacking(answer: httpx.Response) -> list[str]:
    return [name for name, value in HEADERS.items() if answer.headers.get(name) != value]


async def test_every_answer_has_the_headers_also_of_a_page_that_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any) -> serving.Page:
        raise KeyError("\x1b[2Jodd")

    monkeypatch.setattr(serving, "page", fails)
    async with browser(Cluster(catalogue())) as client:
        for path, status in (
            ("/models/team-a/churn", 500),
            ("/models/team-a/none", 404),
            ("/static/console.css", 200),
            (f"/?token={KEY}", 200),
            ("/nothing", 404),
        ):
            answer = await client.get(path)
            assert (answer.status_code, lacking(answer)) == (status, []), path
        async with client.stream("GET", "/changes") as stream:
            assert lacking(stream) == []
    said = capsys.readouterr().err
    assert "KeyError" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("broken", ["pods", "events"])
async def test_what_cannot_be_listed_is_said_and_is_not_none(broken: str) -> None:
    async with browser(Cluster(catalogue(), broken=broken)) as client:
        page = (await client.get("/models/team-a/churn")).text
    assert f"{broken}: etcdserver: request timed out" in page
    assert "version 3 has 1 of 4 pods available" in page


async def test_a_page_that_begins_to_listen_after_a_change_is_told_of_it() -> None:
    async with browser(Cluster(catalogue())) as client:
        page = (await client.get("/models/team-a/churn")).text
        (moment,) = re.findall(rf'hx-sse:connect="{ROOT}/changes\?since=(\d+)"', page)
        assert not await told(client, since=int(moment))
        for one_that_was_never in (0, int(moment) + 10**12):
            assert await told(client, since=one_that_was_never)
