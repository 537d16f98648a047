"""A family: a ModelDeployment with everything that belongs to it, and the rule by which an object does."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from slipway.api.v1alpha1 import GROUP
from slipway.controller.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, POD, ROUTING, SHARED_OBJECTS, Key, Kind
from slipway.core.names import MODEL_DEPLOYMENT as OWNER_LABEL
from slipway.core.names import REQUEST, Manifest
from slipway.core.observed.objects import Child
from slipway.core.observed.pods import PodFacts, pod_facts

LARGEST_STRANGER_BYTES: Final = 32 * 1024
"""Larger objects with our label that no ModelDeployment controls are not kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LiveOwner:
    """A ModelDeployment as the API server had it last: `spec` and `status` as stored, whatever they hold."""

    uid: str
    generation: int
    resource_version: str
    deleting: bool
    spec: Mapping[str, Any]
    status: Mapping[str, Any] | None
    request: str | None
    """The annotation by which people ask for something."""

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
    names. Pods are controlled by what our children are."""
    if kind in SHARED_OBJECTS:
        return Belonging(None, stranger=False)
    if kind is MODEL_DEPLOYMENT:
        return Belonging(Key(meta["namespace"], meta["name"]), stranger=False)
    controller = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    if kind is not POD and controller and _is_model_deployment(controller):
        return Belonging(Key(meta["namespace"], controller["name"]), stranger=False)
    label = (meta.get("labels") or {}).get(OWNER_LABEL)
    if not label:
        return Belonging(None, stranger=True)
    return Belonging(Key(meta["namespace"], label), stranger=kind is not POD or controller is None)


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

    def keep(self, kind: Kind, manifest: Manifest) -> None:
        """Keep a member as it is now."""
        name = manifest["metadata"]["name"]
        if kind is MODEL_DEPLOYMENT:
            self.owner = _live_owner(manifest)
        elif kind is POD:
            self.pods[name] = pod_facts(manifest)
        else:
            self.children[kind.name, name] = Child.of(manifest)

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

    def _member(self, kind: Kind, name: str) -> LiveOwner | PodFacts | Child | None:
        if kind is MODEL_DEPLOYMENT:
            return self.owner
        return self.pods.get(name) if kind is POD else self.children.get((kind.name, name))


def _live_owner(manifest: Manifest) -> LiveOwner:
    meta = manifest["metadata"]
    return LiveOwner(
        uid=meta["uid"],
        generation=meta.get("generation", 1),
        resource_version=meta["resourceVersion"],
        deleting="deletionTimestamp" in meta,
        spec=manifest.get("spec") or {},
        status=manifest.get("status"),
        request=(meta.get("annotations") or {}).get(REQUEST),
    )
