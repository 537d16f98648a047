"""What one pass looks at, read once: the ask, what is there, and the questions that every decision asks of it."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.spec import Load, Scaler, Verification
from slipway.api.v1alpha1.status import RevisionRef, RevisionState, RevisionStatus, RolloutStatus
from slipway.core import autoscaling
from slipway.core.body import integer, mappings, within
from slipway.core.catalogue.follow import Following
from slipway.core.children.revision import RevisionRecord
from slipway.core.children.service import root_selector
from slipway.core.load import LOAD_TOPIC, Demand, demand, parts_of_clients, start_time
from slipway.core.names import REVISION, Manifest, is_of_revision, of_revision
from slipway.core.observed import history
from slipway.core.observed.evidence import NO_GOLDEN, Golden
from slipway.core.observed.objects import Observed
from slipway.core.observed.revision import RevisionFacts, available
from slipway.core.observed.route import RouteFacts, led_by_header, route_facts
from slipway.core.observed.scalers import ScalerFacts, scalers_of
from slipway.core.observed.traffic_policies import PolicyFacts, policy_facts, with_policies
from slipway.core.owner import Owner
from slipway.core.platform import Platform
from slipway.core.policy import Policy, policy_of
from slipway.core.shares import Traffic, by_pods

_WITHOUT_TRAFFIC: Final = (RevisionState.STANDBY, RevisionState.RETIRING)


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What one pass looks at, read once."""

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

    @cached_property
    def traffic(self) -> Traffic:
        """Who answers clients, as it was decided last; where status does not say, or says what nobody can have
        decided, as it can be seen."""
        stored = Traffic.of(self.before.traffic)
        if self.route is None:  # there is no gateway any more whose requests had been shared out
            stored = replace(stored, shares=None)
        if not stored.is_whole or any(map(self._is_bystander, stored.reaches)):
            return self._adopted
        gone = [name for name in stored.reaches if not (self.exists(name) and self._counts(name))]
        decided = stored.without(gone)
        return self._adopted if not decided.service or self._lacks(decided) else decided

    def _is_bystander(self, revision: str) -> bool:
        """Whether nobody can have decided that it gets traffic, by what else status says."""
        listed, refs = self.listed(revision), (self.before.stable, self.before.candidate)
        if revision in (ref.revision for ref in refs if ref):
            return False
        return listed.state in _WITHOUT_TRAFFIC if listed else not self.exists(revision)

    def _lacks(self, decided: Traffic) -> bool:
        """Whether what status says leaves out a revision that the root Service selects and to which status itself gives
        a share, and what is left cannot carry the load, less what may be missing while versions change."""
        left_out = self.selected - decided.service
        if not left_out or not self.selected <= {name for name, share in self.shares_before.items() if share}:
            return False
        rollout = self.before.rollout  # what is needed is asked of the traffic, so not here
        load = (rollout.desired_replicas if rollout else None) or self.spec.replicas
        makes_room = int(bool(rollout and rollout.strategy.making_room))
        floor = load - max(self.policy.may_lack(load), makes_room)
        carries = sum(map(self.available, decided.service))
        return carries < min(floor, sum(map(self.available, self.selected)))

    def _counts(self, revision: str) -> bool:
        """Whether it has ever carried anything, as far as can be told: a first version has to show it. Where status
        has the model of what serves, there is no first version."""
        before = self.before
        begun = before.candidate is not None or before.rollout is not None
        first = self._stable is None and begun and before.model is None
        alone = before.candidate is not None and before.candidate.revision == revision
        return not first or alone or bool(self.available(revision))

    @cached_property
    def _adopted(self) -> Traffic:
        """Status that was lost, or that an earlier operator wrote: what serves is seen from where clients are sent, by
        the Service and by the route."""
        weights = self.route.weights if self.route else {}
        routed = {name: part for name, part in weights.items() if part and self.exists(name) and self._counts(name)}
        selected = frozenset(filter(self._counts, self.selected & self.deployed))
        service = selected or self._presumed(frozenset(routed))
        exact = len(service) == 1 and not routed.keys() <= service
        return Traffic(service=service, shares=by_pods(routed) if exact else None)

    def _presumed(self, routed: Set[str]) -> frozenset[str]:
        """Where no Service says what it selects."""
        alone = self.before.candidate.revision if self.before.candidate else None
        one = (
            self._stable
            or self.most_available(filter(self.available, self.deployed & routed))
            or self.most_available(filter(self.available, self.deployed))
            or (alone if alone and self.exists(alone) else None)
        )
        return frozenset({one} if one else ())

    @property
    def _stable(self) -> str | None:
        """The stable revision; by the list of revisions, where the reference to it was lost."""
        if self.before.stable is not None:
            return self.before.stable.revision
        return self.listed_as_stable.revision if self.listed_as_stable else None

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
        """Whether it has a Deployment, or could have one again."""
        return revision in self.deployed or self.record(revision) is not None

    @property
    def traffic_as_decided(self) -> bool:
        """Whether the root Service and the route are as they were decided, as far as they can be seen."""
        if not self.traffic.service or self.selector != root_selector(self.owner.name, self.traffic.alone):
            return False
        if self.route is None:
            return True
        if self.traffic.shares is not None:
            return self.route.splits_by(self.traffic.shares)
        return bool(self.route.reaches) and self.route.reaches <= self.traffic.service

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
    def needed(self) -> int:
        """Pods that carry the whole load: what is asked for or, under an autoscaler, what it has come to."""
        if self.suspended:
            return 0
        scaling = self.spec.autoscaling
        if scaling is None:
            return self.spec.replicas
        carried = self._carried + sum(self._added(ref) for ref in (self.before.stable, self.before.candidate))
        if self.demand is not None:
            carried = self.demand.pods
        return autoscaling.desired_replicas(scaling, carried=carried, start=self.spec.replicas)

    @cached_property
    def load(self) -> Load | None:
        """What the load of pods may be; None where Slipway does not set their number, or not yet: a scaler that is
        still there would write the same counts."""
        scaling = self.spec.autoscaling
        if scaling is None or self.scaled_by is not Scaler.SLIPWAY or self.suspended or not self.traffic.reaches:
            return None
        return None if any(map(self._limits, self.deployed)) else scaling.load

    @property
    def scaled_by(self) -> Scaler | None:
        """Who is to set the number of pods; None where that is the spec alone."""
        return autoscaling.scaler_of(self.spec.autoscaling) if self.spec.autoscaling else None

    @cached_property
    def scalers(self) -> Mapping[str, tuple[ScalerFacts, ...]]:
        """What may set a Deployment's count beside us, by revision; ours first."""
        return scalers_of(self.observed, self.owner)

    @cached_property
    def demand(self) -> Demand | None:
        """How many pods the load takes, by the looks at those that clients reach. While versions change there are never
        fewer than there were: what shrinks then is no revision's own load. Copies of requests are nobody's load."""
        if self.load is None:
            return None
        carried = self._carried or self.spec.replicas
        evidence, rollout = self.observed.evidence.get(LOAD_TOPIC), self.before.rollout
        taken = demand(
            self.load,
            evidence.loads if evidence else (),
            count=carried,
            parts=self.parts_of_clients,
            start_time=self.start_time,
            now=self.now,
        )
        changing = rollout is not None and self.changes(rollout)
        return taken.at_least(carried) if changing else taken

    @property
    def parts_of_clients(self) -> dict[str, float]:
        """How much of its load each revision has from clients."""
        return parts_of_clients(self.traffic, self.route.shadow if self.route else None)

    @cached_property
    def start_time(self) -> timedelta:
        """How long a pod that clients reach takes to start."""
        pods = (pod for revision in self.traffic.reaches for pod in self.observed.pods_of(revision))
        return start_time(pod.ready_at - pod.created for pod in pods if pod.ready and pod.ready_at)

    @property
    def _carried(self) -> int:
        """Under an autoscaler: pods before it added any. While versions change, no revision's own count tells."""
        rollout, stable = self.before.rollout, self.before.stable or self.before.candidate
        reached = sum(map(self.count, self.traffic.reaches))
        if rollout and self.changes(rollout):
            return rollout.desired_replicas or reached
        lost = stable is None or not stable.revision or (rollout is None and self.before.candidate is not None)
        if reached and (lost or self._elsewhere):  # then whatever clients reach carries it
            return reached
        if stable is None or not stable.revision:
            return 0
        told = self.before.autoscaling
        if self.load and told and told.by == Scaler.SLIPWAY:  # what was wanted, whatever a hand has made of the count
            return told.wanted
        return self.count(stable.revision) or self.count_before(stable.revision)

    def changes(self, rollout: RolloutStatus) -> bool:
        """Whether no revision's own count tells what carries the load, because several take part in it."""
        return autoscaling.takes_several(rollout, elsewhere=self._elsewhere)

    @property
    def _elsewhere(self) -> bool:
        """Whether clients reach another revision than the stable one, which then has only what it was left with."""
        reached, stable = self.traffic.reaches, self.before.stable
        return len(reached) > 1 or (stable is not None and not reached <= {stable.revision})

    def _added(self, ref: RevisionRef | None) -> int:
        """What an autoscaler has put on top of what was planned for a revision."""
        rollout = self.before.rollout
        recorded = rollout is not None and rollout.desired_replicas and self.changes(rollout)
        if not (recorded and ref and ref.revision in self.traffic.reaches):
            return 0
        limits = self._limits(ref.revision)
        return autoscaling.added(self.count(ref.revision), self.count_before(ref.revision), limits) if limits else 0

    def _limits(self, revision: str) -> tuple[int, int] | None:
        """Between what a scaler may move its count; None where none stands over it: nobody else's hand is load."""
        return next((scaler.bounds for scaler in self.scalers.get(revision, ())), None)

    def facts(self, ref: RevisionRef | RevisionStatus) -> RevisionFacts:
        """A revision's facts, by its reference."""
        revision = ref.revision or ""
        return RevisionFacts.gather(
            self.observed,
            deployment=self.deployment(revision) or {},
            revision=revision,
            version=ref.version,
            wanted=self.needed,
            now=self.now,
            addressable=self.addressable(revision),
        )

    def addressable(self, revision: str) -> bool:
        """Whether a revision has a Service of its own, to which a gateway can send its share."""
        service = self.observed.child("Service", of_revision(self.owner.name, revision))
        return service is not None and service.owner_uid == self.owner.uid and not service.deleting


def _interval(asked: object) -> timedelta:
    """How often the guard asks; as by default where what was asked for cannot be read."""
    try:
        return duration(str(asked))
    except ValueError:
        return duration(Verification().interval)
