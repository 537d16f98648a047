"""One works, another takes over; on a real API server."""

import asyncio
from functools import partial
from typing import cast

import pytest

from slipway.controller.election import Election, LeaseLostError, Terms
from slipway.controller.fence import FencedKube
from slipway.controller.kinds import LEASE, Kind
from slipway.controller.kube import ApiKube, Kube, KubeError, NotFoundError
from slipway.core.names import Manifest
from testbed.plane import Plane
from tests.controller.conftest import CallLog, eventually

pytestmark = pytest.mark.plane

QUICK = Terms(duration=1, give_up=0.6, renew=0.05, poll=0.05)


def a_candidate(kube: ApiKube, namespace: str, identity: str) -> Election:
    clock = asyncio.get_running_loop().time
    return Election(kube=kube, namespace=namespace, name="slipway", identity=identity, clock=clock, terms=QUICK)


async def _holder(kube: ApiKube, namespace: str) -> str:
    return str((await kube.get(LEASE, namespace, "slipway"))["spec"].get("holderIdentity", ""))


async def test_of_two_candidates_one_leads_and_the_other_stands_by(kube: ApiKube, namespace: str) -> None:
    first, second = (a_candidate(kube, namespace, name) for name in ("first", "second"))
    await first.acquire()
    holding = asyncio.create_task(first.hold())

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), 1.3)

    assert await _holder(kube, namespace) == "first"
    assert not holding.done()
    holding.cancel()


async def test_of_many_candidates_at_once_exactly_one_leads(kube: ApiKube, namespace: str) -> None:
    candidates = [asyncio.create_task(a_candidate(kube, namespace, f"c{n}").acquire()) for n in range(6)]

    done, waiting = await asyncio.wait(candidates, timeout=0.8)

    assert len(done) == 1
    for task in waiting:
        task.cancel()


async def test_a_lease_that_is_given_back_is_taken_at_once(kube: ApiKube, namespace: str) -> None:
    first = a_candidate(kube, namespace, "first")
    await first.acquire()
    await first.release()

    await asyncio.wait_for(a_candidate(kube, namespace, "second").acquire(), 0.5)

    lease = await kube.get(LEASE, namespace, "slipway")
    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseTransitions"]) == ("second", 1)


async def test_a_lease_whose_holder_is_dead_is_taken_when_it_has_expired_by_the_candidates_own_clock(
    kube: ApiKube, namespace: str
) -> None:
    await a_candidate(kube, namespace, "dead").acquire()
    started = asyncio.get_running_loop().time()

    await asyncio.wait_for(a_candidate(kube, namespace, "heir").acquire(), 5)

    assert asyncio.get_running_loop().time() - started > QUICK.duration
    assert await _holder(kube, namespace) == "heir"


async def test_a_holder_whose_lease_was_taken_stops(kube: ApiKube, namespace: str, plane: Plane) -> None:
    holder = a_candidate(kube, namespace, "holder")
    await holder.acquire()
    holding = asyncio.create_task(holder.hold())
    plane.kubectl()("-n", namespace, "patch", "lease", "slipway", "-p", '{"spec": {"holderIdentity": "thief"}}')

    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(holding, 5)
    await holder.release()

    assert await _holder(kube, namespace) == "thief"


async def test_a_person_who_annotates_the_lease_takes_it_from_nobody(
    kube: ApiKube, namespace: str, plane: Plane
) -> None:
    holder = a_candidate(kube, namespace, "holder")
    await holder.acquire()
    holding = asyncio.create_task(holder.hold())
    kubectl = plane.kubectl().within(namespace)
    kubectl("annotate", "lease", "slipway", "note=hello")
    renewed = partial(kubectl, "get", "lease", "slipway", "-o", "jsonpath={.spec.renewTime}")
    before = await asyncio.to_thread(renewed)

    await eventually("it is renewed", lambda: renewed() > before)

    assert not holding.done()
    lease = await kube.get(LEASE, namespace, "slipway")
    assert lease["metadata"]["annotations"] == {"note": "hello"}
    holding.cancel()


async def test_a_holder_that_cannot_renew_stops_before_anybody_else_may_take_over(
    kube: ApiKube, namespace: str
) -> None:
    holder = a_candidate(kube, namespace, "holder")
    await holder.acquire()
    started = asyncio.get_running_loop().time()
    kube._client.configuration.host = "https://127.0.0.1:1"

    holding = asyncio.create_task(holder.hold())
    await eventually("it vouches for nothing any more", lambda: not holder.vouched, 5)

    assert asyncio.get_running_loop().time() - started < QUICK.duration
    assert not holding.done()
    holding.cancel()


