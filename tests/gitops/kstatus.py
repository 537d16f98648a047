"""kstatus of an object, by the order in which its library looks: what Flux, kpt and `helm --wait` make of it.

Follows pkg/kstatus/status/{status,generic}.go of kubernetes-sigs/cli-utils, for kinds without a rule of their own.
"""

from enum import StrEnum
from typing import Any


class KStatus(StrEnum):
    """What an object can be."""

    TERMINATING = "Terminating"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"
    CURRENT = "Current"


def kstatus(found: dict[str, Any]) -> KStatus:
    """What the library says of an object; a TypeError where it would end in an error."""
    meta, status = found["metadata"], found.get("status", {})
    if "deletionTimestamp" in meta:
        return KStatus.TERMINATING
    observed = status.get("observedGeneration")
    if observed is not None and not isinstance(observed, int):
        raise TypeError(f"status.observedGeneration is {observed!r}, which is not an integer")
    if observed is not None and observed != meta["generation"]:
        return KStatus.IN_PROGRESS
    conditions = status.get("conditions", [])
    for condition in conditions:
        if condition["status"] == "True" and condition["type"] in {"Reconciling", "Stalled"}:
            return KStatus.IN_PROGRESS if condition["type"] == "Reconciling" else KStatus.FAILED
    for condition in conditions:
        if condition["type"] == "Ready":
            return KStatus.CURRENT if condition["status"] == "True" else KStatus.IN_PROGRESS
    return KStatus.CURRENT
