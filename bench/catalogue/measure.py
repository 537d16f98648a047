"""One measurement: a control plane with a large catalogue, and what it costs the operator."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from bench.catalogue import objects
from bench.scale.calls import own_calls, until_quiet
from bench.scale.client import Client, connect
from bench.scale.measure import is_ready
from slipway.core.names import Manifest
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from testbed.shell import ROOT

IN_FLIGHT: Final = 16
STEADY_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 900
LEASE: Final = "bench"
OWN: Final = frozenset({"modeldeployments", "registeredmodels", "modelversions"})


@dataclass(kw_only=True)
class Measured:
    """What the catalogue costs. Calls are the operator's own, of the audit log, without its Lease."""

    models: int
    versions: int
    followers: int = 0
    fill_seconds: float = 0
    small_mib: float = 0
    """The operator's memory with the followed models alone, a minute after its start; and its highest."""
    small_peak_mib: float = 0
    large_mib: float = 0
    large_peak_mib: float = 0
    first_seconds: float = 0
    """From the start of the first operator that sees them all until each model's status says so."""
    first_writes: int = 0
    settled_seconds: float = 0
    settled_cpu_seconds: float = 0
    settled_writes: int = 0
    steady_calls: int = 0
    steady_own_calls: int = 0
    """Of them those for the kinds of this API."""
    steady_cpu_seconds: float = 0
    published: list[float] = field(default_factory=list)
    """Seconds from a publication, of a version that the alias means already, until each follower's status has it."""
    moved: list[float] = field(default_factory=list)
    """The same from a move of the alias to a version that is published already."""


def measured(models: int, versions_of_each: int) -> Measured:
    """Measure on a control plane of its own."""
    result = Measured(models=models, versions=models * versions_of_each)
    result.followers = objects.FOLLOWED * objects.FOLLOWERS_OF_EACH
    with Plane() as plane:
        _prepare(plane)
        with OperatorProcess(plane, lease=LEASE) as running:
            until("the operator is ready", running.ready, 60)
            asyncio.run(_followers_ready(plane))
        with OperatorProcess(plane, lease=LEASE) as running:
            _settled(running, result.followers, objects.FOLLOWED)
            until_quiet(plane, 300)
            time.sleep(STEADY_SECONDS)
            result.small_mib, result.small_peak_mib = running.memory_mib(), running.memory_mib(peak=True)
        result.fill_seconds = asyncio.run(_fill(plane, models, versions_of_each))
        with OperatorProcess(plane, lease=LEASE) as running:
            _first(plane, running, result, versions_of_each)
        with OperatorProcess(plane, lease=LEASE) as running:
            _restart(plane, running, result)
            _steady(plane, running, result)
            result.large_mib, result.large_peak_mib = running.memory_mib(), running.memory_mib(peak=True)
            asyncio.run(_noticed(plane, result, str(versions_of_each + 1)))
    return result


