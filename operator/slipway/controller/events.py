"""Kubernetes Events, as `kubectl describe` shows them: ours for people, and those that others record on pods."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Final

from slipway.controller.kinds import EVENT, MODEL_DEPLOYMENT, Key
from slipway.controller.kube import Kube, KubeError
from slipway.core.body import instant, mapping
from slipway.core.names import FIELD_MANAGER, Manifest
from slipway.core.observed.evidence import EventFacts
from slipway.core.plan import Note
from slipway.core.reasons import fit

log = logging.getLogger(__name__)

LONGEST: Final = 1024
"""Characters of a message of ours; the API refuses longer ones."""
LONGEST_REASON: Final = 128
"""Characters of anybody's reason, which is one word."""


def event_of(key: Key, uid: str, note: Note, now: datetime) -> Manifest:
    """The Event for a note."""
    at = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.name,
        "metadata": {"name": f"{key.name}.{uuid.uuid4().hex[:16]}", "namespace": key.namespace},
        "involvedObject": {
            "apiVersion": MODEL_DEPLOYMENT.api_version,
            "kind": MODEL_DEPLOYMENT.name,
            "namespace": key.namespace,
            "name": key.name,
            "uid": uid,
        },
        "type": "Warning" if note.warning else "Normal",
        "reason": str(note.reason),
        "message": fit(note.message, LONGEST),
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }


async def newest_event(kube: Kube, namespace: str, uid: str) -> EventFacts:
    """The newest Event on an object. That Events may not be read is no reason to stop: status then says less."""
    try:
        events = await kube.events(namespace, uid)
    except KubeError as error:
        log.info("The Events on %s cannot be read: %s", uid, error)
        return EventFacts()
    last = max(events, key=_last_time, default=None)
    if last is None:
        return EventFacts()
    # Looks keep them, and whoever may write Events makes them as long as an object may be.
    return EventFacts(
        reason=fit(str(last.get("reason")), LONGEST_REASON),
        message=fit(str(last.get("message") or "")),
        warning=last.get("type") == "Warning",
    )


def _last_time(event: Manifest) -> datetime:
    """When an Event was recorded last. Writers differ in the fields that they fill in."""
    series = mapping(event.get("series"))
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return max((at for at in map(instant, times) if at), default=datetime.min.replace(tzinfo=UTC))
