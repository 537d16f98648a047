"""Pages by HTTP, of a cluster that has what a healthy one has not."""

import asyncio
import re
from typing import Any

import httpx
import pytest

from slipway.console import serving
from slipway.console.guarding import HEADERS
from tests.console.objects import DIGEST, deployment, registered, version
from tests.console.spoken import KEY, Cluster, browser

OTHER = "sha256:" + "b" * 64
TAKE = "/market/team-a/churn/4/deployments"


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
        assert '<a href="/market?page=4">4</a>' in page


async def test_what_is_taken_into_use_is_what_was_shown() -> None:
    cluster = Cluster(catalogue())
    async with browser(cluster) as client:
        shown = form((await client.get("/market/team-a/churn/4")).text)
        assert shown["digest"] == DIGEST
        for moved in ({"digest": OTHER}, {"uri": "s3://elsewhere/churn"}, {"digest": ""}):
            answer = await client.post(TAKE, data={**shown, **moved})
            assert "the catalogue has changed since that page" in answer.text
        assert "the catalogue has changed" in (await client.post(TAKE)).text
        assert cluster.made == []
        await client.post(TAKE, data=shown)
    assert [each["spec"]["model"]["source"]["digest"] for each in cluster.made] == [DIGEST]


async def test_an_address_puts_no_words_into_a_page() -> None:
    async with browser(Cluster(catalogue())) as client:
        for path in ("/models/team-a/churn", "/market/team-a/churn/4"):
            assert "call this number" not in (await client.get(f"{path}?said=call+this+number")).text


@pytest.mark.parametrize("path", ["/models/team-a/churn/requests", TAKE])
async def test_a_refusal_is_shown_however_long_it_is(path: str) -> None:
    cluster = Cluster(catalogue(), refusal="no " * 5000 + "never")
    async with browser(cluster) as client:
        shown = form((await client.get("/market/team-a/churn/4")).text)
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
        (number,) = re.findall(r'hx-sse:connect="/changes\?since=(\d+)"', page)
        assert await told(client, since=int(number) - 1)
        assert not await told(client, since=int(number))


async def told(client: httpx.AsyncClient, since: int) -> bool:
    """Whether a page of that change is told at once that there is something else."""
    async with client.stream("GET", f"/changes?since={since}") as stream:
        try:
            async with asyncio.timeout(0.3):
                return "changed" in await anext(stream.aiter_lines())
        except TimeoutError:
            return False
