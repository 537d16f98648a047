"""One works, another takes over; on a real API server."""

import asyncio
from functools import partial

import pytest

from slipway.controller.election import Election, LeaseLostError, Terms
from slipway.controller.kinds import LEASE
from slipway.controller.kube import ApiKube
from testbed.plane import Plane
from tests.controller.conftest import eventually

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

    with pytest.raises(LeaseLostError):
        await asyncio.wait_for(holder.hold(), 5)

    assert QUICK.give_up <= asyncio.get_running_loop().time() - started < QUICK.duration
