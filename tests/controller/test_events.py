"""What Kubernetes Events tell of one object, read from a real API server."""

from typing import Any

import pytest

from slipway.controller.events import newest_event
from slipway.controller.kinds import EVENT
from slipway.controller.kube import ApiKube
from slipway.core.observed.evidence import EventFacts
from testbed.plane import Plane
from tests.controller.conftest import CallLog, client_of

pytestmark = pytest.mark.plane

UID = "7b0f5b5e-0000-4000-8000-000000000001"


def an_event(namespace: str, name: str, uid: str = UID, **more: Any) -> dict[str, Any]:
    about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "churn-1", "uid": uid}
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": about,
        "reason": name,
        "message": f"about {name}",
        "type": "Normal",
        **more,
    }


async def test_the_newest_event_on_that_object_counts_however_its_writer_gives_the_time(
    kube: ApiKube, namespace: str
) -> None:
    assert await newest_event(kube, namespace, UID) == EventFacts()
    series = {"count": 2, "lastObservedTime": "2026-01-05T12:00:09.000000Z"}
    scheduler = {"reportingComponent": "s", "reportingInstance": "s-1", "action": "Binding"}
    for event in (
        an_event(namespace, "mounted", type="Warning", lastTimestamp="2026-01-05T12:00:05Z"),
        an_event(namespace, "scheduled", eventTime="2026-01-05T12:00:01.000000Z", series=series, **scheduler),
        an_event(namespace, "elsewhere", uid="another", lastTimestamp="2026-01-05T13:00:00Z"),
        an_event(namespace, "timeless"),
    ):
        await kube.create_event(event)
    assert await newest_event(kube, namespace, UID) == EventFacts(reason="scheduled", message="about scheduled")

    await kube.create_event(an_event(namespace, "again", type="Warning", lastTimestamp="2026-01-05T12:00:10Z"))
    assert await newest_event(kube, namespace, UID) == EventFacts(reason="again", message="about again", warning=True)


async def test_where_events_may_not_be_read_nothing_is_told(plane: Plane, namespace: str) -> None:
    async with client_of(plane, "tenant", CallLog()) as kube:
        assert await newest_event(kube, namespace, UID) == EventFacts()
