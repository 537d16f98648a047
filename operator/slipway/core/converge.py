"""From what should be there to what has to be done: writes for what is missing or drifted, deletes for leftovers.

Nothing here decides what a revision may do; it only makes the cluster agree with what was decided.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

import orjson

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.api.v1alpha1.spec import ModelDeploymentSpec
from slipway.core.body import integer, within
from slipway.core.children.autoscaler import autoscaler
from slipway.core.children.backend_traffic_policy import BACKEND_TRAFFIC_POLICY
from slipway.core.children.budget import budget
from slipway.core.children.revision import RevisionRecord, controller_revision
from slipway.core.children.route import GRPC_ROUTE, ROUTE, ROUTES
from slipway.core.children.security_policy import SECURITY_POLICY
from slipway.core.children.service import root_service
from slipway.core.drift import contains, finished
from slipway.core.facts import Child, Foreign, Observed, Owner, PodFacts
from slipway.core.names import APPLIED, DOMAIN, Manifest, of_revision
from slipway.core.plan import Action, Apply, Delete, Scale
from slipway.core.rollout.shares import NOBODY, Traffic

RECORD: Final = f"{DOMAIN}/record"
"""Annotation on a revision's ConfigMap: the packed ControllerRevision data, from which a lost one is made again."""

RECORD_FITS: Final = 255 * 1024
"""Kubernetes takes no more than 256 KiB in all annotations of an object. A larger record is kept once only."""

AUTOSCALER: Final = "HorizontalPodAutoscaler"

LEFTOVERS_GO: Final = (
    GRPC_ROUTE,
    ROUTE,  # before what guards it
    SECURITY_POLICY,
    BACKEND_TRAFFIC_POLICY,
    AUTOSCALER,
    "PodDisruptionBudget",
    "Deployment",
    "Service",
    "ConfigMap",
    "NetworkPolicy",
)
"""Kinds whose unwanted objects are deleted, in that order."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A revision that should exist in the cluster, and with how many pods."""

    revision: str
    number: int
    record: RevisionRecord | None
    """None when history has lost it: what is there is then left as it is, but for its count."""
    replicas: int
    bounds: tuple[int, int] | None = None
    """The count is its autoscaler's, between these; `replicas` is where it starts."""
    guarded: bool = False
    """It serves with more than one pod: voluntary disruptions take one at a time."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """All that should be there for one ModelDeployment."""

    live: Sequence[Live] = ()
    root: frozenset[str] = frozenset()
    """The revisions that the traffic reaches."""
    service: frozenset[str] = frozenset()
    """Those of them that the root Service reaches."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Parts of the traffic that comes through a gateway, by revision."""
    policies: tuple[Manifest, ...] = ()
    """What the gateway is asked for beside the route."""
    route: Manifest | None = None
    stays: frozenset[str] = frozenset()
    """Kinds of which what is there, the route or what guards it, may not be written now, nor deleted."""
    grpc_route: Manifest | None = None
    """gRPC's own, where one is asked for."""
    network_policy: Manifest | None = None
    traffic: Traffic = NOBODY
    """Who answers clients, for status."""
    unsure: frozenset[str] = frozenset()
    """Kinds of traffic that are written whatever a look from before says."""
    jobs: tuple[Manifest, ...] = ()
    evict: tuple[PodFacts, ...] = ()
    """Pods that go wrong by themselves: their ReplicaSet makes others."""
    made: Manifest | None = None
    """The ControllerRevision of a revision that was just made."""
    discard: tuple[Child, ...] = ()
    """Jobs and history that should go."""


@dataclass(kw_only=True)
class Convergence:
    """What has to be done, and what stands in the way."""

    actions: list[Action] = field(default_factory=list)
    conflicts: list[Foreign] = field(default_factory=list)


