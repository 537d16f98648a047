"""What one pass looks at: what is seen, who answers clients, and how many pods it takes to carry their load."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from slipway.api.v1alpha1.spec import Load, Scaler
from slipway.api.v1alpha1.status import RevisionRef, RevisionStatus, RolloutStatus
from slipway.core import autoscaling
from slipway.core.children.service import root_selector
from slipway.core.load import LOAD_TOPIC, Demand, demand, is_load_unknown, parts_of_clients, start_time
from slipway.core.observed.revision import RevisionFacts
from slipway.core.seen import Seen
from slipway.core.shares import Traffic
from slipway.core.who_serves import who_serves


@dataclass(frozen=True, kw_only=True)
class Snapshot(Seen):
    """What one pass looks at, read once."""

    @cached_property
    def traffic(self) -> Traffic:
        """Who answers clients."""
        return who_serves(self)

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
            was_unknown=is_load_unknown(self.before.conditions),
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
        last = self.before.autoscaling
        if self.load and last and last.by == Scaler.SLIPWAY:  # what was wanted, whatever a hand has made of the count
            return last.wanted
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
            usurped=self.usurped(revision),
        )
