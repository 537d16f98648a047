"""Resolve slots: however many resolve Jobs a namespace wants, those of others get theirs, and who waits says so."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway.controller.kinds import BY_NAME, MODEL_DEPLOYMENT, Key
from slipway.controller.resolve_slots import GIVEN_FOR, LONG, Place, ResolveSlots
from slipway.controller.store import Store
from slipway.core.decide import decide
from tests.controller.conftest import CallLog, a_model_deployment
from tests.controller.staging import Stage
from tests.controller.stored import an_object, controlled

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIMIT = 16
JOB = BY_NAME["Job"]


@dataclass
class Passes:
    """Passes over ModelDeployments that all want a resolve Job: those are in `running` until they end."""

    limit: int = LIMIT
    running: dict[Place, datetime] = field(default_factory=dict)
    waiting: set[Key] = field(default_factory=set)
    woken: list[Key] = field(default_factory=list)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.slots = ResolveSlots(self.limit, running=lambda _: self.running.items(), wake=self.woken.append)

    def wants(self, key: Key) -> bool:
        """A pass over one that wants its Job."""
        if taken := self.slots.take(key, "job", self.now):
            self.running[key, "job"] = self.now
            self.waiting.discard(key)
        else:
            self.waiting.add(key)
        self.slots.settle(key, {"job"}, self.now)
        self.wake()
        return taken

    def ends(self, key: Key) -> None:
        """Its Job has ended, and a pass has seen it."""
        self.running.pop((key, "job"), None)
        self.slots.settle(key, frozenset(), self.now)
        self.wake()

    def wake(self) -> None:
        """Those whose turn has come."""
        while self.woken:
            assert self.wants(self.woken.pop(0)), "whose turn has come has its slot"

    def held(self) -> Counter[str]:
        return Counter(key.namespace for key, _ in self.running)


KEYS = st.builds(Key, st.sampled_from("abcdefgh"), st.sampled_from([str(n) for n in range(12)]))


@given(st.integers(1, 20), st.lists(st.tuples(KEYS, st.booleans()), max_size=150))
def test_a_namespace_with_a_quarter_gets_none_while_others_wait_and_nobody_waits_for_what_is_free(
    limit: int, steps: list[tuple[Key, bool]]
) -> None:
    passes = Passes(limit=limit)
    for key, wants in steps:
        before = passes.held()
        if wants and (key, "job") not in passes.running:
            passes.wants(key)
        elif not wants:
            passes.ends(key)
            passes.waiting.discard(key)
        held, quarter = passes.held(), max(1, limit // 4)
        assert held.total() <= limit
        waiting = {each.namespace for each in passes.waiting}
        poor = {each for each in waiting if held[each] < quarter}
        assert not poor or held.total() == limit, "who has less than a quarter waits only where all are out"
        for namespace in held:
            grew = held[namespace] > before[namespace]
            assert not (grew and held[namespace] > quarter and poor), "more than a quarter while others wait"
    for _ in range(len(steps)):
        for key, _ in sorted(passes.running):
            passes.ends(key)
    assert not passes.waiting, "each comes to its turn"


def test_a_thousand_of_one_namespace_keep_nobody_of_another_waiting() -> None:
    passes = Passes()
    for number in range(1000):
        passes.wants(Key("hostile", str(number)))
    assert passes.held() == {"hostile": LIMIT - LIMIT // 4}
    assert all(passes.wants(Key(other, "m")) for other in "bcde")
    assert not passes.wants(Key("f", "m")), "no more than there are"

    passes.ends(Key("hostile", "0"))
    assert passes.held()["f"] == 1, "who has least comes first, however long others wait"


def test_whoever_keeps_jobs_from_ending_keeps_nobody_waiting_for_long() -> None:
    """Without nodes for their pods, for as long as `fetchTimeout`, of however many namespaces."""
    passes, hostile = Passes(), [f"hostile-{letter}" for letter in "abc"]
    for namespace in hostile:
        for number in range(100):
            passes.wants(Key(namespace, str(number)))
    assert passes.held().total() == LIMIT
    assert not passes.wants(Key("b", "m"))

    passes.now += LONG
    assert all(passes.wants(Key(other, "m")) for other in "bcd")
    for namespace in hostile:
        passes.wants(Key(namespace, "more"))
    assert all(passes.held()[each] <= LIMIT - LIMIT // 4 for each in hostile), "no more than one could ever have"
    young = [since for since in passes.running.values() if since > passes.now - LONG]
    assert len(young) <= LIMIT
    assert passes.wants(Key("e", "m")) == (len(young) < LIMIT)


def test_jobs_of_an_operator_before_count() -> None:
    passes = Passes(running={(Key("a", str(number)), "job"): NOW for number in range(LIMIT)})
    assert passes.wants(Key("b", "m")), "a namespace counts for no more than it can be given: anybody can make Jobs"
    assert not passes.wants(Key("a", "more"))


def test_a_slot_that_nobody_uses_goes_on() -> None:
    passes = Passes(limit=1)
    passes.wants(Key("a", "1"))
    for name in ("m", "n"):
        assert not passes.wants(Key("b", name))
    passes.running.clear()
    passes.slots.settle(Key("a", "1"), frozenset(), NOW)
    assert passes.woken == [Key("b", "m")]
    passes.woken.clear()  # and no pass over it ever comes
    assert not passes.wants(Key("b", "n"))
    passes.now += GIVEN_FOR
    assert passes.wants(Key("b", "n"))


def test_what_is_wanted_no_more_waits_no_more() -> None:
    passes = Passes(limit=1)
    passes.wants(Key("a", "1"))
    assert not passes.wants(Key("b", "m"))
    passes.slots.settle(Key("b", "m"), frozenset(), NOW)
    passes.running.clear()
    passes.slots.settle(Key("a", "1"), frozenset(), NOW)
    assert passes.woken == []


# -- who has a slot


def a_job(name: str, *, owner: str = "uid-churn", **status: Any) -> dict[str, Any]:
    return {**controlled(an_object(JOB, name, 5), uid=owner), "status": status}


@pytest.mark.parametrize(
    ("job", "counts"),
    [
        (a_job("j"), True),
        (a_job("j", conditions=[{"type": "Complete", "status": "True"}]), False),
        (a_job("j", conditions=[{"type": "Failed", "status": "True"}]), False),
        (a_job("j", owner="somebody-else"), False),
    ],
    ids=["it runs", "it is done", "it has failed", "it is a stranger's"],
)
def test_a_job_has_a_slot_while_it_runs_and_is_ours(job: dict[str, Any], counts: bool) -> None:
    store = Store()
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1))
    store.put(JOB, job)
    assert [name for (_, name), _ in store.resolving(LIMIT)] == (["j"] if counts else [])
    store.remove(JOB, job["metadata"]["uid"])
    assert [*store.resolving(LIMIT)] == []


def test_however_many_jobs_a_tenant_makes_few_are_looked_at() -> None:
    store, made = Store(), "2026-01-01T00:00:00Z"
    store.put(MODEL_DEPLOYMENT, an_object(MODEL_DEPLOYMENT, "churn", 1))
    for number in range(3 * LIMIT):
        job = a_job(f"j{number}")
        job["metadata"] |= {"uid": f"job-{number}", "creationTimestamp": made}
        store.put(JOB, job)
    looked = [*store.resolving(LIMIT)]
    assert len(looked) == LIMIT
    assert {since for _, since in looked} == {NOW}


async def test_who_waits_says_so_in_status_and_has_its_job_when_its_turn_comes(stage: Stage, calls: CallLog) -> None:
    stage.resolve_jobs = 1
    reconciler, first, second = stage.reconciler(decide), stage.key, Key(stage.key.namespace, "other")
    stage.store.put(MODEL_DEPLOYMENT, await stage.kube.create(MODEL_DEPLOYMENT, a_model_deployment(*second)))
    await reconciler.reconcile(first)
    calls.calls.clear()
    until = await reconciler.reconcile(second)

    assert [key for (key, _), _ in stage.store.resolving(LIMIT)] == [first]
    assert until, "there is a deadline"
    live = await stage.kube.get(MODEL_DEPLOYMENT, *second)
    (ready,) = (each for each in live["status"]["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "ResolveQueued"
    assert "waits for its turn: 1 may run at a time" in ready["message"]
    assert [verb for verb, *_ in calls.calls if verb != "get"] == ["replace_status"], "one write says it, and no Event"

    (((_, name), _),) = stage.store.resolving(LIMIT)
    job = await stage.kube.get(JOB, first.namespace, name)
    await stage.kube.delete(JOB, first.namespace, name, job["metadata"]["uid"])
    stage.store.remove(JOB, job["metadata"]["uid"])
    stage.now += timedelta(seconds=5)
    await reconciler.reconcile(second)
    assert [key for (key, _), _ in stage.store.resolving(LIMIT)] == [second]
    live = await stage.kube.get(MODEL_DEPLOYMENT, *second)
    (ready,) = (each for each in live["status"]["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "Resolving", "written before the Job"
