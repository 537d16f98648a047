"""Real control planes for tests, as plain processes. What they need is built where it is absent, never skipped."""

import secrets
from collections.abc import Iterator

import pytest
from hypothesis import settings

from testbed.gateway.crds import envoy_gateway_crds, gateway_api_crds
from testbed.plane import Plane
from testbed.shell import ROOT

# Their assertions explain themselves like a test's.
pytest.register_assert_rewrite("tests.core.cluster")

# CI judges a commit by the same examples each time; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("explore", max_examples=1500, print_blob=True)
settings.load_profile("repeatable")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a `cluster_plane` come first: they wait long, and other workers' files fill the gaps."""
    files = {item.path for item in items if "cluster_plane" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: item.path not in files)


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    """etcd and an API server with our CRDs: nothing acts on objects but the test."""
    with Plane() as started:
        started.start().add_crds(ROOT / "crds")
        yield started


@pytest.fixture(scope="session")
def cluster_plane() -> Iterator[Plane]:
    """The same with a controller-manager, a scheduler and two kwok nodes without a GPU: pods "run" at once. It knows
    the Gateway API and Envoy Gateway's policies, though nothing serves them."""
    with Plane() as started:
        started.start(controllers=True).add_crds(ROOT / "crds")
        started.add_crds(gateway_api_crds())
        started.add_crds(envoy_gateway_crds())
        started.add_nodes(2)
        yield started


def fresh_namespace(plane: Plane) -> str:
    """One that nobody else has."""
    name = f"t-{secrets.token_hex(4)}"
    plane.kubectl()("create", "namespace", name)
    return name


@pytest.fixture
def namespace(plane: Plane) -> str:
    """A new namespace on `plane`. It stays: nothing there would finish its deletion."""
    return fresh_namespace(plane)


@pytest.fixture
def cluster_namespace(cluster_plane: Plane) -> Iterator[str]:
    """A new namespace on `cluster_plane`, deleted after the test."""
    name = fresh_namespace(cluster_plane)
    yield name
    cluster_plane.kubectl()("delete", "namespace", name, "--wait=false")
