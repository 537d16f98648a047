"""Kubernetes Events: what a person would want to be told, as `kubectl describe` shows it."""

import uuid
from datetime import datetime
from typing import Final

from slipway.controller.kinds import EVENT, MODEL_DEPLOYMENT, Key
from slipway.core.names import FIELD_MANAGER, Manifest
from slipway.core.plan import Note

LONGEST: Final = 1024
"""Characters of a message; the API refuses longer ones."""


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
        "message": note.message if len(note.message) <= LONGEST else note.message[: LONGEST - 1] + "…",
        "source": {"component": FIELD_MANAGER},
        "reportingComponent": FIELD_MANAGER,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
