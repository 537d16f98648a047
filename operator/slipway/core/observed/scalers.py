"""Scalers: who may set the count of our Deployments, of all that can be seen of them.

Ours are called like the Deployment. KEDA makes a HorizontalPodAutoscaler of each ScaledObject, which has our labels and
lasts a moment longer than that. Whatever else names a Deployment of ours is somebody's own: it is seen where it carries
our label.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from slipway.core.body import integer, within
from slipway.core.children.autoscaler import AUTOSCALER
from slipway.core.children.scaled_object import SCALED_OBJECT
from slipway.core.names import is_of_revision, of_revision
from slipway.core.observed.objects import Child, Observed, controller_of
from slipway.core.owner import Owner

_MOST: Final = 2**31 - 1


class Whose(IntEnum):
    """Who made a scaler; ours first."""

    OURS = 0
    KEDAS = 1
    """Of a ScaledObject of ours."""
    FOREIGN = 2


@dataclass(frozen=True, kw_only=True)
class ScalerFacts:
    """One object by which a Deployment of ours is scaled."""

    child: Child
    body: Mapping[str, Any]
    whose: Whose
    revision: str
    """Whose Deployment it scales."""
    bounds: tuple[int, int]


def scalers_of(observed: Observed, owner: Owner) -> Mapping[str, tuple[ScalerFacts, ...]]:
    """By revision, ours first."""
    every = sorted(_every(observed, owner), key=_order)
    revisions = dict.fromkeys(scaler.revision for scaler in every)
    return {name: tuple(scaler for scaler in every if scaler.revision == name) for name in revisions}


def _order(scaler: ScalerFacts) -> tuple[Whose, bool, str]:
    """A ScaledObject is named before what KEDA makes of it."""
    return scaler.whose, scaler.child.kind == AUTOSCALER, scaler.child.name


def _every(observed: Observed, owner: Owner) -> Iterator[ScalerFacts]:
    for child in observed.children.values():
        if child.kind not in (AUTOSCALER, SCALED_OBJECT):
            continue
        body = child.body
        ours = child.owner_uid == owner.uid and is_of_revision(owner.name, child.name)
        # Of ours somebody may have changed what it scales; it is put right.
        target = child.name if ours else _target(body)
        if not is_of_revision(owner.name, target):
            continue
        whose = Whose.OURS if ours else Whose.KEDAS if _is_kedas(observed, child, body, target) else Whose.FOREIGN
        revision = target.removeprefix(of_revision(owner.name, ""))
        yield ScalerFacts(child=child, body=body, whose=whose, revision=revision, bounds=_bounds(child.kind, body))


def _target(body: Mapping[str, Any]) -> str:
    """The Deployment that it scales; empty where that is none. KEDA takes a Deployment where no kind is named."""
    target = within(body, "spec", "scaleTargetRef")
    return str(target.get("name") or "") if target.get("kind", "Deployment") == "Deployment" else ""


def _is_kedas(observed: Observed, child: Child, body: Mapping[str, Any], target: str) -> bool:
    """Whether KEDA made it of a ScaledObject that is ours, or was."""
    controller = controller_of(within(body, "metadata")) or {}
    if child.kind != AUTOSCALER or (controller.get("kind"), controller.get("name")) != (SCALED_OBJECT, target):
        return False
    source = observed.child(SCALED_OBJECT, target)
    return source is None or source.uid == controller.get("uid")


def _bounds(kind: str, body: Mapping[str, Any]) -> tuple[int, int]:
    spec = within(body, "spec")
    least, most = ("minReplicas", "maxReplicas") if kind == AUTOSCALER else ("minReplicaCount", "maxReplicaCount")
    fewest = integer(spec.get(least), 1)
    return fewest, integer(spec.get(most), fewest if kind == AUTOSCALER else _MOST)
