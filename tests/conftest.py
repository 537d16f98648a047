"""Real control planes for tests, as plain processes. What they need is built where it is absent, never skipped."""

import gc
import secrets
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import settings

from testbed import costs
from testbed.api import Api
from testbed.gateway.crds import envoy_gateway_crds, gateway_api_crds
from testbed.keda.crds import keda_crds
from testbed.plane import Plane
from testbed.shell import ROOT
from tests.workers import ByControlPlane, give_way, place_of

# Collecting eight thousand tests makes much that stays: by default a third of its time goes into looking for garbage.
gc.set_threshold(50_000, 20, 20)

# Their assertions explain themselves like a test's.
pytest.register_assert_rewrite("tests.core.cluster")

# CI judges a commit by the same examples each time; `--hypothesis-profile=explore` looks for new ones.
EXAMPLE = timedelta(minutes=1)
"""Most of an example that waits for a core all the time (7 s were seen); one that takes time without end takes more."""
settings.register_profile("repeatable", derandomize=True, deadline=EXAMPLE)
settings.register_profile("explore", max_examples=1500, print_blob=True, deadline=EXAMPLE)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """What each folder costs is told at the end."""
    costs.register(config)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByControlPlane:
    """Whatever `--dist` says: what shares a control plane shares workers."""
    return ByControlPlane(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits longest comes first."""
    items.sort(key=lambda item: place_of(_file(item)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """What is there by now stays to the end, and need not be looked through for garbage again."""
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before its fixtures start anything."""
    give_way(_file(item))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What stories have measured."""
    for report in (*terminalreporter.stats.get("passed", ()), *terminalreporter.stats.get("", ())):
        for figures in (value for name, value in report.user_properties if name == "figures"):
            terminalreporter.section(report.nodeid.partition("::")[2])
            for what, value in figures.items():
                terminalreporter.write_line(f"{what}: {value}")


def _file(item: pytest.Item) -> str:
    return item.nodeid.split("::", 1)[0]


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    """etcd and an API server with our CRDs: nothing acts on objects but the test."""
    with Plane() as started:
        started.start().add_crds(ROOT / "crds")
        yield started


@pytest.fixture(scope="session")
def gateways_plane() -> Iterator[Plane]:
    """The same as `plane`, but it knows the Gateway API, Envoy Gateway's policies and KEDA's ScaledObject. `plane` must
    not: operators that are started there find none."""
    with Plane() as started:
        started.start()
        _add_all_crds(started)
        yield started


@pytest.fixture(scope="session")
def cluster_plane() -> Iterator[Plane]:
    """The same with a controller-manager, a scheduler and two kwok nodes without a GPU: pods "run" at once, and nothing
    serves the kinds of gateways and KEDA's."""
    with Plane() as started:
        started.start(controllers=True)
        _add_all_crds(started)
        started.add_nodes(2)
        yield started


def _add_all_crds(plane: Plane) -> None:
    plane.add_crds(ROOT / "crds", gateway_api_crds(), envoy_gateway_crds(), keda_crds())


def fresh_namespace(plane: Plane) -> str:
    """One that nobody else has. Asked for without kubectl, whose start takes longer than all else about most tests."""
    name = f"t-{secrets.token_hex(4)}"
    with Api(plane) as api:
        api.create("namespaces", "", {"metadata": {"name": name}})
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
    with Api(cluster_plane) as api:
        api.delete("namespaces", "", name)
