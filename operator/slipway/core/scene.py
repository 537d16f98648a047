"""What one pass looks at, read once: the ask, what is there, and the questions that every decision asks of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

from slipway.api.scalars import duration
from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.api.v1alpha1.spec import Rollout, Server
from slipway.api.v1alpha1.status import RevisionRef, RevisionStatus
from slipway.core import history
from slipway.core.facts import Observed, Owner
from slipway.core.names import REVISION, Manifest, of_revision
from slipway.core.platform import Platform
from slipway.core.rollout.facts import RevisionFacts
from slipway.core.rollout.gates import Policy

STARTUP_SLACK: Final = timedelta(seconds=30)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What one pass looks at, read once."""

    owner: Owner
    spec: ModelDeploymentSpec
    ask: str
    observed: Observed
    before: ModelDeploymentStatus
    platform: Platform
    now: datetime

    @property
    def suspended(self) -> bool:
        """No pods are wanted. Under an autoscaler `replicas` is only where a version starts, and that is never 0."""
        return self.spec.suspend or (self.spec.replicas == 0 and self.spec.autoscaling is None)

    @cached_property
    def past(self) -> list[history.Entry]:
        """The revisions that history holds, newest first."""
        return history.entries(self.observed, self.owner)

    @cached_property
    def serving(self) -> str | None:
        """The revision that the root Service selects now."""
        root = self.observed.child("Service", self.owner.name)
        if root is None or root.owner_uid != self.owner.uid:
            return None
        selector: Mapping[str, str] = root.body["spec"].get("selector") or {}
        return selector.get(REVISION)

    @cached_property
    def policy(self) -> Policy:
        """How long waits may be. Starting may take as long as the server is given for it."""
        rollout, server = self.spec.rollout or Rollout(), self.spec.server or Server()
        return Policy(
            fetch_timeout=duration(rollout.fetch_timeout),
            progress_deadline=max(
                duration(rollout.progress_deadline), duration(server.startup_timeout) + STARTUP_SLACK
            ),
            accelerator=self.spec.accelerator,
        )

    @cached_property
    def _deployments(self) -> Mapping[str, Manifest]:
        """Those that are ours and there to stay: nobody else's pods answer for a revision."""
        return {
            child.name: child.body
            for (kind, _), child in self.observed.children.items()
            if kind == "Deployment" and child.owner_uid == self.owner.uid and not child.deleting
        }

    def deployment(self, revision: str) -> Manifest | None:
        """A revision's Deployment, unpacked."""
        return self._deployments.get(of_revision(self.owner.name, revision))

    def count(self, revision: str) -> int:
        """Pods that a revision's Deployment is set to."""
        deployment = self.deployment(revision)
        return int(deployment["spec"].get("replicas", 1)) if deployment else 0

    def count_before(self, revision: str) -> int:
        """Pods that a revision was last said to want: what its autoscaler had come to, where the Deployment is gone."""
        return next((known.replicas for known in self.before.revisions if known.revision == revision), 0)

    def wanted(self, revision: str, stable: str | None) -> int:
        """Pods that a revision should have. Under an autoscaler: what it has, within bounds; a new one follows what
        the old one needs."""
        if self.suspended:
            return 0
        scaling = self.spec.autoscaling
        if scaling is None:
            return self.spec.replicas
        count = (self.count(stable) if stable else 0) or self.count(revision)
        count = count or self.count_before(revision) or self.spec.replicas
        return min(max(count, scaling.min_replicas), scaling.max_replicas)

    def facts(self, ref: RevisionRef | RevisionStatus, stable: str | None) -> RevisionFacts:
        """A revision's facts, by its reference."""
        revision = ref.revision or ""
        return RevisionFacts.gather(
            self.observed,
            deployment=self.deployment(revision) or {},
            revision=revision,
            version=ref.version,
            wanted=self.wanted(revision, stable),
        )