def _prepare(plane: Plane) -> None:
    plane.start(controllers=True).add_crds(ROOT / "crds")
    plane.add_nodes(3)
    names = [objects.namespace_of(number) for number in range(objects.NAMESPACES)]
    plane.kubectl().apply(*({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names))
    asyncio.run(_begin(plane))


async def _begin(plane: Plane) -> None:
    async with connect(plane) as client:
        for model in range(objects.FOLLOWED):
            await client.apply(objects.registered_model(model, "1"))
            await client.apply(objects.model_version(model, "1"))
            for follower in objects.followers(model):
                await client.apply(follower)


async def _followers_ready(plane: Plane) -> None:
    async with connect(plane) as client:
        everyone = objects.FOLLOWED * objects.FOLLOWERS_OF_EACH
        await asyncio.wait_for(client.until_all("modeldeployments", everyone, is_ready), PATIENCE_SECONDS)


async def _fill(plane: Plane, models: int, versions_of_each: int) -> float:
    """Publish all versions of all models, those of the followed ones beyond the first included."""
    began = time.monotonic()
    manifests = (
        manifest
        for model in range(models)
        for manifest in (
            *([objects.registered_model(model, "1")] if model >= objects.FOLLOWED else ()),
            *(objects.model_version(model, str(number)) for number in range(1, versions_of_each + 1)),
        )
    )
    async with connect(plane) as client:
        await asyncio.gather(*(_apply_all(client, manifests) for _ in range(IN_FLIGHT)))
    return time.monotonic() - began


async def _apply_all(client: Client, manifests: Iterable[Manifest]) -> None:
    for manifest in manifests:  # one iterator for all workers
        await client.apply(manifest)


def _first(plane: Plane, running: OperatorProcess, result: Measured, versions_of_each: int) -> None:
    """The first operator that sees them all writes each model's status."""
    mark, began = plane.audit.mark(), time.monotonic()
    asyncio.run(_all_counted(plane, result.models, versions_of_each))
    result.first_seconds = time.monotonic() - began
    until_quiet(plane, 300)
    result.first_writes = sum(call.writes for call in own_calls(plane, mark))


async def _all_counted(plane: Plane, models: int, versions_of_each: int) -> None:
    def counted(model: Manifest) -> bool:
        return bool((model.get("status") or {}).get("versions") == versions_of_each)

    async with connect(plane) as client:
        await asyncio.wait_for(client.until_all("registeredmodels", models, counted), PATIENCE_SECONDS)


def _settled(running: OperatorProcess, followers: int, versions: int) -> None:
    """Until every version is known and every follower has had a pass."""
    until("it answers", running.ready, 120, 0.05)
    done = "slipway_reconcile_duration_seconds_count"
    until("all followers are reconciled", lambda: running.total(done, outcome="done") >= followers, 120, 0.05)
    known = "slipway_store_objects"
    until("all versions are known", lambda: running.total(known, kind="ModelVersion") >= versions, 120, 0.05)


def _restart(plane: Plane, running: OperatorProcess, result: Measured) -> None:
    """From the start of the process."""
    mark, began = plane.audit.mark(), time.monotonic()
    _settled(running, result.followers, result.versions)
    result.settled_seconds = time.monotonic() - began
    result.settled_cpu_seconds = running.cpu_seconds()
    until_quiet(plane, 300)
    result.settled_writes = sum(call.writes for call in own_calls(plane, mark))


def _steady(plane: Plane, running: OperatorProcess, result: Measured) -> None:
    """A minute in which nobody publishes anything, after the first count of uses."""
    time.sleep(STEADY_SECONDS)
    mark, cpu = plane.audit.mark(), running.cpu_seconds()
    time.sleep(STEADY_SECONDS)
    calls = own_calls(plane, mark)
    result.steady_calls = len(calls)
    result.steady_own_calls = sum(call.resource.partition("/")[0] in OWN for call in calls)
    result.steady_cpu_seconds = running.cpu_seconds() - cpu


async def _noticed(plane: Plane, result: Measured, version: str) -> None:
    """Half of the followed models publish what their alias means already, the others move it to what is published."""
    async with connect(plane) as client:
        for model in range(objects.FOLLOWED):
            alias, published = objects.registered_model(model, version), objects.model_version(model, version)
            before, change = (alias, published) if model % 2 else (published, alias)
            await client.apply(before)
            await asyncio.sleep(3)
            seen = [asyncio.create_task(_has(client, each, version)) for each in objects.followers(model)]
            await asyncio.sleep(0.5)  # their watches are open
            began = time.monotonic()
            await client.apply(change)
            await asyncio.wait_for(asyncio.gather(*seen), PATIENCE_SECONDS)
            (result.published if model % 2 else result.moved).append(time.monotonic() - began)


async def _has(client: Client, follower: Manifest, version: str) -> None:
    def follows(found: Manifest) -> bool:
        return bool(((found.get("status") or {}).get("follow") or {}).get("version") == version)

    meta = follower["metadata"]
    await client.until("modeldeployments", meta["namespace"], meta["name"], follows)
