"""A family: a ModelDeployment with everything that belongs to it, and the rule by which an object does."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import orjson

from slipway.api.v1alpha1 import GROUP
from slipway.controller import parsing
from slipway.controller.followers import Alias, alias_named
from slipway.controller.kinds import (
    CATALOGUE,
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    POD,
    ROUTING,
    SCALED_OBJECT,
    SHARED_OBJECTS,
    Key,
    Kind,
)
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from slipway.core.names import REQUEST, Manifest, of_revision
from slipway.core.observed.objects import PACKED, Child, controller_of
from slipway.core.observed.pods import PodFacts, pod_facts

LARGEST_STRANGER_BYTES: Final = 32 * 1024
"""Larger objects with our label that no ModelDeployment controls are not kept."""
POD_BYTES: Final = 2048
OBJECT_BYTES: Final = 1024
"""Of any other object, beside its text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveOwner:
    """A ModelDeployment as the API server had it last: spec and status as stored, whatever they hold."""

    uid: str
    generation: int
    resource_version: str
    deleting: bool
    packed_spec: bytes = field(repr=False)
    """It may have a megabyte, of which objects take twenty times as much."""
    gateway: tuple[str, str] | None
    """Namespace and name of the Gateway that its spec names."""
    follows: Alias | None
    """The alias that its spec names in place of a version."""
    status: Mapping[str, Any] | None
    request: str | None
    """The annotation by which people ask for something."""

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec as stored, without what is nested too deep."""
        spec: Mapping[str, Any] = parsing.loads(zlib.decompress(self.packed_spec))
        return spec

    @property
    def serves(self) -> bool:
        """Whether some version has taken over traffic."""
        return bool((self.status or {}).get("stable"))

    @property
    def moves(self) -> bool:
        """Whether another version is on its way beside the one that serves."""
        return self.serves and bool((self.status or {}).get("candidate"))


class Belonging(NamedTuple):
    """Which ModelDeployment an object belongs to."""

    key: Key | None
    stranger: bool
    """It has our label, and a controller that is none of ours or none at all: anybody may make such objects."""


def belonging_of(kind: Kind, meta: Mapping[str, Any]) -> Belonging:
    """A child belongs to the ModelDeployment that controls it, whatever its labels say; else to the one that its label
    names. Pods are controlled by what our children are, and KEDA's autoscalers by ScaledObjects."""
    if kind in (*SHARED_OBJECTS, *CATALOGUE):
        return Belonging(None, stranger=False)
    if kind is MODEL_DEPLOYMENT:
        return Belonging(Key(meta["namespace"], meta["name"]), stranger=False)
    controller = controller_of(meta)
    if kind is not POD and controller and _is_model_deployment(controller):
        return Belonging(Key(meta["namespace"], controller["name"]), stranger=False)
    label = (meta.get("labels") or {}).get(OWNER_LABEL)
    if not label:
        return Belonging(None, stranger=True)
    by_children = controller is not None and (kind is POD or is_of_scaled_object(controller))
    return Belonging(Key(meta["namespace"], label), stranger=not by_children)


def is_of_scaled_object(controller: Mapping[str, Any]) -> bool:
    """Whether KEDA made it."""
    group = str(controller.get("apiVersion")).partition("/")[0]
    return (group, controller.get("kind")) == (SCALED_OBJECT.group, SCALED_OBJECT.name)


def is_controlled_by(meta: Mapping[str, Any], uid: str) -> bool:
    """Whether that very object controls this one. A name anybody may write; a uid has no second owner."""
    return (controller_of(meta) or {}).get("uid") == uid


def _is_model_deployment(reference: Mapping[str, Any]) -> bool:
    group = str(reference.get("apiVersion")).partition("/")[0]
    return (group, reference.get("kind")) == (GROUP, MODEL_DEPLOYMENT.name)


def is_small(manifest: Manifest) -> bool:
    """Whether a stranger's object is kept. One that is nested so deep that nobody can write it out is not."""
    meta = {key: value for key, value in manifest["metadata"].items() if key != "managedFields"}
    try:
        return len(orjson.dumps({**manifest, "metadata": meta})) <= LARGEST_STRANGER_BYTES
    except (TypeError, RecursionError):
        return False


