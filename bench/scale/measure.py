"""One measurement: a fresh control plane, so many objects, and what it took."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bench.scale.calls import own_calls, until_quiet
from bench.scale.client import Client, connect
from bench.scale.plain import REPLICAS, apply_children, apply_model_deployments
from slipway.core.names import Manifest
from testbed.audit import READS
from testbed.operating import OperatorProcess, until
from testbed.plane import Plane
from testbed.shell import ROOT

NAMESPACES: Final = 20
PODS_PER_NODE: Final = 100
STEADY_SECONDS: Final = 60
LEASE: Final = "bench"


@dataclass(frozen=True, kw_only=True)
class Plain:
    """What the script took."""

    seconds: float
    applies: int


@dataclass(kw_only=True)
class Measured:
    """What the operator took. Calls are its own, of the audit log; Lease renewals are counted apart."""

    objects: int
    ready_seconds: float = 0
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    cpu_seconds: float = 0
    memory_mib: float = 0
    wait: tuple[float, float] = (0, 0)
    """p50 and p99, in seconds, of both lanes together."""
    duration: tuple[float, float] = (0, 0)
    passes: float = 0
    steady_writes: int = 0
    steady_calls: int = 0
    steady_cpu_seconds: float = 0
    settled_seconds: float = 0
    settled_calls: int = 0
    settled_writes: int = 0
    settled_cpu_seconds: float = 0
    settled_memory_mib: float = 0


def names(count: int) -> list[tuple[str, str]]:
    """Namespace and name of each object, spread evenly."""
    return [(f"bench-{number % NAMESPACES:02d}", f"model-{number:04d}") for number in range(count)]


def plain(count: int) -> Plain:
    """The script, on a control plane of its own."""
    with Plane() as plane:
        prepare(plane, count)
        seconds = asyncio.run(_script(plane, count))
        writes = [call for call in plane.audit.calls(user=plane.user("script")) if call.writes]
        return Plain(seconds=seconds, applies=len(writes))


def operator(count: int, program: Sequence[str] | None = None) -> Measured:
    """The operator, on a control plane of its own."""
    result = Measured(objects=count)
    with Plane() as plane:
        prepare(plane, count)
        with OperatorProcess(plane, lease=LEASE, program=program) as running:
            until("the operator is ready", running.ready, 60)
            _first(plane, running, result)
            _steady(plane, running, result)
        with OperatorProcess(plane, lease=LEASE, program=program) as running:
            _restart(plane, running, result)
    return result


def prepare(plane: Plane, count: int) -> None:
    """A control plane with nodes and namespaces for that many, that has carried one object through."""
    plane.start(controllers=True).add_crds(ROOT / "crds")
    plane.add_nodes(max(3, count * (REPLICAS + 1) // PODS_PER_NODE))
    spaces = {namespace for namespace, _ in names(count)}
    plane.kubectl().apply(
        *({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in sorted(spaces))
    )
    asyncio.run(_warm(plane))


async def _warm(plane: Plane) -> None:
    """One object first: every process has started, and the API server has read all its schemas."""
    async with connect(plane, "admin") as client:
        await apply_children(client, [("default", "warm")])
        await client.until_all("deployments", 1, _available)


async def _script(plane: Plane, count: int) -> float:
    async with connect(plane) as client:
        began = time.monotonic()
        everything = client.until_all("deployments", count + 1, _available)
        await asyncio.gather(apply_children(client, names(count)), everything)
        return time.monotonic() - began


def _first(plane: Plane, running: OperatorProcess, result: Measured) -> None:
    """From the first ModelDeployment until all are Ready."""
    mark = plane.audit.mark()
    cpu = running.cpu_seconds()
    result.ready_seconds = asyncio.run(_until_ready(plane, result.objects))
    until_quiet(plane, 120)
    calls = own_calls(plane, mark)
    result.calls = Counter((call.verb, call.resource) for call in calls)
    result.cpu_seconds = running.cpu_seconds() - cpu
    result.memory_mib = running.memory_mib(peak=True)
    result.wait = quantiles(running, "slipway_queue_wait_seconds")
    result.duration = quantiles(running, "slipway_reconcile_duration_seconds")
    result.passes = running.total("slipway_reconcile_duration_seconds_count")


def _steady(plane: Plane, running: OperatorProcess, result: Measured) -> None:
    """A minute in which nobody asks for anything."""
    mark, cpu = plane.audit.mark(), running.cpu_seconds()
    time.sleep(STEADY_SECONDS)
    calls = own_calls(plane, mark)
    result.steady_calls = len(calls)
    result.steady_writes = sum(call.writes for call in calls)
    result.steady_cpu_seconds = running.cpu_seconds() - cpu


def _restart(plane: Plane, running: OperatorProcess, result: Measured) -> None:
    """From the start of the process until every object has had a pass."""
    mark, began = plane.audit.mark(), time.monotonic()
    until("it answers", running.ready, 60, 0.05)
    done = "slipway_reconcile_duration_seconds_count"
    until("all are reconciled", lambda: running.total(done, outcome="done") >= result.objects, 120, 0.05)
    result.settled_seconds = time.monotonic() - began
    until_quiet(plane, 120)
    calls = own_calls(plane, mark)
    result.settled_calls = len(calls)
    result.settled_writes = sum(call.writes for call in calls)
    result.settled_cpu_seconds = running.cpu_seconds()
    result.settled_memory_mib = running.memory_mib(peak=True)


async def _until_ready(plane: Plane, count: int) -> float:
    async with connect(plane) as client:
        began = time.monotonic()
        await asyncio.gather(apply_model_deployments(client, names(count)), _ready_and_budgeted(client, count))
        return time.monotonic() - began


async def _ready_and_budgeted(client: Client, count: int) -> None:
    """Ready, and with the last child that the script makes too."""
    await client.until_all("modeldeployments", count, is_ready)
    await client.until_all("poddisruptionbudgets", count + 1, lambda _: True)


def _available(deployment: Manifest) -> bool:
    return bool((deployment.get("status") or {}).get("availableReplicas", 0) >= REPLICAS)


def is_ready(found: Manifest) -> bool:
    """Whether a ModelDeployment is Ready."""
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def quantiles(running: OperatorProcess, name: str, **only: str) -> tuple[float, float]:
    """p50 and p99 of a histogram, read as Prometheus reads it: even within a bucket."""
    buckets: Counter[float] = Counter()
    for (found, labels), value in running.scrape().items():
        if found == f"{name}_bucket" and only.items() <= dict(labels).items():
            buckets[float(dict(labels)["le"])] += value  # type: ignore[assignment]
    bounds = sorted(buckets)
    return _quantile(bounds, buckets, 0.5), _quantile(bounds, buckets, 0.99)


def _quantile(bounds: Sequence[float], counts: Counter[float], share: float) -> float:
    rank = share * counts[bounds[-1]]
    low, below = 0.0, 0.0
    for bound in bounds:
        if counts[bound] >= rank:
            inside = counts[bound] - below
            return low if bound == float("inf") else low + (bound - low) * ((rank - below) / inside if inside else 0)
        low, below = bound, counts[bound]
    return low


def reads(result: Measured) -> int:
    """Calls that read one object."""
    return sum(count for (verb, resource), count in result.calls.items() if verb == "get" and "/" not in resource)


def listings(result: Measured) -> int:
    """Lists and watches: for all objects together."""
    return sum(count for (verb, _), count in result.calls.items() if verb in READS - {"get"})
