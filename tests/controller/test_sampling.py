"""Looks: pods that answer and pods that do not, one look at a time, and what is kept of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from slipway.api.v1alpha1.analysis import Analysis, AnalysisPhase, Metric
from slipway.controller import events, pod_pages, turns
from slipway.controller.http import client
from slipway.controller.kinds import Key
from slipway.controller.pod_pages import PodPages
from slipway.controller.prometheus_addresses import PrometheusAddresses
from slipway.controller.sampling import Ports, Sampling
from slipway.controller.turns import Turns
from slipway.core import reasons
from slipway.core.analysis.course import advanced, looks_at
from slipway.core.analysis.judge import begun
from slipway.core.analysis.look import NO_REQUESTS, Exam, Look, Question, Target
from slipway.core.analysis.measure import Contender, measure
from slipway.core.load import RevisionLoad
from slipway.core.observed.evidence import Bounds, Comparison, Evidence
from slipway.triton.load import StartFacts
from testbed.plane import free_port
from tests.controller.loopback import REQUEST, Answering, hangs_up, never, reply, says, serving

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEY = Key("shop", "churn")
NEW, OLD = "90be11d2", "3f2a91bc"
SEVEN = b"\x00\x00\xe0\x40"
UNASKED: Any = None
"""These looks need no API server."""


def target(number: int, revision: str = NEW) -> Target:
    return Target(pod=f"uid-{number}", name=f"pod-{number}", revision=revision, ip=f"127.0.0.{number}")


def counted(requests: int) -> Answering:
    return says(f'nv_inference_request_success{{model="m",version="1"}} {requests}\n')


def wanted(*targets: Target, topic: str = "t", at: datetime = NOON, **more: object) -> Look:
    asked = Look(topic=topic, at=at, model="m", targets=targets, candidate=NEW, stable=OLD)
    return replace(asked, **more)  # type: ignore[arg-type]


class Cluster:
    """Pods on the loopback, each with an address of its own, and the Sampling that looks at them."""

    def __init__(self, stack: AsyncExitStack, session: aiohttp.ClientSession) -> None:
        self._stack, self._session = stack, session
        self.ports = Ports(http=free_port(), metrics=free_port(), load=free_port())
        self.sampling = self.sampling_with(PrometheusAddresses(addresses=("*",)))
        self.pages = self.new_pages()
        self.now = NOON
        self.passes: list[Key] = []
        self.passed = asyncio.Event()

    def sampling_with(self, prometheuses: PrometheusAddresses) -> Sampling:
        return Sampling(
            self._session,
            self.again,
            kube=UNASKED,
            now=lambda: self.now,
            ports=self.ports,
            prometheuses=prometheuses,
        )

    def new_pages(self) -> PodPages:
        """Pages of the pods, and as many slots as there are now."""
        return PodPages(
            session=self._session,
            turns=Turns(),
            now=lambda: self.now,
            metrics_port=self.ports.metrics,
            load_port=self.ports.load,
        )

    async def pod(
        self,
        number: int,
        *,
        metrics: Answering | None = None,
        model: Answering | None = None,
        load: Answering | None = None,
    ) -> Target:
        ip = f"127.0.0.{number}"
        for answer, port in ((metrics, self.ports.metrics), (model, self.ports.http), (load, self.ports.load)):
            if answer:
                await self._stack.enter_async_context(serving(answer, port, ip))
        return target(number)

    def again(self, key: Key) -> None:
        self.passes.append(key)
        self.passed.set()

    async def next_pass(self) -> None:
        await asyncio.wait_for(self.passed.wait(), 10)
        self.passed.clear()

    def evidence(self, topic: str = "t") -> Evidence:
        return self.sampling.evidence(KEY)[topic]


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        made = Cluster(stack, await stack.enter_async_context(client()))
        yield made
        await made.sampling.close()


# -- one look at the pods


async def test_every_pod_is_there_with_its_counters_or_a_reason(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_pages, "SCRAPE_SECONDS", 0.3)
    answers: dict[Answering, str] = {
        counted(7): "",
        says("", 404): "its metrics port answered 404",
        says("", 302, Location="/"): "its metrics port answered 302",
        says("<html>"): "have no nv_inference_request_success of the model 'm'",
        says('nv_inference_request_success{model="m"} x'): "do not parse",
        says("#" * 1_100_000): "its metrics are larger than 256 KiB",
        says(b"\xff\xfe"): "have no nv_inference_request_success",
        hangs_up: "its metrics cannot be had",
        never: "its metrics did not come within 0.3 s",
    }
    targets = [await cluster.pod(n, metrics=answer) for n, answer in enumerate(answers, 11)]
    scrape = await cluster.pages.scrape("m", [*targets, target(99)], "shop")
    assert scrape.at == NOON
    assert [sample.name for sample in scrape.pods] == [each.name for each in targets] + ["pod-99"]
    for sample, reason in zip(scrape.pods, [*answers.values(), "its metrics cannot be had"], strict=True):
        assert reason in sample.missing
        assert (sample.metrics is None) == bool(reason)
    assert scrape.pods[0].metrics
    assert scrape.pods[0].metrics.succeeded == 7


# -- one look at the load


def loaded(ratio: object, backlog: object, rate: object = None) -> Answering:
    said = f"# HELP x\nslipway_load_ratio {ratio}\nslipway_backlog_seconds {backlog}\nslipway_pending 1\n"
    return says(said if rate is None else f"{said}slipway_requests_per_second {rate}\n")


async def test_how_loaded_pods_are_is_summed_by_revision(cluster: Cluster) -> None:
    answers = [loaded(0.5, 0.25, 20), loaded(0.25, 0), loaded(1, 4.5, 0.5)]
    targets = [await cluster.pod(n, load=answer) for n, answer in enumerate(answers, 11)]
    targets[2] = replace(targets[2], revision=OLD)
    (sample,) = (await cluster.sampling.look(wanted(*targets, load=True))).loads
    assert sample.at == NOON
    assert not sample.missing
    assert sample.revisions == {
        NEW: RevisionLoad(
            pods=2, answered=2, ratio=0.75, rate=20, uncounted=0.25, backlogs={"uid-11": 0.25, "uid-12": 0}
        ),
        OLD: RevisionLoad(pods=1, answered=1, ratio=1, rate=0.5, backlogs={"uid-13": 4.5}),
    }


async def test_what_starts_took_comes_with_the_load_of_those_that_say_it(cluster: Cluster) -> None:
    said = "slipway_load_ratio 0\nslipway_backlog_seconds 0\nslipway_start_load_seconds 3\n"
    answers = [says(f"{said}slipway_start_first_answer_seconds {took}\n") for took in (4, -4)]
    targets = [await cluster.pod(n, load=answer) for n, answer in enumerate([*answers, loaded(0, 0), never], 11)]
    evidence = await cluster.sampling.look(wanted(*targets, load=True))
    (start,) = evidence.starts
    assert (start.name, start.revision, start.facts) == (targets[0].name, NEW, StartFacts(load=3, first_answer=4))
    assert evidence.loads[0].revisions[NEW].answered == 3


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (says(""), "it does not say slipway_load_ratio (yet, or Triton is silent)"),
        (says("slipway_load_ratio 0.5\n"), "it does not say slipway_backlog_seconds"),
        (loaded("NaN", 0), "slipway_load_ratio is nan, and can be 0 to 1"),
        (loaded(1.5, 0), "slipway_load_ratio is 1.5"),
        (loaded(-1, 0), "slipway_load_ratio is -1.0"),
        (loaded(0, "Inf"), "slipway_backlog_seconds is inf"),
        (loaded(0, "1e300"), "slipway_backlog_seconds is 1e+300"),
        (loaded("x", 0), "slipway_load_ratio is no number"),
        (loaded(0, 0, "1e9"), "slipway_requests_per_second is 1000000000.0, and can be 0 to 1e+06"),
        (loaded(0, 0, "-1"), "slipway_requests_per_second is -1.0"),
        (says("slipway_load_ratio " + " " * 16_000 + "x"), "it does not say"),
        (says("#" * 20_000), "its metrics are larger than 16 KiB"),
        (says("", 404), "its metrics port answered 404"),
        (says("", 302, Location="/"), "its metrics port answered 302"),
        (says(b"\xff\xfe"), "it does not say"),
        (hangs_up, "its metrics cannot be had"),
        (never, "its metrics did not come within 0.3 s"),
        (None, "its metrics cannot be had"),
    ],
)
async def test_a_pod_that_does_not_say_how_loaded_it_is_is_missing_and_is_no_zero(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, answer: Answering | None, reason: str
) -> None:
    monkeypatch.setattr(pod_pages, "SCRAPE_SECONDS", 0.3)
    targets = [await cluster.pod(11, load=loaded(0.5, 0)), await cluster.pod(12, load=answer)]
    absent = {NEW: 3, OLD: 1}  # of OLD nobody can be asked
    (sample,) = (await cluster.sampling.look(wanted(*targets, load=True, absent=absent))).loads
    assert sample.revisions == {
        NEW: RevisionLoad(pods=2, answered=1, absent=3, ratio=0.5, uncounted=0.5, backlogs={"uid-11": 0}),
        OLD: RevisionLoad(pods=0, answered=0, absent=1),
    }
    assert sample.missing.startswith(f"{targets[1].name}: ")
    assert reason in sample.missing


async def test_looks_at_the_load_are_kept_for_as_long_as_they_matter(cluster: Cluster) -> None:
    asked = wanted(await cluster.pod(11, load=loaded(0.5, 0)), load=True, remembers=timedelta(seconds=25))
    evidence = None
    for _ in range(6):
        evidence = await cluster.sampling.look(asked, evidence)
        cluster.now += timedelta(seconds=10)
    assert evidence
    assert [(sample.at - NOON).seconds for sample in evidence.loads] == [10, 20, 30, 40, 50]
    assert evidence.after.at == NOON + timedelta(seconds=50)


async def test_looks_of_before_the_clock_was_set_back_are_forgotten_and_it_is_looked_at_anew(cluster: Cluster) -> None:
    asked = wanted(await cluster.pod(11, load=loaded(0.5, 0)), load=True)
    cluster.now = NOON + timedelta(hours=1)
    cluster.sampling.want(KEY, [asked])
    await cluster.next_pass()
    assert len(cluster.evidence().loads) == 1
    cluster.now = NOON + timedelta(minutes=1)
    assert not cluster.sampling.evidence(KEY)
    cluster.sampling.want(KEY, [asked])
    await cluster.next_pass()
    assert [sample.at for sample in cluster.evidence().loads] == [cluster.now]


async def test_an_address_that_is_none_is_a_reason_too(cluster: Cluster) -> None:
    scrape = await cluster.pages.scrape("m", [replace(target(1), ip=ip) for ip in ("", "a b", "::1")], "shop")
    assert [sample.metrics for sample in scrape.pods] == [None, None, None]
    assert all(sample.missing for sample in scrape.pods)


async def test_only_so_many_pods_are_asked_at_a_time(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PODS_AT_A_TIME", 4)
    busy, most = 0, 0

    async def slow(_: web.Request) -> web.StreamResponse:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return web.Response(text='nv_inference_request_success{model="m"} 1\n')

    pod = await cluster.pod(11, metrics=slow)
    scrape = await cluster.new_pages().scrape("m", [pod] * 12, "shop")
    assert most == 3
    assert all(sample.metrics for sample in scrape.pods)


# -- answers and queries


async def test_both_versions_are_asked_the_same_and_what_was_asked_is_counted(cluster: Cluster) -> None:
    new = await cluster.pod(11, metrics=counted(1), model=reply(SEVEN))
    olds = [replace(await cluster.pod(n, metrics=counted(1), model=reply(SEVEN)), revision=OLD) for n in (21, 22)]
    exam = Exam(metric="a", requests=(REQUEST, REQUEST, REQUEST))
    asked = wanted(new, *olds, exams=(exam,))
    cluster.sampling.want(KEY, [asked])
    await cluster.next_pass()
    trials = cluster.evidence().trials["a"].trials
    assert [trial.request for trial in trials] == ["requests[0]", "requests[1]", "requests[2]"]
    assert [trial.stable.pod for trial in trials] == ["pod-21", "pod-22", "pod-21"]
    assert [trial.again.pod for trial in trials] == ["pod-22", "pod-21", "pod-22"]
    assert all(trial.comparison == Comparison() for trial in trials)
    assert not any(answer.outputs for trial in trials for answer in (trial.candidate, trial.stable, trial.again))
    assert cluster.evidence().asked == {}, "they were asked after this look at the counters"
    cluster.now += timedelta(minutes=1)
    cluster.sampling.want(KEY, [replace(asked, at=cluster.now)])
    await cluster.next_pass()
    assert cluster.evidence().asked == dict.fromkeys(("uid-11", "uid-21", "uid-22"), Bounds(3, 3))


@pytest.mark.parametrize(
    ("requests", "revisions", "says_so"),
    [
        ((), (NEW, OLD), NO_REQUESTS),
        ((REQUEST,), (NEW,), "it takes a pod of each of the two versions"),
        ((REQUEST,), (OLD,), "it takes a pod of each of the two versions"),
        ((REQUEST, {"inputs": 3}), (NEW, OLD), "requests[1].inputs: expected a list of tensors, found 3"),
    ],
)
async def test_requests_that_cannot_be_asked_say_why(
    cluster: Cluster, requests: tuple[dict[str, object], ...], revisions: tuple[str, ...], says_so: str
) -> None:
    pods = [target(90 + n, revision) for n, revision in enumerate(revisions)]
    evidence = await cluster.sampling.look(wanted(*pods, exams=(Exam(metric="a", requests=requests),)))
    assert says_so in evidence.trials["a"].trouble


async def test_requests_for_which_there_is_no_time_left_are_not_asked(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LOOK_SECONDS", 0.1)
    pods = [await cluster.pod(11, model=never), replace(await cluster.pod(21, model=reply(SEVEN)), revision=OLD)]
    exam = Exam(metric="a", requests=(REQUEST, REQUEST))
    trials = (await cluster.sampling.look(wanted(*pods, exams=(exam,)))).trials["a"].trials
    assert [trial.candidate.trouble[:12] for trial in trials] == ["no answer wi", "not asked: t"]


async def test_queries_are_asked_for_the_revisions_that_they_name(cluster: Cluster) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        value = [0, request.query["query"]]
        return web.json_response(
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": value}]}}
        )

    async with serving(echo, free_port()) as address:
        asked = (
            Question(metric="one", address=address, candidate="1"),
            Question(metric="two", address=address, candidate="2", stable="3"),
        )
        readings = (await cluster.sampling.look(wanted(questions=asked))).readings
    assert readings["one"].candidate.value == 1
    assert readings["one"].stable is None
    assert readings["two"].candidate.value == 2
    assert readings["two"].stable
    assert readings["two"].stable.value == 3


# -- what pods, and those who write of them, may do to it


class FakeEvents:
    """Events on every object as somebody wrote them."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self._events = events

    async def events(self, namespace: str, uid: str) -> Any:
        return self._events