def converge(*, owner: Owner, spec: ModelDeploymentSpec, observed: Observed, goal: Goal) -> Convergence:
    """Compare the goal with what is there."""
    result = Convergence()
    wanted: set[tuple[str, str]] = set()
    for manifest, live in _wanted(owner, spec, observed, goal):
        key = manifest["kind"], manifest["metadata"]["name"]
        wanted.add(key)
        _settle(result, owner, observed, manifest, live, anyway=key[0] in goal.unsure and _is_traffic(*key, owner))
    wanted |= {(kind, owner.name) for kind in goal.stays}
    lost = {of_revision(owner.name, live.revision): live for live in goal.live if live.record is None}
    for name, live in lost.items():
        there = observed.child("Deployment", name)
        if there and there.owner_uid == owner.uid and not there.deleting:
            _scale(result, there, live)
    result.actions += _orphaned_history(owner, observed, wanted)
    for child in _leftovers(owner, observed, wanted):
        if child.name not in lost:
            # An autoscaler that goes must not answer the scaling that its going permits.
            at = 0 if child.kind == AUTOSCALER else len(result.actions)
            result.actions.insert(at, Delete(kind=child.kind, name=child.name, uid=child.uid))
    result.actions += [Delete(kind=c.kind, name=c.name, uid=c.uid) for c in goal.discard if not c.deleting]
    result.actions += [Delete(kind="Pod", name=pod.name, uid=pod.uid) for pod in goal.evict if not pod.deleting]
    return result


def packed(record: RevisionRecord, owner: Owner) -> str:
    """A record as text for an annotation: its ControllerRevision, but for the number."""
    data = orjson.dumps(controller_revision(record, owner=owner, number=0), option=orjson.OPT_SORT_KEYS)
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _packed_again(there: Child | None, record: RevisionRecord, owner: Owner) -> str:
    """As the annotation has it where that says the same: no two builds of zlib write the same bytes."""
    text = packed(record, owner)
    before = _annotated(there) if there else ""
    if before and before != text:
        with suppress(ValueError):
            if packed(unpacked(before), owner) == text:
                return before
    return text


_ANNOTATED: Final[WeakKeyDictionary[Child, str]] = WeakKeyDictionary()
"""The record's text on each ConfigMap. A Child never changes, so it need not be unpacked again for that."""


def _annotated(there: Child) -> str:
    if there not in _ANNOTATED:
        _ANNOTATED[there] = str(within(there.body, "metadata", "annotations").get(RECORD, ""))
    return _ANNOTATED[there]