@dataclass(slots=True)
class Family:
    """A ModelDeployment and what belongs to it, projected."""

    owner: LiveOwner | None = None
    children: dict[tuple[str, str], Child] = field(default_factory=dict)
    pods: dict[str, PodFacts] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing is left of it."""
        return self.owner is None and not self.children and not self.pods

    def uid(self, kind: Kind, name: str) -> str | None:
        """The uid of the member that has this name now."""
        member = self._member(kind, name)
        return member.uid if member else None

    def keep(self, kind: Kind, name: str, member: "Member") -> None:
        """Keep a member as it is now."""
        if isinstance(member, LiveOwner):
            self.owner = member
        elif isinstance(member, PodFacts):
            self.pods[name] = member
        else:
            self.children[kind.name, name] = member

    def drop(self, kind: Kind, name: str) -> None:
        """Forget a member."""
        if kind is MODEL_DEPLOYMENT:
            self.owner = None
        elif kind is POD:
            self.pods.pop(name, None)
        else:
            self.children.pop((kind.name, name), None)

    def vital_state(self, kind: Kind, name: str) -> tuple[Any, ...] | None:
        """The state of a member whose changes are urgent: what people ask for, and of what serves, whether it answers
        and is reached. None where no change of it is urgent."""
        member = self._member(kind, name)
        if isinstance(member, LiveOwner):
            return member.generation, member.request
        if member is None or self.owner is None or not self.owner.serves:
            return None
        if isinstance(member, PodFacts):
            return member.uid, member.ready, member.deleting, member.phase, member.server.endings
        if kind is DEPLOYMENT:
            status = member.body.get("status") or {}
            return member.uid, status.get("readyReplicas"), status.get("availableReplicas")
        return (member.uid, member.resource_version) if kind in ROUTING else None

    def _member(self, kind: Kind, name: str) -> "Member | None":
        if kind is MODEL_DEPLOYMENT:
            return self.owner
        return self.pods.get(name) if kind is POD else self.children.get((kind.name, name))


Member = LiveOwner | PodFacts | Child


def member_of(kind: Kind, manifest: Manifest) -> Member:
    """Project a member. Whatever this raises, the object cannot be read."""
    if kind is MODEL_DEPLOYMENT:
        return _live_owner(manifest)
    if kind is POD:
        return _as_controlled(pod_facts(manifest), manifest["metadata"])
    child = Child.of(manifest)
    if _CUT in (zlib.decompress(child.text) if child.kind == PACKED else child.text):
        raise ValueError(parsing.CUT)
    return child


def _as_controlled(pod: PodFacts, meta: Mapping[str, Any]) -> PodFacts:
    """A pod of a revision or a Job only where it is controlled by what that makes: its labels anybody may write."""
    controller = controller_of(meta) or {}
    kind, name = controller.get("kind"), str(controller.get("name"))
    replica_set = f"{of_revision((meta.get('labels') or {}).get(OWNER_LABEL, ''), pod.revision or '')}-"
    of_job = kind == "Job" and (name, controller.get("uid")) == (pod.job, pod.job_uid)
    return replace(
        pod,
        revision=pod.revision if kind == "ReplicaSet" and name.startswith(replica_set) else None,
        job=pod.job if of_job else None,
        job_uid=pod.job_uid if of_job else None,
    )


def is_cut(member: Member) -> bool:
    """Whether something that is kept was nested too deep to be kept whole."""
    return isinstance(member, LiveOwner) and _CUT in zlib.decompress(member.packed_spec)


def without_spec(member: Member) -> Member | None:
    """What is kept at the least, so that there is somebody to tell: a ModelDeployment without its spec."""
    return replace(member, packed_spec=_NO_SPEC) if isinstance(member, LiveOwner) else None


def size_of(member: Member) -> int:
    """Bytes of memory, about."""
    if isinstance(member, PodFacts):
        return POD_BYTES
    return OBJECT_BYTES + len(member.packed_spec if isinstance(member, LiveOwner) else member.text)


_CUT: Final = parsing.CUT.encode()
_NO_SPEC: Final = zlib.compress(b"{}")


def _live_owner(manifest: Manifest) -> LiveOwner:
    meta, spec = manifest["metadata"], manifest.get("spec") or {}
    return LiveOwner(
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        resource_version=meta["resourceVersion"],
        deleting="deletionTimestamp" in meta,
        packed_spec=zlib.compress(parsing.dumps(spec), 1),
        gateway=_gateway_named(meta["namespace"], spec),
        follows=alias_named(meta["namespace"], spec),
        status=manifest.get("status"),
        request=(meta.get("annotations") or {}).get(REQUEST),
    )


def _gateway_named(namespace: str, spec: Mapping[str, Any]) -> tuple[str, str] | None:
    match spec.get("traffic"):
        case {"gateway": {"name": str(name), **rest}}:
            return str(rest.get("namespace") or namespace), name
    return None
