"""How long somebody who asks waits while a crowd starts: canaries that serve already are called off, one by one."""

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.scale.client import Client, connect
from bench.scale.measure import LEASE, is_ready, names, prepare, quantiles
from bench.scale.plain import REPLICAS, apply_model_deployments, model_deployment
from slipway.core.names import REQUEST, REVISION, Manifest, of_revision
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane

ASKED: Final = [("default", f"asked-{number}") for number in range(9)]
PAUSE_SECONDS: Final = 0.5
"""From one request's effect to the next request."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Seconds from an annotation `abort/REVISION` until the old version is given all its pods again. What those take to
    start is Kubernetes' own."""

    median: float
    longest: float
    wait: tuple[float, float]
    """p50 and p99 of what urgent passes waited in the queue, in seconds."""
    before_the_crowd_was_up: int
    """How many of the requests had their effect while others still started."""


def asked(count: int, program: Sequence[str] | None = None) -> Asked:
    """On a control plane of its own."""
    with Plane() as plane:
        prepare(plane, count)
        with OperatorProcess(plane, lease=LEASE, program=program) as running:
            until("the operator is ready", running.ready, 60)
            waits, early = asyncio.run(_amid_a_crowd(plane, count))
            return Asked(
                median=statistics.median(waits),
                longest=max(waits),
                wait=quantiles(running, "slipway_queue_wait_seconds", lane="urgent"),
                before_the_crowd_was_up=early,
            )


async def _amid_a_crowd(plane: Plane, count: int) -> tuple[list[float], int]:
    async with connect(plane) as client:
        await asyncio.gather(*(_until_paused(client, *at) for at in ASKED))
        crowd = asyncio.create_task(_crowd(client, count))
        under_way = len(ASKED) + count // 10
        await client.until_all("modeldeployments", under_way, lambda found: bool(found.get("status")))
        waits: list[float] = []
        early = 0
        for at in ASKED:
            waits.append(await _call_off(client, *at))
            early += not crowd.done()
            await asyncio.sleep(PAUSE_SECONDS)
        await crowd
        return waits, early


async def _crowd(client: Client, count: int) -> None:
    await asyncio.gather(
        apply_model_deployments(client, names(count)), client.until_all("modeldeployments", count, is_ready)
    )


async def _until_paused(client: Client, namespace: str, name: str) -> None:
    """Bring one to where its second version has half of the pods, and somebody has to decide."""
    canary = {"type": "Canary", "canary": {"steps": [{"weight": 50}, {"pause": {}}]}}
    manifest = model_deployment(namespace, name)
    await client.apply(manifest | {"spec": manifest["spec"] | {"rollout": canary}})
    await client.until("modeldeployments", namespace, name, is_ready)
    second = manifest["spec"]["model"] | {"version": "2"}
    await client.apply(manifest | {"spec": manifest["spec"] | {"rollout": canary, "model": second}})
    await client.until("services", namespace, name, _spans_both)


async def _call_off(client: Client, namespace: str, name: str) -> float:
    found = await client.until("modeldeployments", namespace, name, lambda found: "candidate" in found["status"])
    meta = {"name": name, "namespace": namespace}
    request = {REQUEST: f"abort/{found['status']['candidate']['revision']}"}
    old = of_revision(name, found["status"]["stable"]["revision"])
    whole = client.until("deployments", namespace, old, lambda found: bool(found["spec"]["replicas"] == REPLICAS))
    back = asyncio.create_task(whole)
    began = time.monotonic()
    await client.patch({"kind": found["kind"], "metadata": meta}, {"metadata": {"annotations": request}})
    await back
    return time.monotonic() - began


def _spans_both(service: Manifest) -> bool:
    return REVISION not in service["spec"]["selector"]
