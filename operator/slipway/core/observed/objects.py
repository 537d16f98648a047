"""What the cluster looks like now, as far as decisions need it.

Projections turn an object of the API into a fact; they are the only code that knows where Kubernetes keeps what.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Self

import orjson

from slipway.core.body import instant, mapping, mappings
from slipway.core.catalogue.facts import Followed, Withdrawal
from slipway.core.names import (
    APPLIED,
    FIELD_MANAGER,
    MANAGED_BY,
    MODEL_DEPLOYMENT,
    Manifest,
)
from slipway.core.observed.devices import NO_DEVICES, Devices
from slipway.core.observed.evidence import Evidence
from slipway.core.observed.gateways import Gateways
from slipway.core.observed.nodes import NodeFacts
from slipway.core.observed.pods import (
    PodFacts,
)
from slipway.core.owner import Owner

PACKED: Final = "ControllerRevision"
"""Kind of which there are most, up to a whole history for each object, and which never changes once it is packed."""


@dataclass(frozen=True, kw_only=True, slots=True, weakref_slot=True)
class Child:
    """One object that we made. Its body is kept as text: there are thousands, and objects take ten times that."""

    kind: str
    name: str
    uid: str
    resource_version: str
    owner_uid: str | None
    applied: str | None
    written: datetime | None
    """When somebody last changed more of it than its status, or made it."""
    deleting: bool
    text: bytes = field(repr=False)

    @classmethod
    def of(cls, manifest: Mapping[str, Any]) -> Self:
        """Project a live object."""
        meta = manifest["metadata"]
        controller = controller_of(meta)
        text = orjson.dumps({**manifest, "metadata": {k: v for k, v in meta.items() if k != "managedFields"}})
        return cls(
            kind=manifest["kind"],
            name=meta["name"],
            uid=meta["uid"],
            resource_version=meta["resourceVersion"],
            owner_uid=controller.get("uid") if controller else None,
            applied=mapping(meta.get("annotations")).get(APPLIED),
            written=_written(meta),
            deleting="deletionTimestamp" in meta,
            # A copy: orjson's own bytes keep the room they were written in, ten times what a long string needs.
            text=zlib.compress(text, 1) if manifest["kind"] == PACKED else bytes(memoryview(text)),
        )

    @property
    def body(self) -> Manifest:
        """The object as it was last seen, without managedFields."""
        body: Manifest = orjson.loads(zlib.decompress(self.text) if self.kind == PACKED else self.text)
        return body


def controller_of(meta: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The reference to the one object that controls this one."""
    return next((o for o in mappings(meta.get("ownerReferences")) if o.get("controller")), None)


def is_orphan(meta: Mapping[str, Any], model_deployment: str) -> bool:
    """Whether an object carries all that marks a child of this ModelDeployment but a controller: its labels, and the
    annotation that only we write."""
    marks = mapping(meta.get("labels"))
    ours = (marks.get(MANAGED_BY), marks.get(MODEL_DEPLOYMENT)) == (FIELD_MANAGER, model_deployment)
    return ours and controller_of(meta) is None and APPLIED in mapping(meta.get("annotations"))


def _written(meta: Mapping[str, Any]) -> datetime | None:
    changed = (instant(each.get("time")) for each in mappings(meta.get("managedFields")) if not each.get("subresource"))
    return max((at for at in changed if at), default=instant(meta.get("creationTimestamp")))


@dataclass(frozen=True, kw_only=True)
class NameTaken:
    """An object that has a child's name and is not ours."""

    kind: str
    name: str
    owned_by: str
    """Its controller, or its managing tool, or `nobody`."""


@dataclass(frozen=True, kw_only=True)
class WriteDenied:
    """A child that the API server refuses as it is: a piece of the spec that is handed through is malformed, or more
    than may be there."""

    kind: str
    name: str
    message: str
    """The API server's words."""
    forbidden: bool = False
    """RBAC, a policy or a quota is against it (403)."""


@dataclass(frozen=True, kw_only=True)
class WriteFailed:
    """A child that could not be written for a reason that may pass: 5xx, a webhook that is down, no answer."""

    kind: str
    name: str
    message: str
    """The API server's words."""
    since: datetime


@dataclass(frozen=True, kw_only=True)
class WriteNotKept:
    """A write that was taken and did not stay: a webhook, the schema or another controller changed it."""

    kind: str
    name: str
    field: str
    """Path of the first field that differs; empty where the whole object is deleted each time."""
    asked: str
    got: str


@dataclass(frozen=True, kw_only=True)
class JobQueued:
    """A resolve Job that waits for its turn: as many run as may, or as many as this namespace may have."""

    kind: str
    name: str
    limit: int
    """Resolve Jobs that may run at a time, of all namespaces."""


@dataclass(frozen=True, kw_only=True)
class Observed:
    """Everything that one pass looks at."""

    children: Mapping[tuple[str, str], Child] = field(default_factory=dict)
    """By (kind, name)."""
    pods: tuple[PodFacts, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    devices: Devices = NO_DEVICES
    foreign: tuple[NameTaken, ...] = ()
    rejected: tuple[WriteDenied, ...] = ()
    failed: tuple[WriteFailed, ...] = ()
    unkept: tuple[WriteNotKept, ...] = ()
    queued: tuple[JobQueued, ...] = ()
    orphans: frozenset[tuple[str, str]] = frozenset()
    """Children, by (kind, name), that carry our marks and have no controller."""
    unknown: frozenset[str] = frozenset()
    """Kinds that the cluster does not know."""
    unlisted: frozenset[str] = frozenset()
    """Kinds that the operator may not list."""
    blind: str | None = None
    """Why nothing can be decided, in words: kinds that no decision can do without were never listed."""
    too_much: str = ""
    """Why not everything that is there is shown here, in words; empty where it is."""
    gateways: Gateways = field(default_factory=Gateways)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """What looks at pods and Prometheus have brought, by topic."""
    withdrawals: Mapping[str, Withdrawal] = field(default_factory=dict)
    """Those of the catalogue that hold here, by digest."""
    followed: Followed | None = None
    """What the catalogue shows of the alias that is followed."""
    watched_since: datetime | None = None
    """Since when looks can have brought anything: those of an earlier operator are not remembered."""

    def adopted(self, owner: Owner) -> Self:
        """The same with orphans as the owner's own. Backups and `--cascade=orphan` leave children without their owner
        reference; writing one again gives it back."""
        orphans = {
            place: replace(child, owner_uid=owner.uid)
            for place, child in self.children.items()
            if child.owner_uid is None and child.applied and is_orphan(child.body["metadata"], owner.name)
        }
        if not orphans:
            return self
        return replace(self, children={**self.children, **orphans}, orphans=frozenset(orphans))

    def knows(self, *kinds: str) -> bool:
        """Whether objects of these kinds can be seen, if there are any."""
        return (self.unknown | self.unlisted).isdisjoint(kinds)

    def child(self, kind: str, name: str) -> Child | None:
        """The child of that kind and name, if it is there."""
        return self.children.get((kind, name))

    def pods_of(self, revision: str) -> tuple[PodFacts, ...]:
        """Pods of one revision, without those that are over: these serve nobody, and are in nobody's way."""
        return tuple(pod for pod in self.pods if pod.revision == revision and not pod.over)

    def over_of(self, revision: str) -> tuple[PodFacts, ...]:
        """Pods of one revision that have come to their end and are left over."""
        return tuple(pod for pod in self.pods if pod.revision == revision and pod.over)
