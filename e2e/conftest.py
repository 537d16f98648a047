"""One cluster for all stories, with Slipway, a store and a client in it; a namespace for each story."""

import re
import secrets
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from filelock import FileLock, ReadWriteLock

from e2e import client
from e2e.client import Client
from e2e.live import LiveApi
from e2e.space import Space
from e2e.store import Store
from testbed import cluster as clusters
from testbed import costs, installing, resource_metrics, time_left
from testbed.cluster import Cluster
from testbed.gateway import envoy
from testbed.gateway.envoy import Gateway

NAME = "slipway-e2e"


def pytest_configure(config: pytest.Config) -> None:
    """What the stories cost this machine, beside the cluster, is told at the end."""
    costs.register(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before its fixtures start anything."""
    time_left.begin()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def cluster(shared: Path) -> Cluster:
    """The cluster with all that stories need, made by the first worker that asks."""
    made = shared / "installed"
    with FileLock(shared / "installing.lock"):
        there = clusters.up(NAME)
        if not made.exists():
            installing.install(there)
            resource_metrics.install(there)
            client.place(there)
            made.touch()
    return there


@pytest.fixture(scope="session")
def gateway(cluster: Cluster, shared: Path) -> Gateway:
    """A Gateway for the routes of all stories, brought by the first that asks."""
    with FileLock(shared / "gateway.lock"):
        return envoy.install(cluster)


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[LiveApi]:
    """The API server as its administrator."""
    with LiveApi(cluster.kubeconfig) as api:
        yield api


@pytest.fixture(autouse=True)
def turn(request: pytest.FixtureRequest, shared: Path, cluster: Cluster) -> Iterator[None]:
    """Stories run beside each other, but for those that take the operator away: they run alone."""
    lock = ReadWriteLock(shared / "turns.lock")
    with lock.write_lock() if request.node.get_closest_marker("alone") else lock.read_lock():
        yield


@pytest.fixture
def space(request: pytest.FixtureRequest, cluster: Cluster, api: LiveApi, turn: None) -> Iterator[Space]:
    """The story's own namespace. It goes at the end, and with it all that was in it."""
    made = Space(
        cluster=cluster,
        api=api,
        client=Client(cluster.kubectl.within(installing.CLIENTS)),
        store=Store(cluster.kubectl.within("slipway-storage")),
        namespace=_namespace(request.node.name),
    )
    made.prepare()
    yield made
    cluster.kubectl("delete", "namespace", made.namespace, "--wait=false")


def _namespace(test: str) -> str:
    """The test's name as far as it may be a namespace's, and digits of its own: an earlier one may still be going."""
    words = re.sub(r"[^a-z0-9]+", "-", test.removeprefix("test_").lower())
    return f"{words[:40].strip('-')}-{secrets.token_hex(2)}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Stories that run alone come last: nobody waits for them."""
    items.sort(key=lambda item: item.get_closest_marker("alone") is not None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Beside a failure stands what the story's namespace looked like."""
    report = yield
    space = getattr(item, "funcargs", {}).get("space")
    if report.when == "call" and report.failed and space:
        report.sections.append((f"namespace {space.namespace}", space.evidence()))
    return report
