"""A client for the real API server of `plane`, and small things to act on there."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import load_kube_config

from slipway.controller.kinds import MODEL_DEPLOYMENT
from slipway.controller.kube import ApiKube
from testbed.plane import Plane


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


async def eventually(condition: Callable[[], object], timeout_seconds: float = 20) -> None:
    """Wait for something that another process does; the assertion message is the condition's own."""
    deadline = time.monotonic() + timeout_seconds
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, f"not within {timeout_seconds} s"
        await asyncio.sleep(0.05)
