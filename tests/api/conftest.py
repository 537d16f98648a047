"""A client of the real API server."""

from collections.abc import Iterator

import pytest
from kubernetes import client, config

from testbed.plane import Plane
from tests.api.objects import Objects


@pytest.fixture(scope="session")
def api_client(plane: Plane) -> Iterator[client.ApiClient]:
    """The Python client, as admin."""
    with config.new_client_from_config(str(plane.kubeconfig())) as found:
        yield found


@pytest.fixture
def objects(api_client: client.ApiClient, namespace: str) -> Objects:
    """ModelDeployments of a new namespace."""
    return Objects(api_client, namespace)


@pytest.fixture(scope="session")
def dry_objects(api_client: client.ApiClient) -> Objects:
    """For dry runs: a namespace where nothing is ever stored."""
    return Objects(api_client, "default")
