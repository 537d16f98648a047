"""Scores of pods: what guards tell, whatever they tell, and a ConfigMap's rows that are asked from here."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from slipway.controller import grading
from slipway.controller.grading import Graded, Graders
from slipway.controller.http import client
from slipway.controller.kube import KubeError
from slipway.core.analysis.look import Grading, Look, Target
from slipway.core.observed.evidence import Bounds, GuardCount, Score
from slipway.guard import wire
from slipway.guard.tensors import Tensor
from testbed.plane import free_port
from tests.controller.loopback import Answering, hangs_up, never, says, serving

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NEW, OLD = "90be11d2", "3f2a91bc"
GUARD: dict[str, Any] = {
    "requests": 25,
    "answered": 23,
    "open": 1,
    "rows": 800,
    "digest": "aa",
    "outputs": {"p": {"f1": 0.71, "r2": "'p': it takes one number a row"}, "c": {"f1": 0.5}},
}


TURNS: list[str] = []
"""Namespaces that have waited for one, as often as they did."""
THREADS: list[str] = []
"""The same, for turns to take a thread."""


@asynccontextmanager
async def turn(namespace: str) -> AsyncIterator[None]:
    TURNS.append(namespace)
    yield


@asynccontextmanager
async def reading_turn(namespace: str) -> AsyncIterator[None]:
    THREADS.append(namespace)
    yield


class FakeConfigMaps:
    """An API server's ConfigMaps."""

    def __init__(self, **of: dict[str, str]) -> None:
        self.of = of

    async def get(self, _kind: object, _namespace: str | None, name: str) -> dict[str, Any]:
        if name not in self.of:
            raise KubeError(404, "NotFound", f'configmaps "{name}" not found')
        return {"data": self.of[name]}


