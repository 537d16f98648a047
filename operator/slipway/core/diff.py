"""From what should be there to what has to be done: writes for what is missing or drifted, deletes for leftovers.

Nothing here decides what a revision may do; it only makes the cluster agree with what was decided.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.core.autoscaling import kept_count
from slipway.core.body import integer, within
from slipway.core.children.manifest import finished
from slipway.core.children.network_policy import NETWORK_POLICY
from slipway.core.desired.objects import (
    DESCRIBES,
    LEFTOVERS_GO,
    MAKES_PODS,
    SCALERS,
    DesiredObject,
    DesiredState,
    Replicas,
    Write,
)
from slipway.core.drift import as_asked
from slipway.core.names import APPLIED, Manifest
from slipway.core.observed.objects import Child, NameTaken, Observed
from slipway.core.owner import Owner
from slipway.core.plan import Action, Apply, Delete, Scale


@dataclass(kw_only=True)
class Changes:
    """What has to be done, and what stands in the way."""

    actions: list[Action] = field(default_factory=list)
    conflicts: list[NameTaken] = field(default_factory=list)


def diff(desired: DesiredState, observed: Observed, owner: Owner) -> Changes:
    """Compare what should be there with what is there."""
    changes, places = Changes(), desired.places
    for each in desired.objects:
        _compare(changes, owner, observed, each)
    changes.actions += _orphaned_history(owner, observed, places)
    for child in _leftovers(owner, observed, places):
        # A scaler that goes must not answer the scaling that its going permits.
        at = 0 if child.kind in SCALERS else len(changes.actions)
        changes.actions.insert(at, Delete(kind=child.kind, name=child.name, uid=child.uid))
    changes.actions += [Delete(kind=c.kind, name=c.name, uid=c.uid) for c in desired.discard if not c.deleting]
    changes.actions += [Delete(kind="Pod", name=pod.name, uid=pod.uid) for pod in desired.evict if not pod.deleting]
    return changes


def _compare(changes: Changes, owner: Owner, observed: Observed, desired: DesiredObject) -> None:
    kind, name = desired.place
    live = observed.child(kind, name)
    if desired.write is Write.NEVER:
        if live and desired.replicas and live.owner_uid == owner.uid and not live.deleting:
            _scale(changes, live, desired.replicas)
        return
    want = finished(desired.manifest, owner=owner, api_version=API_VERSION, kind=KIND)
    if live is None:
        if kind in MAKES_PODS and any(_unmakes(each, name) for each in changes.conflicts):
            return
        first = _with_replicas(want, desired.replicas.count) if desired.replicas else want
        changes.actions.append(Apply(manifest=first, first=True))
    elif live.owner_uid != owner.uid:
        owned_by = f"uid {live.owner_uid}" if live.owner_uid else "nobody"
        changes.conflicts.append(NameTaken(kind=kind, name=name, owned_by=owned_by))
    elif not live.deleting and kind != "Job":  # a Job is one try, and its template cannot be changed
        _update(changes, live, want, desired)


def _unmakes(conflict: NameTaken, name: str) -> bool:
    """Whether pods would be made of what is a stranger's, or with nothing to shield them."""
    return conflict.kind == NETWORK_POLICY or (conflict.kind in DESCRIBES and conflict.name == name)


def _update(changes: Changes, live: Child, want: Manifest, desired: DesiredObject) -> None:
    """Write an object of ours that is wanted otherwise now, was changed by hand, or is written always."""
    replicas = desired.replicas
    if live.kind in _IMMUTABLE and not as_asked(live.body, {"spec": want["spec"]}):
        changes.actions += [Delete(kind=live.kind, name=live.name, uid=live.uid), Apply(manifest=want, first=True)]
    elif desired.write is Write.ALWAYS or not _as_wanted(live, want):
        again = _with_replicas(want, _count(live, replicas)) if replicas else want
        from_what = live.resource_version if desired.fenced else None
        changes.actions.append(Apply(manifest=again, uid=live.uid, resource_version=from_what))
    elif replicas:
        _scale(changes, live, replicas)


_IMMUTABLE: Final = frozenset({"ResourceClaimTemplate"})
"""Kinds whose spec the API server has nobody change. What was made of one that goes stays as it is."""

_CONFIRMED: Final[WeakKeyDictionary[Child, str]] = WeakKeyDictionary()
"""What each child was last found to contain. A Child never changes, so it need not be unpacked and compared again."""


def _as_wanted(live: Child, want: Manifest) -> bool:
    """What is live is what was last asked for, and nobody has changed it since."""
    applied = want["metadata"]["annotations"][APPLIED]
    if live.applied != applied:
        return False
    if _CONFIRMED.get(live) != applied:
        if not as_asked(live.body, want):
            return False
        _CONFIRMED[live] = applied
    return True


def _scale(changes: Changes, live: Child, replicas: Replicas) -> None:
    now = _count_of(live)
    if (count := _count(live, replicas)) != now:
        version = live.resource_version
        changes.actions.append(Scale(name=live.name, replicas=count, resource_version=version, lowers=count < now))


def _count(live: Child, replicas: Replicas) -> int:
    return kept_count(_count_of(live), replicas.count, replicas.bounds)


def _count_of(deployment: Child) -> int:
    return integer(within(deployment.body, "spec").get("replicas"), 1)


def _with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    """The count is in every apply, because a later one without it would take it back to the default."""
    return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}


def _orphaned_history(owner: Owner, observed: Observed, places: set[tuple[str, str]]) -> Iterator[Apply]:
    """Revisions that nothing else would write again: they get their owner, and keep every byte."""
    orphans = (observed.children[place] for place in sorted(observed.orphans - places))
    for child in orphans:
        if child.kind == "ControllerRevision" and not child.deleting:
            body = child.body
            kept = {key: body["metadata"].get(key) or {} for key in ("labels", "annotations")}
            meta = {
                "name": child.name,
                "namespace": owner.namespace,
                "ownerReferences": [owner.reference(API_VERSION, KIND)],
                **kept,
            }
            whole: Manifest = {key: body[key] for key in ("apiVersion", "kind", "revision", "data") if key in body}
            yield Apply(manifest={**whole, "metadata": meta}, uid=child.uid)


def _leftovers(owner: Owner, observed: Observed, places: set[tuple[str, str]]) -> Iterable[Child]:
    left = (
        child
        for key, child in observed.children.items()
        if key not in places and child.kind in LEFTOVERS_GO and child.owner_uid == owner.uid and not child.deleting
    )
    return sorted(left, key=lambda child: (LEFTOVERS_GO.index(child.kind), child.name))
