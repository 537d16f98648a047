"""The first write of a child, on a real API server: it makes what is not there, and touches nothing that is."""

from typing import Any

import pytest

from slipway.controller.kinds import BY_NAME, DEPLOYMENT, HTTP_ROUTE
from slipway.controller.kube import ABSENT, ApiKube, ConflictError
from slipway.core.names import FIELD_MANAGER
from testbed.plane import Plane
from tests.controller.manifests import a_config, a_deployment

pytestmark = pytest.mark.plane

CONFIG = BY_NAME["ConfigMap"]


def a_route(namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": {"name": "r", "namespace": namespace},
        "spec": {"rules": [{"backendRefs": [{"name": "s", "port": 80}]}]},
    }


@pytest.fixture(scope="module")
def plane(gateways_plane: Plane) -> Plane:
    """One that knows routes, for all in this file: what is added to the other would be there for all who come after."""
    return gateways_plane


@pytest.mark.parametrize(
    ("kind", "make"),
    [(CONFIG, a_config), (DEPLOYMENT, a_deployment), (HTTP_ROUTE, a_route)],
    ids=["of the core", "of a group", "of a CRD"],
)
async def test_a_first_apply_makes_what_is_not_there_and_is_a_conflict_with_what_is(
    kube: ApiKube, namespace: str, kind: Any, make: Any
) -> None:
    made = await kube.apply(kind, make(namespace), resource_version=ABSENT)

    with pytest.raises(ConflictError):
        await kube.apply(kind, make(namespace), resource_version=ABSENT)

    live = await kube.get(kind, namespace, made["metadata"]["name"])
    assert live["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert [entry["operation"] for entry in made["metadata"]["managedFields"]] == ["Apply"]


async def test_a_first_apply_leaves_a_strangers_object_as_it_is(kube: ApiKube, namespace: str, plane: Plane) -> None:
    plane.kubectl().within(namespace)("create", "configmap", "c", "--from-literal=theirs=yes")

    with pytest.raises(ConflictError):
        await kube.apply(CONFIG, a_config(namespace, ours="yes"), resource_version=ABSENT)

    live = await kube.get(CONFIG, namespace, "c")
    assert live["data"] == {"theirs": "yes"}
    assert FIELD_MANAGER not in {entry["manager"] for entry in live["metadata"]["managedFields"]}


async def test_a_later_apply_takes_away_what_a_first_apply_wrote_and_not_what_a_post_did(
    kube: ApiKube, namespace: str
) -> None:
    """Why the first write is no POST."""
    await kube.apply(CONFIG, a_config(namespace, "applied", a="1", b="2"), resource_version=ABSENT)
    await kube.create(CONFIG, a_config(namespace, "posted", a="1", b="2"))

    applied = await kube.apply(CONFIG, a_config(namespace, "applied", a="1"))
    posted = await kube.apply(CONFIG, a_config(namespace, "posted", a="1"))

    assert applied["data"] == {"a": "1"}
    assert posted["data"] == {"a": "1", "b": "2"}


async def test_an_apply_with_a_uid_writes_that_very_object_or_none(kube: ApiKube, namespace: str) -> None:
    first = (await kube.apply(CONFIG, a_config(namespace, a="1")))["metadata"]["uid"]
    again = await kube.apply(CONFIG, a_config(namespace, a="2"), uid=first)
    assert again["data"] == {"a": "2"}

    await kube.delete(CONFIG, namespace, "c", first)
    with pytest.raises(ConflictError):
        await kube.apply(CONFIG, a_config(namespace, a="3"), uid=first)
    await kube.create(CONFIG, a_config(namespace, theirs="yes"))
    with pytest.raises(ConflictError):
        await kube.apply(CONFIG, a_config(namespace, a="3"), uid=first)
    assert (await kube.get(CONFIG, namespace, "c"))["data"] == {"theirs": "yes"}
