"""A ModelDeployment and its pods as the commands read them: typed as far as this version knows the fields.

Another version of the operator may have written the status, and anybody may write the object. What cannot be read is
named in `unreadable`, and left out; nothing here raises.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from slipway.api.base import StoredModel
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.status import Condition, RevisionState, RevisionStatus, RolloutPhase
from slipway.cli.accelerators import devices_of, held
from slipway.core.body import integer, within
from slipway.core.catalogue.alias import asked_version
from slipway.core.names import REQUEST
from slipway.core.observed.pods import PodFacts, pod_facts
from slipway.core.policy import Policy, policy_of


class UnreadableError(Exception):
    """What another version has written, and nothing can be made of."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod of a revision, and the accelerators that it holds."""

    facts: PodFacts
    gpus: Mapping[str, str]
    """Extended resources of its containers by name, as in nvidia.com/gpu: 1, and devices by their product."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """One ModelDeployment with its pods."""

    name: str
    namespace: str
    generation: int
    version: str
    """What the manifest asks for, itself or by an alias that it follows."""
    request: str | None
    """The annotation by which somebody asked for something last."""
    status: ModelDeploymentStatus
    policy: Policy | None
    """None where the spec cannot be read by this version."""
    bounds: tuple[int, int] | None = None
    """The fewest and the most pods, where something scales them."""
    pods: tuple[Pod, ...] = ()
    unreadable: tuple[str, ...] = ()
    """Fields that this version cannot read."""

    @classmethod
    def read(cls, body: Mapping[str, Any], pods: Iterable[Mapping[str, Any]] = ()) -> Self:
        """From an object and pods as the API server hands them out."""
        meta, spec, stored = within(body, "metadata"), within(body, "spec"), within(body, "status")
        status = ModelDeploymentStatus.of_readable(stored)
        policy, devices = _policy(spec), devices_of(stored)
        return cls(
            name=str(meta.get("name", "")),
            namespace=str(meta.get("namespace", "")),
            generation=integer(meta.get("generation"), 0),
            version=asked_version(body) or "-",
            request=str(within(meta, "annotations").get(REQUEST) or "") or None,
            status=status,
            policy=policy,
            bounds=_bounds(within(spec, "autoscaling")),
            pods=tuple(filter(None, (_pod(pod, devices) for pod in pods))),
            unreadable=(*_unreadable(status, stored, "status"), *(() if policy else ("spec",))),
        )

    def condition(self, kind: str) -> Condition | None:
        """A condition by its type."""
        return condition(self.status, kind)

    @property
    def telling(self) -> Condition | None:
        """The condition that says how things stand."""
        return telling(self.status)

    @property
    def is_looked_at(self) -> bool:
        """Whether the operator has seen the spec as it is."""
        return self.status.observed_generation >= self.generation and bool(self.status.conditions)

    @property
    def soaks(self) -> bool:
        """Whether the version before stands by."""
        rollout = self.status.rollout
        return rollout is not None and rollout.phase is RolloutPhase.SOAKING

    def pods_of(self, revision: str) -> list[Pod]:
        """Its pods, oldest first."""
        own = (pod for pod in self.pods if pod.facts.revision == revision and pod.facts.job is None)
        return sorted(own, key=lambda pod: (pod.facts.created, pod.facts.name))

    def revision(self, name: str | None) -> RevisionStatus | None:
        """What status says of a revision."""
        return next((each for each in self.status.revisions if each.revision == name), None)

    def in_state(self, state: RevisionState) -> RevisionStatus | None:
        """The first revision in a state."""
        return next((each for each in self.status.revisions if each.state is state), None)


def condition(status: ModelDeploymentStatus, kind: str) -> Condition | None:
    """A condition by its type."""
    return next((each for each in status.conditions if each.type == kind), None)


def telling(status: ModelDeploymentStatus) -> Condition | None:
    """The condition that says how things stand: Stalled where it holds, else Ready."""
    stalled = condition(status, "Stalled")
    return stalled if stalled and stalled.status == "True" else condition(status, "Ready")


def _unreadable(kept: StoredModel, stored: Mapping[str, Any], path: str) -> Iterator[str]:
    """The paths of what is stored in a block and was not kept of it."""
    for name, field in type(kept).model_fields.items():
        alias, part = field.alias or name, getattr(kept, name)
        if alias not in stored:
            continue
        there, where = stored[alias], f"{path}.{alias}"
        if name not in kept.model_fields_set or (isinstance(part, list) and len(part) != len(there)):
            yield where
        elif isinstance(part, StoredModel):
            yield from _unreadable(part, there, where)


def _policy(spec: Mapping[str, Any]) -> Policy | None:
    try:
        return policy_of(ModelDeploymentSpec.model_validate(spec))
    except (ValidationError, ValueError):
        return None


def _bounds(autoscaling: Mapping[str, Any]) -> tuple[int, int] | None:
    most = integer(autoscaling.get("maxReplicas"), 0)
    return (integer(autoscaling.get("minReplicas"), 1), most) if most else None


def _pod(body: Mapping[str, Any], devices: Mapping[str, Mapping[str, int]]) -> Pod | None:
    try:
        facts = pod_facts(body)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return Pod(facts=facts, gpus=held(body, devices))