@pytest.mark.parametrize(
    "event",
    [
        {"lastTimestamp": "0000-01-01T00:00:00Z"},
        {"series": {"lastObservedTime": "0000-01-01T00:00:00Z"}, "eventTime": "2026-01-01T00:00:00"},
        {"series": ["?"], "lastTimestamp": 7},
        {"message": None, "reason": None},
    ],
)
async def test_whatever_somebody_writes_into_events_a_look_brings_evidence_and_a_pass(
    cluster: Cluster, event: dict[str, Any]
) -> None:
    fake: Any = FakeEvents(event, {"reason": "Failed", "message": "why", "lastTimestamp": "2026-01-01T00:00:00Z"})
    cluster.sampling._kube = fake
    cluster.sampling.want(KEY, [wanted(await cluster.pod(11, metrics=counted(1)), events_of=("uid-1",))])
    await cluster.next_pass()
    assert cluster.evidence().after.pods[0].metrics
    assert cluster.evidence().events["uid-1"].message == "why"


async def test_of_an_event_no_more_is_kept_than_status_can_say() -> None:
    megabyte = "\U0001f600" * (1 << 20)
    fake: Any = FakeEvents({"reason": megabyte, "message": megabyte, "lastTimestamp": "2026-01-01T00:00:00Z"})
    kept = await events.newest_event(fake, "shop", "uid-1")
    assert (len(kept.message), kept.message[-1]) == (reasons.LONGEST, "…")
    assert (len(kept.reason), kept.reason[-1]) == (events.LONGEST_REASON, "…")


