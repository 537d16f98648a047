"""The measure that the operator is held against: a script that applies the same children and knows nothing else.

It renders them with the operator's own builders, so number and shape are the same, and applies each once, with no owner
and no waiting for an answer in between.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from bench.scale.client import Client
from slipway.api.scalars import duration
from slipway.api.v1alpha1 import ModelDeploymentSpec
from slipway.core.children.budget import budget
from slipway.core.children.manifest import finished
from slipway.core.children.resolve_job import resolve_job
from slipway.core.children.resolved import Resolved
from slipway.core.children.revision import controller_revision, render
from slipway.core.children.service import root_service
from slipway.core.identity import ask
from slipway.core.names import Manifest
from slipway.core.owner import Owner
from slipway.core.platform import Platform

IN_FLIGHT: Final = 32
"""Objects at a time: as many as the operator has calls."""
REPLICAS: Final = 2
_PLATFORM: Final = Platform(version="bench", fetcher_image="testbed/fetcher", server_image="testbed/server")
_RESOLVED: Final = Resolved(digest=f"sha256:{'1' * 64}", size=4096, files=4, golden=1)


def model_deployment(namespace: str, name: str) -> Manifest:
    """The ModelDeployment that the operator makes those children of."""
    source = {"uri": f"s3://models/{name}/1"}
    return {
        "apiVersion": "serving.slipway.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"version": "1", "source": source}, "replicas": REPLICAS},
    }


def children(namespace: str, name: str) -> Iterator[Manifest]:
    """What the operator makes of one ModelDeployment on its way to Ready, in that order."""
    owner = Owner(namespace=namespace, name=name, uid="none")
    spec = ModelDeploymentSpec.model_validate(model_deployment(namespace, name)["spec"])
    asked = ask(spec)
    record = render(owner=owner, spec=spec, ask=asked, resolved=_RESOLVED, platform=_PLATFORM)
    made = [
        resolve_job(owner=owner, spec=spec, ask=asked, platform=_PLATFORM, deadline=duration("1h")),
        controller_revision(record, owner=owner, number=1),
        *record.children,
        root_service(owner=owner, revision=record.revision),
        budget(owner=owner, revision=record.revision),
    ]
    for manifest in made:
        whole = finished(manifest, owner=owner, api_version="none", kind="none")
        del whole["metadata"]["ownerReferences"]
        if whole["kind"] == "Deployment":
            whole["spec"] = {**whole["spec"], "replicas": REPLICAS}
        yield whole


async def apply_children(client: Client, names: Sequence[tuple[str, str]]) -> None:
    """Apply every child of every object."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(namespace: str, name: str) -> None:
        async with slots:
            for manifest in children(namespace, name):
                await client.apply(manifest)

    await asyncio.gather(*(one(*at) for at in names))


async def apply_model_deployments(client: Client, names: Sequence[tuple[str, str]]) -> None:
    """Apply every ModelDeployment."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(namespace: str, name: str) -> None:
        async with slots:
            await client.apply(model_deployment(namespace, name))

    await asyncio.gather(*(one(*at) for at in names))