async def test_a_holder_that_could_not_renew_for_longer_than_the_lease_leads_again_while_it_is_still_its_own(
    kube: ApiKube, namespace: str
) -> None:
    holder = a_candidate(kube, namespace, "holder")
    await holder.acquire()
    holding = asyncio.create_task(holder.hold())
    where, kube._client.configuration.host = kube._client.configuration.host, "https://127.0.0.1:1"
    await eventually("it vouches for nothing any more", lambda: not holder.vouched, 5)
    waiting = asyncio.create_task(holder.until_vouched())
    await asyncio.sleep(2 * QUICK.duration)
    assert not waiting.done()

    kube._client.configuration.host = where
    await asyncio.wait_for(waiting, 5)

    assert holder.vouched
    assert not holding.done()
    assert await _holder(kube, namespace) == "holder"
    holding.cancel()


async def test_a_holder_that_comes_back_to_another_ones_lease_stops(kube: ApiKube, namespace: str) -> None:
    holder, heir = (a_candidate(kube, namespace, name) for name in ("holder", "heir"))
    await holder.acquire()
    await heir.acquire()

    with pytest.raises(LeaseLostError, match="heir"):
        await asyncio.wait_for(holder.hold(), 5)
    assert not holder.vouched


async def test_a_lease_that_somebody_deleted_is_made_again(kube: ApiKube, namespace: str, plane: Plane) -> None:
    holder = a_candidate(kube, namespace, "holder")
    await holder.acquire()
    holding = asyncio.create_task(holder.hold())
    kubectl = plane.kubectl().within(namespace)
    await asyncio.to_thread(kubectl, "delete", "lease", "slipway")
    there = partial(kubectl, "get", "lease", "slipway", "-o", "name", check=False)
    await eventually("it is there again", there)

    assert await _holder(kube, namespace) == "holder"
    assert not holding.done()
    holding.cancel()


class FakeSlowKube:
    """Takes a Lease once and renews it once, and takes its time to answer by a clock that stands still in between."""

    def __init__(self, takes: float) -> None:
        self.now, self._takes, self._renewals = 0.0, takes, 0

    async def get(self, *_: object) -> Manifest:
        raise NotFoundError(404, "NotFound", "")

    async def create(self, _: Kind, lease: Manifest) -> Manifest:
        self.now += self._takes
        return lease | {"metadata": lease["metadata"] | {"resourceVersion": "1"}}

    async def replace(self, kind: Kind, lease: Manifest) -> Manifest:
        self._renewals += 1
        if self._renewals > 1:
            await asyncio.Event().wait()
        return await self.create(kind, lease)


@pytest.mark.parametrize("takes", [0, 5, 19])
async def test_a_holder_vouches_from_when_it_sent_its_write_and_not_from_the_answer(takes: int) -> None:
    fake, terms = FakeSlowKube(takes), Terms(renew=0)
    candidate = Election(
        kube=cast("Kube", fake), namespace="n", name="l", identity="me", clock=lambda: fake.now, terms=terms
    )

    def vouches_from(sent: float) -> bool:
        fake.now = sent + terms.give_up - 0.1
        before = candidate.vouched
        fake.now = sent + terms.give_up
        return before and not candidate.vouched

    await candidate.acquire()
    assert vouches_from(0)
    fake.now = 100
    holding = asyncio.create_task(candidate.hold())
    await asyncio.wait_for(candidate.until_vouched(), 5)
    assert vouches_from(100)
    holding.cancel()


@pytest.mark.parametrize("verb", ["create", "replace", "apply", "replace_status", "scale", "delete", "create_event"])
async def test_without_a_lease_that_is_vouched_for_nothing_is_written(
    kube: ApiKube, namespace: str, calls: CallLog, verb: str
) -> None:
    fenced = FencedKube(kube, lambda: False)
    arguments = {"scale": (namespace, "d", 1, "1"), "delete": (LEASE, namespace, "l", "u"), "create_event": ({},)}

    with pytest.raises(KubeError, match="NotLeading"):
        await getattr(fenced, verb)(*arguments.get(verb, (LEASE, {"metadata": {"name": "l"}})))

    assert calls.calls == []
    assert [page async for page in fenced.list(LEASE, namespace)]
