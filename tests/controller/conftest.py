"""A client for the real API server of `plane`, and small things to act on there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_kube_config

from slipway.controller.http import client
from slipway.controller.kinds import MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ApiKube
from slipway.controller.sampling import Ports, Sampling
from testbed.operating import until
from testbed.plane import Plane, free_port


class CallLog:
    """Remembers every call that a client made."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, int]] = []

    def __call__(self, *, verb: str, kind: str, code: int) -> None:
        self.calls.append((verb, kind, code))

    def writes(self) -> list[tuple[str, str, int]]:
        return [call for call in self.calls if call[0] not in ("get", "list")]


@asynccontextmanager
async def client_of(plane: Plane, user: str, calls: CallLog) -> AsyncIterator[ApiKube]:
    configuration = Configuration()
    await load_kube_config(config_file=str(plane.kubeconfig(user)), client_configuration=configuration)
    async with ApiClient(configuration) as client:
        yield ApiKube(client, calls)


@pytest.fixture
def calls() -> CallLog:
    return CallLog()


@pytest.fixture
async def kube(plane: Plane, calls: CallLog) -> AsyncIterator[ApiKube]:
    async with client_of(plane, "operator", calls) as client:
        yield client


def a_model_deployment(namespace: str, name: str = "churn", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": MODEL_DEPLOYMENT.api_version,
        "kind": MODEL_DEPLOYMENT.name,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": {"version": "1", "source": {"uri": "s3://models/churn/1"}}, **spec},
    }


async def eventually(what: str, holds: Callable[[], object], seconds: float = 20) -> None:
    """`until`, while the test's own loop goes on."""
    await asyncio.to_thread(until, what, holds, seconds, 0.05)


@pytest.fixture
async def stage(kube: ApiKube, namespace: str) -> AsyncIterator[Any]:
    """A store that knows one ModelDeployment, and a reconciler on it."""
    from tests.controller.staging import Stage  # which needs this module

    async with client() as session:
        sampling = Sampling(session, lambda key: None, kube=kube, ports=Ports(metrics=free_port()))
        yield await Stage(kube, Key(namespace, "churn"), sampling).with_model_deployment()
        await sampling.close()
