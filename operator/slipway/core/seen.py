"""What is seen at the beginning of a pass, read once: what is asked for, what status says, and what is there."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from slipway.api.scalars import duration
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.spec import Verification
from slipway.api.v1alpha1.status import RevisionState, RevisionStatus
from slipway.core.body import integer, mappings, within
from slipway.core.catalogue.follow import Following
from slipway.core.children.revision import RevisionRecord
from slipway.core.names import REVISION, Manifest, is_of_revision, of_revision
from slipway.core.observed import history
from slipway.core.observed.evidence import NO_GOLDEN, Golden
from slipway.core.observed.objects import Observed
from slipway.core.observed.revision import available
from slipway.core.observed.route import RouteFacts, led_by_header, route_facts
from slipway.core.observed.scalers import ScalerFacts, scalers_of
from slipway.core.observed.traffic_policies import PolicyFacts, policy_facts, with_policies
from slipway.core.owner import Owner
from slipway.core.platform import Platform
from slipway.core.policy import Policy, policy_of


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is asked for, what status says, and what is there."""

    owner: Owner
    spec: ModelDeploymentSpec
    ask: str
    observed: Observed
    before: ModelDeploymentStatus
    platform: Platform
    now: datetime
    following: Following | None = None
    """What is asked for by following an alias; `spec` has its version."""

    @property
    def suspended(self) -> bool:
        """No pods are wanted. Under an autoscaler `replicas` is only where a version starts, and that is never 0."""
        return self.spec.suspend or (self.spec.replicas == 0 and self.spec.autoscaling is None)

    @cached_property
    def past(self) -> list[history.Entry]:
        """The revisions that history holds, newest first."""
        return history.entries(self.observed, self.owner)

    def record(self, revision: str) -> RevisionRecord | None:
        """What a revision is made of, read once a pass: unpacking one costs more than most decisions."""
        if revision not in self._records:
            self._records[revision] = history.record_of(self.observed, self.owner, revision)
        return self._records[revision]

    def golden(self, revision: str) -> Golden:
        """What the guard asks in each pod of a revision; where there are no golden requests, the shapes it declares."""
        record = self.record(revision)
        if record is None:
            return NO_GOLDEN
        # Not by today's model of the API, which may have dropped a field that the revision was asked for with.
        verification = within(record.asked, "model", "verification")
        requests = len(mappings(verification.get("requests"))) or record.resolved.golden or 1
        interval = verification.get("interval", Verification().interval)
        return Golden(requests=requests, interval=_interval(interval))

    @cached_property
    def _records(self) -> dict[str, RevisionRecord | None]:
        return {}

    @property
    def listed_as_stable(self) -> RevisionStatus | None:
        """The stable revision as status lists it."""
        return next((entry for entry in self.before.revisions if entry.state is RevisionState.STABLE), None)

    def listed(self, revision: str) -> RevisionStatus | None:
        """A revision as status lists it."""
        return next((entry for entry in self.before.revisions if entry.revision == revision), None)

    @property
    def shares_before(self) -> dict[str, int]:
        """Percent of the traffic by revision, as status lists it."""
        return {entry.revision: entry.share for entry in self.before.revisions}

    def exists(self, revision: str) -> bool:
        """Whether a revision has a Deployment, or could have one again."""
        return revision in self.deployed or self.record(revision) is not None

    @cached_property
    def selector(self) -> Mapping[str, str] | None:
        """What the root Service selects; None where it is not there, not ours, or selects nothing."""
        root = self.observed.child("Service", self.owner.name)
        if root is None or root.owner_uid != self.owner.uid or root.deleting:
            return None
        return within(root.body, "spec", "selector") or None

    @cached_property
    def route(self) -> RouteFacts | None:
        """The route, or both, where a gateway is asked for."""
        shares, traffic = self.shares_before, self.spec.traffic
        facts = route_facts(self.observed, owner=self.owner, traffic=traffic, shares=shares, now=self.now)
        return with_policies(facts, self.policies) if facts else None

    @cached_property
    def led_by_header(self) -> frozenset[str]:
        """The revisions that requests with a header reach just now."""
        return led_by_header(self.observed, self.owner)

    @cached_property
    def policies(self) -> PolicyFacts:
        """What is asked of the gateway beside the route."""
        traffic = self.spec.traffic
        if traffic is None or traffic.gateway is None:
            return PolicyFacts()
        return policy_facts(self.observed, owner=self.owner, traffic=traffic, gateway=traffic.gateway, now=self.now)

    @cached_property
    def selected(self) -> frozenset[str]:
        """The revisions that the root Service selects just now, whether they have pods or not."""
        selector = self.selector or {}
        alone = {selector[REVISION]} if REVISION in selector else set()
        reached = {revision for revision in self.deployed if selector.items() <= self._labels(revision).items()}
        return frozenset(reached | (alone - self.deployed)) if selector else frozenset()

    def _labels(self, revision: str) -> Mapping[str, str]:
        """Those of a revision's pods."""
        return within(self.deployment(revision), "spec", "template", "metadata", "labels")

    @cached_property
    def deployed(self) -> frozenset[str]:
        """The revisions that have a Deployment."""
        prefix = f"{self.owner.name}-"
        return frozenset(name.removeprefix(prefix) for name in self._deployments)

    def most_available(self, revisions: Iterable[str]) -> str | None:
        """Of several revisions the one with the most available pods."""
        return max(revisions, key=lambda revision: (self.available(revision), revision), default=None)

    @property
    def slept(self) -> bool:
        """At the last look no pods were wanted."""
        return self.before.replicas == 0

    @cached_property
    def policy(self) -> Policy:
        """What the spec says about how versions change."""
        return policy_of(self.spec)

    @cached_property
    def _deployments(self) -> Mapping[str, Manifest]:
        """Those that are ours, there to stay and called as a revision's is: nobody else's pods answer for one."""
        return {
            child.name: child.body
            for (kind, _), child in self.observed.children.items()
            if kind == "Deployment" and child.owner_uid == self.owner.uid and not child.deleting
            if is_of_revision(self.owner.name, child.name)
        }

    def deployment(self, revision: str) -> Manifest | None:
        """A revision's Deployment, unpacked."""
        return self._deployments.get(of_revision(self.owner.name, revision))

    def count(self, revision: str) -> int:
        """Pods that a revision's Deployment is set to."""
        deployment = self.deployment(revision)
        return integer(within(deployment, "spec").get("replicas"), 1) if deployment else 0

    def has_pods_beside(self, revisions: Set[str]) -> bool:
        """Whether other revisions have pods, or are about to: a Service that spans versions would reach them. Pods of a
        Deployment that was deleted or set to nothing are there until somebody has told them to end."""
        others = self.deployed - revisions
        return any(map(self.count, others)) or any(
            pod.revision and pod.revision not in revisions and not (pod.over or pod.deleting or pod.job)
            for pod in self.observed.pods
        )

    def available(self, revision: str) -> int:
        """Pods of a revision that are available."""
        return available(self.deployment(revision) or {}, self.observed.pods_of(revision), self.now)

    def count_before(self, revision: str) -> int:
        """Pods that a revision was last said to want: what its autoscaler had come to, where the Deployment is gone."""
        entry = self.listed(revision)
        return entry.replicas if entry else 0

    @cached_property
    def scalers(self) -> Mapping[str, tuple[ScalerFacts, ...]]:
        """What may set a Deployment's count beside us, by revision; ours first."""
        return scalers_of(self.observed, self.owner)

    def addressable(self, revision: str) -> bool:
        """Whether a revision has a Service of its own, to which a gateway can send its share."""
        service = self.observed.child("Service", of_revision(self.owner.name, revision))
        return service is not None and service.owner_uid == self.owner.uid and not service.deleting

    def usurped(self, revision: str) -> bool:
        """Whether the name of a revision's own Service is that of a stranger's, who would answer its requests."""
        name = of_revision(self.owner.name, revision)
        service = self.observed.child("Service", name)
        taken = any((each.kind, each.name) == ("Service", name) for each in self.observed.foreign)
        return taken or (service is not None and service.owner_uid != self.owner.uid)


def _interval(asked: object) -> timedelta:
    """How often the guard asks; as by default where what was asked for cannot be read."""
    try:
        return duration(str(asked))
    except ValueError:
        return duration(Verification().interval)