def unpacked(text: str) -> RevisionRecord:
    """The record in an annotation; ValueError when it is none of ours."""
    try:
        return RevisionRecord.from_controller_revision(orjson.loads(zlib.decompress(base64.b64decode(text))))
    except (zlib.error, AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a packed revision: {error}") from error


def _wanted(
    owner: Owner, spec: ModelDeploymentSpec, observed: Observed, goal: Goal
) -> Iterator[tuple[Manifest, Live | None]]:
    for manifest in (*goal.jobs, *((goal.made,) if goal.made else ())):
        yield manifest, None
    for live in goal.live:
        yield from _of_revision(owner, spec, observed, live)
    if goal.service:
        yield root_service(owner=owner, revision=next(iter(goal.service)) if len(goal.service) == 1 else None), None
    # What guards the route is written before it.
    for manifest in filter(None, (*goal.policies, goal.route, goal.grpc_route, goal.network_policy)):
        yield manifest, None


def _of_revision(
    owner: Owner, spec: ModelDeploymentSpec, observed: Observed, live: Live
) -> Iterator[tuple[Manifest, Live | None]]:
    if live.record is not None:
        yield from _of_record(owner, observed, live, live.record)
    if live.guarded:
        yield budget(owner=owner, revision=live.revision), None
    if live.bounds and spec.autoscaling:
        yield autoscaler(owner=owner, revision=live.revision, autoscaling=spec.autoscaling, bounds=live.bounds), None


def _of_record(
    owner: Owner, observed: Observed, live: Live, record: RevisionRecord
) -> Iterator[tuple[Manifest, Live | None]]:
    yield controller_revision(record, owner=owner, number=live.number), None
    for child in record.children:
        if child["kind"] == "ConfigMap":
            meta = child["metadata"]
            text = _packed_again(observed.child("ConfigMap", meta["name"]), record, owner)
            kept = {RECORD: text} if len(text) <= RECORD_FITS else {}
            annotations = {**(meta.get("annotations") or {}), **kept}
            yield {**child, "metadata": {**meta, "annotations": annotations}}, None
        else:
            yield child, live if child["kind"] == "Deployment" else None


def _settle(
    result: Convergence, owner: Owner, observed: Observed, manifest: Manifest, live: Live | None, *, anyway: bool
) -> None:
    """Write one wanted object if it is missing, is wanted otherwise now, was changed by hand, or `anyway`."""
    want = finished(manifest, owner=owner, api_version=API_VERSION, kind=KIND)
    kind, name = want["kind"], want["metadata"]["name"]
    there = observed.child(kind, name)
    if there is None:
        first = _with_replicas(want, live.replicas) if live else want
        result.actions.append(Apply(manifest=first, first=True))
        return
    if there.owner_uid != owner.uid:
        owned_by = f"uid {there.owner_uid}" if there.owner_uid else "nobody"
        result.conflicts.append(Foreign(kind=kind, name=name, owned_by=owned_by))
        return
    if there.deleting or kind == "Job":  # a Job is one try, and its template cannot be changed
        return
    if anyway or not _as_wanted(there, want):
        again = _with_replicas(want, _count(_count_of(there), live)) if live else want
        # Of the count and of the share of traffic it matters what they were decided from.
        from_what = there.resource_version if live or _is_traffic(kind, name, owner) else None
        result.actions.append(Apply(manifest=again, uid=there.uid, resource_version=from_what))
    elif live:
        _scale(result, there, live)


def _is_traffic(kind: str, name: str, owner: Owner) -> bool:
    """Whether it says who gets the traffic."""
    return name == owner.name and kind in ("Service", *ROUTES)


_FOUND_WHOLE: Final[WeakKeyDictionary[Child, str]] = WeakKeyDictionary()
"""What each child was last found to contain. A Child never changes, so it need not be unpacked and compared again."""


def _as_wanted(there: Child, want: Manifest) -> bool:
    """What is live is what was last asked for, and nobody has changed it since."""
    asked = want["metadata"]["annotations"][APPLIED]
    if there.applied != asked:
        return False
    if _FOUND_WHOLE.get(there) != asked:
        if not contains(there.body, want):
            return False
        _FOUND_WHOLE[there] = asked
    return True


def _scale(result: Convergence, there: Child, live: Live) -> None:
    now = _count_of(there)
    if (count := _count(now, live)) != now:
        result.actions.append(
            Scale(name=there.name, replicas=count, resource_version=there.resource_version, lowers=count < now)
        )


def _count(count: int, live: Live) -> int:
    """An autoscaler does nothing at zero, so it is woken; any other count within its bounds is its own."""
    own = live.bounds is not None and count > 0 and live.bounds[0] <= count <= live.bounds[1]
    return count if own else live.replicas


def _count_of(deployment: Child) -> int:
    return integer(within(deployment.body, "spec").get("replicas"), 1)


def _with_replicas(manifest: Manifest, replicas: int) -> Manifest:
    """The count is in every apply, because a later one without it would take it back to the default."""
    return {**manifest, "spec": {**manifest["spec"], "replicas": replicas}}


def _orphaned_history(owner: Owner, observed: Observed, wanted: set[tuple[str, str]]) -> Iterator[Apply]:
    """Revisions that nothing else would write again: they get their owner, and keep every byte."""
    orphans = (observed.children[place] for place in sorted(observed.orphans - wanted))
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


def _leftovers(owner: Owner, observed: Observed, wanted: set[tuple[str, str]]) -> Iterable[Child]:
    left = (
        child
        for key, child in observed.children.items()
        if key not in wanted and child.kind in LEFTOVERS_GO and child.owner_uid == owner.uid and not child.deleting
    )
    return sorted(left, key=lambda child: (LEFTOVERS_GO.index(child.kind), child.name))