class BrokenEvents:
    """What no API server does."""

    async def events(self, namespace: str, uid: str) -> Any:
        raise ArithmeticError("nobody expects that")


async def test_a_look_that_fails_as_a_whole_counts_as_one_of_which_nothing_came(cluster: Cluster) -> None:
    broken: Any = BrokenEvents()
    cluster.sampling._kube = broken
    asked = wanted(target(11), target(12, OLD), events_of=("uid-1",), remembers=timedelta(hours=1))
    for _ in range(2):
        cluster.sampling.want(KEY, [replace(asked, at=cluster.now)])
        await cluster.next_pass()
        cluster.now += timedelta(minutes=1)
    assert len(cluster.evidence().history) == 2
    assert [each.missing for each in cluster.evidence().after.pods] == ["the look at it failed: ArithmeticError"] * 2


async def test_however_many_pods_of_one_namespace_are_silent_those_of_another_are_asked_at_once(
    cluster: Cluster,
) -> None:
    silent, answers = await cluster.pod(11, metrics=never), await cluster.pod(12, metrics=counted(7))
    crowd = asyncio.create_task(cluster.pages.scrape("m", [silent] * 200, "crowd"))
    await asyncio.sleep(0.2)
    async with asyncio.timeout(pod_pages.SCRAPE_SECONDS / 2):
        scrape = await cluster.pages.scrape("m", [answers], "shop")
    assert scrape.pods[0].metrics
    crowd.cancel()
    await asyncio.gather(crowd, return_exceptions=True)