class Pods:
    """Pods on the loopback, and who asks them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack, self.http, self.guard, self.targets = stack, free_port(), free_port(), list[Target]()

    async def pod(self, revision: str, *, guard: Answering | None = None, model: Answering | None = None) -> None:
        config = says(json.dumps(CONFIG))
        number = len(self.targets) + 2
        ip = f"127.0.0.{number}"
        for answer, port in ((guard, self.guard), (model, self.http)):
            if answer:
                await self._stack.enter_async_context(serving(answer, port, ip, config))
        self.targets.append(Target(pod=f"uid-{number}", name=f"pod-{number}", revision=revision, ip=ip))

    async def graded(self, *gradings: Grading, kube: Any = None, seconds: float = 20) -> Graded:
        look = Look(
            topic="t",
            at=NOON,
            model="m",
            targets=tuple(self.targets),
            candidate=NEW,
            stable=OLD,
            gradings=gradings,
        )
        async with client() as session:
            asker = Graders(
                session=session,
                kube=kube,
                turn=turn,
                reading_turn=reading_turn,
                http_port=self.http,
                guard_port=self.guard,
            )
            return await asker.grade(look, "shop", asyncio.get_running_loop().time() + seconds)


@pytest.fixture
async def pods() -> AsyncIterator[Pods]:
    async with AsyncExitStack() as stack:
        yield Pods(stack)


def tells(document: object) -> Answering:
    return says(json.dumps(document))


HOSTILE: list[tuple[Answering | None, str]] = [
    (tells({**GUARD, "pending": True}), ""),
    (tells({"requests": 3, "trouble": "labelled/a.jsonl:1: not JSON"}), "labelled/a.jsonl:1: not JSON"),
    (says(""), "its guard has no scores"),
    (says("", 503), "its guard has no scores"),
    (says("<html>"), "its guard's scores cannot be had"),
    (says("[" * 100_000), "its guard's scores cannot be had"),
    (tells([]), "its guard's scores are no object"),
    (tells({"outputs": []}), "have no outputs"),
    (tells({"outputs": {"p": [0.9]}}), "does not know f1"),
    (tells({"outputs": {"p": {"f1": True}}}), "does not know f1"),
    (tells({"outputs": {"p": {"f1": float("nan")}}}), "does not know f1"),
    (tells({"outputs": {"p": {"f1": float("inf")}}}), "does not know f1"),
    (tells({"outputs": {"p": {"f1": "no class 1"}}}), "no class 1"),
    (tells({"outputs": {"p": {"f1": 10**400}}}), "does not know f1"),
    (tells({"outputs": {"p": {"f1": -1e200}}}), "does not know f1"),
    (tells({"requests": 10**400, "open": "x", "outputs": {"p": {"f1": None}}}), "does not know f1"),
    (tells({**GUARD, "rows": 0}), "its guard has a score of no rows"),
    (tells({**GUARD, "rows": "800"}), "its guard has a score of no rows"),
    (says("x" * 300_000), "larger than 256 KiB"),
    (says("", 302, Location="/"), "its guard has no scores"),
    (hangs_up, "its guard's scores cannot be had"),
    (never, "did not answer within"),
    (None, "its guard's scores cannot be had"),
]


async def test_what_a_guard_tells_is_a_number_or_a_reason(pods: Pods, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grading, "ASK_SECONDS", 0.5)
    monkeypatch.setattr(grading, "PODS_OF_A_VERSION", 99)
    for answer, _ in HOSTILE:
        await pods.pod(NEW, guard=answer)
    scores = (await pods.graded(Grading(metric="q", score="f1"))).scores["q"].candidate
    by_name = {each.pod: each for each in scores}
    for target, (_, reason) in zip(pods.targets, HOSTILE, strict=True):
        score = by_name[target.name]
        assert score.value is None
        assert reason in score.trouble
        assert score.pending == (not reason)


async def test_both_versions_are_asked_where_they_are_compared_and_each_guard_once(pods: Pods) -> None:
    asked: list[str] = []

    async def guard(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response(GUARD)

    for revision in (NEW, OLD):
        await pods.pod(revision, guard=guard)
    alone, compared = Grading(metric="a", score="f1"), Grading(metric="b", score="f1", output="c", compared=True)
    graded = await pods.graded(alone, compared)
    assert graded.scores["a"].candidate == (Score(pod="pod-2", value=0.71, rows=800, digest="aa"),)
    assert graded.scores["a"].stable == ()
    assert [each.value for each in graded.scores["b"].stable] == [0.5]
    assert asked == ["/scores", "/scores"]
    assert graded.guards == dict.fromkeys(("uid-2", "uid-3"), GuardCount(sent=25, answered=23, open=1))


async def test_an_output_that_is_not_there_is_named(pods: Pods) -> None:
    await pods.pod(NEW, guard=tells(GUARD))
    (score,) = (await pods.graded(Grading(metric="q", score="f1", output="y"))).scores["q"].candidate
    assert score.trouble == "the model has no output 'y'; it has p, c"


async def test_a_guard_that_does_not_say_what_it_asked_is_not_taken_for_one_that_asked_nothing(pods: Pods) -> None:
    for answer in (says(""), tells({"requests": 3, "pending": True}), tells({"requests": -1}), says("<html>"), None):
        await pods.pod(f"r{len(pods.targets)}", guard=answer)
    counts: dict[str, GuardCount] = {}
    for target in list(pods.targets):
        pods.targets = [replace(target, revision=NEW)]
        counts |= (await pods.graded(Grading(metric="q", score="f1"))).guards
    assert counts == {"uid-2": GuardCount(), "uid-3": GuardCount(sent=3, open=1)}


# -- a ConfigMap's rows

CONFIG = {
    "max_batch_size": 8,
    "input": [{"name": "x", "data_type": "TYPE_FP32", "dims": [1]}],
    "output": [{"name": "y", "data_type": "TYPE_FP32", "dims": [1]}],
}
ROWS = "\n".join(json.dumps({"inputs": {"x": [x]}, "label": x}) for x in range(20))


def off_by(error: float) -> Answering:
    """A model that answers its input, and so much more."""

    async def answer(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        length = int(request.headers[wire.HEADER_LENGTH])
        shape = json.loads(body[:length])["inputs"][0]["shape"]
        values = [value + error for value in memoryview(body)[length:].cast("f")]
        content, headers = wire.infer_request([Tensor("y", "FP32", tuple(shape), values)], {})
        document = json.loads(content[: int(headers[wire.HEADER_LENGTH])])
        document["outputs"] = document.pop("inputs")
        head = json.dumps(document).encode()
        raw = content[int(headers[wire.HEADER_LENGTH]) :]
        return web.Response(body=head + raw, headers={wire.HEADER_LENGTH: str(len(head))})

    return answer


MAP = Grading(metric="q", score="mean_absolute_error", config_map="rows", compared=True)


async def test_both_versions_are_asked_the_same_rows_of_a_config_map(pods: Pods) -> None:
    for revision, error in ((NEW, 0.5), (NEW, 9.0), (OLD, 0.25)):
        await pods.pod(revision, model=off_by(error))
    TURNS.clear()
    THREADS.clear()
    graded = await pods.graded(MAP, kube=FakeConfigMaps(rows={"a.jsonl": ROWS, "README": "no rows"}))
    assert TURNS == ["shop"] * 2 * (1 + 3), "each of two pods: its configuration, three requests"
    threads = 1 + 2 * (1 + 3 * 3 + 1 + 1)
    assert ["shop"] * threads == THREADS, "the rows; of each pod its configuration, batches until there is none, metric"
    scores = graded.scores["q"]
    assert [(each.value, each.rows) for each in (*scores.candidate, *scores.stable)] == [(0.5, 20), (0.25, 20)]
    assert scores.candidate[0].digest == scores.stable[0].digest
    assert graded.sent == {"uid-2": Bounds(3, 3), "uid-4": Bounds(3, 3)}  # eight at a time


@pytest.mark.parametrize(
    ("maps", "says"),
    [
        ({}, 'ConfigMap rows: cannot be read: NotFound (404): configmaps "rows" not found'),
        ({"rows": {"a.csv": "1,2"}}, "ConfigMap rows: has no key that ends in .jsonl"),
        ({"rows": {"a.jsonl": "{"}}, "ConfigMap rows: a.jsonl:1: not JSON"),
        (
            {"rows": {"a.jsonl": f'{{"inputs": {{"x": [1]}}, "label": {10**400}}}'}},
            "ConfigMap rows: a.jsonl:1: label: is a",
        ),
    ],
)
async def test_a_config_map_without_rows_is_said(pods: Pods, maps: dict[str, dict[str, str]], says: str) -> None:
    await pods.pod(NEW, model=off_by(0))
    assert (await pods.graded(MAP, kube=FakeConfigMaps(**maps))).scores["q"].trouble.startswith(says)


async def test_rows_that_are_too_large_to_measure_are_said(pods: Pods) -> None:
    await pods.pod(NEW, model=off_by(0))
    rows = json.dumps({"inputs": {"x": [1.0]}, "label": 1e200})
    squared = Grading(metric="q", score="mean_squared_error", config_map="rows")
    (score,) = (await pods.graded(squared, kube=FakeConfigMaps(rows={"a.jsonl": rows}))).scores["q"].candidate
    assert "so large that no float64 holds the metric; scale them" in score.trouble


async def test_a_model_that_does_not_answer_the_rows_is_said(pods: Pods) -> None:
    for answer in (says("{}"), says('{"error": "no"}', 500), never):
        await pods.pod(NEW if len(pods.targets) == 0 else f"r{len(pods.targets)}", model=answer)
    troubles = []
    for target in list(pods.targets):
        pods.targets = [Target(pod=target.pod, name=target.name, revision=NEW, ip=target.ip)]
        graded = await pods.graded(MAP, kube=FakeConfigMaps(rows={"a.jsonl": ROWS}), seconds=1)
        assert graded.sent == {target.pod: Bounds(0, 1)}
        troubles += [each.trouble for each in graded.scores["q"].candidate]
    assert "cannot be asked" in troubles[0]
    assert troubles[1] == "answered 500: no"
    assert "not all answered in time, after 1 requests" in troubles[2]
