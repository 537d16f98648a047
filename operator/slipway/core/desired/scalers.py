"""Which scaler a revision has: one at each moment.

Whoever sets the number from now on is made once whoever did before is seen gone. Where somebody else's stands over the
Deployment, ours gives way, and that is told: two would fight for ever.
"""

from collections.abc import Iterator

from slipway.api.v1alpha1.spec import Scaler
from slipway.core.autoscaling import scaler_of
from slipway.core.children.autoscaler import AUTOSCALER, autoscaler
from slipway.core.children.scaled_object import SCALED_OBJECT, scaled_object
from slipway.core.desired.objects import DesiredRevision
from slipway.core.names import Manifest
from slipway.core.observed.scalers import Whose
from slipway.core.snapshot import Snapshot


def scaler(snapshot: Snapshot, desired: DesiredRevision) -> Iterator[Manifest]:
    """The one that is to move a revision's count; none where Slipway does, or another one is there yet."""
    manifest = _manifest(snapshot, desired)
    if manifest and not _others(snapshot, desired.revision, manifest["kind"]):
        yield manifest


def _manifest(snapshot: Snapshot, desired: DesiredRevision) -> Manifest | None:
    limits, scaling = desired.replicas.bounds, snapshot.spec.autoscaling
    if limits is None or scaling is None:
        return None
    if scaler_of(scaling) is Scaler.HPA:
        return autoscaler(owner=snapshot.owner, revision=desired.revision, autoscaling=scaling, bounds=limits)
    if scaling.load is None or not snapshot.observed.knows(SCALED_OBJECT):
        return None
    return scaled_object(
        owner=snapshot.owner, revision=desired.revision, autoscaling=scaling, load=scaling.load, bounds=limits
    )


def _others(snapshot: Snapshot, revision: str, kind: str) -> bool:
    """Whether anything stands over its Deployment beside ours of that kind, and what KEDA has made of it."""
    kept = {(Whose.OURS, kind), *([(Whose.KEDAS, AUTOSCALER)] if kind == SCALED_OBJECT else ())}
    return any((each.whose, each.child.kind) not in kept for each in snapshot.scalers.get(revision, ()))