async def test_who_waits_too_long_for_a_turn_says_so(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "LOOK_SECONDS", 0.2)
    monkeypatch.setattr(pod_pages, "SCRAPE_SECONDS", 0.5)
    silent = await cluster.pod(11, metrics=never)
    scrape = await cluster.pages.scrape("m", [silent] * (turns.PODS_AT_A_TIME + 5), "crowd")
    reasons = {sample.missing for sample in scrape.pods}
    assert any("waits for its turn" in reason for reason in reasons)
    assert any("did not come within" in reason for reason in reasons)


async def test_answers_are_compared_when_they_come_and_not_in_a_pass(cluster: Cluster) -> None:
    halves = b"\x00\x3c" * (120 * 1024)
    large = reply(halves, datatype="FP16", shape=[len(halves) // 2])
    new = await cluster.pod(11, metrics=counted(1), model=large)
    olds = [replace(await cluster.pod(n, metrics=counted(1), model=large), revision=OLD) for n in (21, 22)]
    metric = Metric.model_validate({"name": "a", "answers": {"tolerance": "0.01"}})
    evidence = await cluster.sampling.look(wanted(new, *olds, exams=(Exam(metric="a", requests=(REQUEST,) * 4),)))
    began = time.process_time()
    says = measure(metric, evidence, Contender(revision=NEW, version="2"), Contender(revision=OLD, version="1"))
    assert time.process_time() - began < 0.02, "the pass only reads what the look has found"
    assert "0 of 4 answers differ" in says.message


async def test_a_prometheus_that_nobody_allows_is_not_asked(cluster: Cluster) -> None:
    sampling = cluster.sampling_with(PrometheusAddresses())
    asked: list[str] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response()

    async with serving(remember, free_port()) as address:
        question = Question(metric="one", address=address, candidate="1", stable="2")
        readings = (await sampling.look(wanted(questions=(question,)), namespace="shop")).readings["one"]
    assert asked == []
    assert "is no Service of namespace shop" in readings.candidate.trouble
    assert readings.stable
    assert readings.stable.trouble == readings.candidate.trouble


# -- looks as passes want them


async def test_a_look_is_made_when_it_is_due_and_brings_a_pass(cluster: Cluster) -> None:
    pod = await cluster.pod(11, metrics=counted(1))
    cluster.sampling.want(KEY, [wanted(pod, at=NOON + timedelta(seconds=1))])
    await asyncio.sleep(0.02)
    assert (cluster.sampling.evidence(KEY), cluster.passes) == ({}, [])
    cluster.now += timedelta(seconds=1)
    cluster.sampling.want(KEY, [wanted(pod, at=NOON + timedelta(seconds=1))])
    await cluster.next_pass()
    assert cluster.evidence().after.at == NOON + timedelta(seconds=1)
    assert cluster.passes == [KEY]


async def test_one_that_is_there_already_is_not_made_again(cluster: Cluster) -> None:
    asked: list[int] = []

    async def remember(request: web.Request) -> web.StreamResponse:
        asked.append(1)
        return await counted(1)(request)

    pod = await cluster.pod(11, metrics=remember)
    for _ in range(3):
        cluster.sampling.want(KEY, [wanted(pod)])  # it is under way
    await cluster.next_pass()
    cluster.sampling.want(KEY, [wanted(pod)])
    await asyncio.sleep(0.02)
    assert (len(asked), cluster.passes) == (1, [KEY])


@pytest.mark.parametrize(("remembers", "kept"), [(0, 2), (90, 3), (600, 5)])
async def test_looks_are_remembered_for_as_long_as_they_matter(cluster: Cluster, remembers: int, kept: int) -> None:
    pod = await cluster.pod(11, metrics=counted(1))
    for _ in range(5):
        cluster.sampling.want(KEY, [wanted(pod, at=cluster.now, remembers=timedelta(seconds=remembers))])
        await cluster.next_pass()
        cluster.now += timedelta(minutes=1)
    history = cluster.evidence().history
    assert len(history) == kept
    assert history[-1].at == NOON + timedelta(minutes=4)


def _forgets(looks: Sampling) -> None:
    looks.forget(KEY)


def _wants_another(looks: Sampling) -> None:
    looks.want(KEY, [wanted(topic="another", at=NOON + timedelta(hours=1))])


@pytest.mark.parametrize("change", [_forgets, _wants_another])
async def test_what_nobody_wants_any_more_is_forgotten_and_stopped(
    cluster: Cluster, change: Callable[[Sampling], None]
) -> None:
    answering, under_way = await cluster.pod(11, metrics=counted(1)), await cluster.pod(12, metrics=never)
    both = [wanted(answering, topic="seen"), wanted(under_way, topic="under way")]
    cluster.sampling.want(KEY, both)
    await cluster.next_pass()
    assert set(cluster.sampling.evidence(KEY)) == {"seen"}
    change(cluster.sampling)
    await asyncio.sleep(0.02)
    assert cluster.sampling.evidence(KEY) == {}
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look at")]
    assert cluster.passes == [KEY]


async def test_closing_ends_what_is_under_way(cluster: Cluster) -> None:
    cluster.sampling.want(KEY, [wanted(await cluster.pod(11, metrics=never))])
    await asyncio.sleep(0.02)
    await cluster.sampling.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("look at")]
    assert cluster.passes == []


# -- with the core


async def test_an_analysis_goes_from_look_to_look_until_it_fails(cluster: Cluster) -> None:
    failures = iter([0, 0, 3])

    async def counts(_: web.Request) -> web.StreamResponse:
        minute = (cluster.now - NOON) // timedelta(minutes=1)
        text = f'nv_inference_request_success{{model="m"}} {100 * minute}\n'
        return web.Response(text=text + f'nv_inference_request_failure{{model="m"}} {next(failures)}\n')

    asked = Analysis.model_validate({"metrics": [{"name": "errors", "builtIn": "ErrorRate", "max": "0.01"}]})
    candidate, stable = Contender(revision=NEW, version="3"), Contender(revision=OLD, version="2")
    pod = await cluster.pod(11, metrics=counts)
    status, passes = begun(asked, NOON), 0
    while status.phase is AnalysisPhase.RUNNING:
        passes += 1
        evidence = cluster.sampling.evidence(KEY).get("t")
        status = advanced(asked, status, evidence, candidate=candidate, stable=stable, now=cluster.now)
        due = looks_at(status, evidence)
        if due and due <= cluster.now:
            cluster.sampling.want(KEY, [wanted(pod, at=due)])
            await cluster.next_pass()
        elif due:
            cluster.now = due
    assert [each.message for each in status.measurements] == [
        "errors: 3: 0 of 100 requests failed in 60 s, 0.00%; not above max 0.01",
        "errors: 3: 3 of 103 requests failed in 60 s (all 3), 2.91%; above max 0.01",
    ]
    assert status.phase is AnalysisPhase.FAILED
    assert passes < 10
