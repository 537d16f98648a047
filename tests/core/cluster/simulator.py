"""The simulator: one ModelDeployment in a cluster whose other parts do what a story says, for passes of the real core.

It is a fake. It shows what the core decides and where that leads. It does not show that an API server takes a write,
that controllers and schedulers act like this, or that a request is answered: tests/controller, tests/stories, e2e do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.core.analysis import drain
from slipway.core.catalogue.facts import Followed, Withdrawal
from slipway.core.decide import decide
from slipway.core.identity import ask
from slipway.core.names import REVISION, Manifest
from slipway.core.observed.evidence import Evidence, PodSample, Scrape
from slipway.core.observed.objects import JobQueued, NameTaken, Observed, WriteDenied, WriteFailed, WriteNotKept
from slipway.core.observed.pods import pod_facts
from slipway.core.plan import Plan
from slipway.core.platform import NetworkRules
from slipway.core.snapshot import Snapshot
from slipway.triton.metrics import ModelMetrics
from tests.core.cluster.gateway import GatewayController
from tests.core.cluster.kubelet import Kubelet
from tests.core.cluster.stored import child, copied
from tests.core.gen import owner, platform


@dataclass
class Simulator(Kubelet, GatewayController):
    """One ModelDeployment, its cluster and its operator. A fake: see above for what it does not show."""

    unknown: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    blind: str | None = None
    foreign: tuple[NameTaken, ...] = ()
    rejected: tuple[WriteDenied, ...] = ()
    failed: tuple[WriteFailed, ...] = ()
    unkept: tuple[WriteNotKept, ...] = ()
    queued: tuple[JobQueued, ...] = ()
    withdrawals: dict[str, Withdrawal] = field(default_factory=dict)
    """Of the catalogue, by digest."""
    followed: Followed | None = None
    """What the catalogue shows of the alias that is followed."""
    platform_version: str = "0.1.0"
    network: NetworkRules = field(default_factory=NetworkRules)
    status_writes: int = 0
    events: list[tuple[str, str]] = field(default_factory=list)
    evidence: dict[str, Evidence] = field(default_factory=dict)
    """What looks have brought, by topic."""
    watched_since: datetime | None = None
    """When this operator started; None: long ago."""

    # What the operator does

    def observed(self) -> Observed:
        children = {key: child(m) for key, m in self.objects.items() if key[0] not in self.unlisted}
        pods = tuple(pod_facts(pod) for pod in self.pods.values())
        return Observed(
            children=children,
            pods=pods,
            nodes=self.nodes,
            devices=self.devices,
            unknown=self.unknown,
            unlisted=self.unlisted,
            blind=self.blind,
            gateways=self.gateways,
            foreign=self.foreign,
            rejected=self.rejected,
            failed=self.failed,
            unkept=self.unkept,
            queued=self.queued,
            evidence=self.evidence,
            watched_since=self.watched_since,
            withdrawals=self.withdrawals,
            followed=self.followed,
        )

    def scene(self) -> Snapshot:
        """What a pass would look at now."""
        spec = ModelDeploymentSpec.model_validate(self.spec)
        return Snapshot(
            owner=owner(generation=self.generation, request=self.request),
            spec=spec,
            ask=ask(spec),
            observed=self.observed(),
            before=ModelDeploymentStatus.model_validate(self.status),
            platform=platform(version=self.platform_version, network=self.network),
            now=self.now,
        )

    def plan(self) -> Plan:
        return decide(
            owner=owner(generation=self.generation, request=self.request),
            spec=copied(self.spec),
            status=copied(self.status),
            observed=self.observed(),
            platform=platform(version=self.platform_version, network=self.network),
            now=self.now,
        )

    def reconcile(self, writes: int = 1_000) -> Plan:
        """One pass, cut off after so many writes (the status counts as the first)."""
        plan = self.plan()
        if writes > 0:
            self.status_writes += plan.status.to_dict() != self.status
            self.status = plan.status.to_dict()
            self.events += [(note.reason, note.message) for note in plan.notes]
        for action in plan.actions[: max(writes - 1, 0)]:
            self.carry_out(action)
        return plan

    def settle(self, limit: int = 30) -> Plan:
        """Passes until one plans nothing new. Our own writes bring no event: a pass that needs another one says so."""
        awaited = True
        for _ in range(limit):
            before, self.stirred = self.status, False
            plan = self.reconcile()
            if not plan.actions and before == self.status:
                return plan
            assert awaited, f"nobody would have made this pass: {self.status}"
            awaited = self.stirred or (plan.wake_at is not None and plan.wake_at <= self.now)
        raise AssertionError(f"still planning after {limit} passes: {plan.actions}")

    def looks(self, *, metrics: Mapping[str, ModelMetrics] = {}, **found: Any) -> None:
        """Every look that is due is made: a version's pods count what `metrics` has for it, or cannot be reached.
        `found`: what else it brings."""
        versions = {known["revision"]: known["version"] for known in self.status.get("revisions") or ()}
        wanted = self.plan().looks
        kept = {topic: seen for topic, seen in self.evidence.items() if topic in {each.topic for each in wanted}}
        for each in wanted:
            known = kept.get(each.topic)
            if each.at > self.now or (known and known.after.at >= each.at):
                continue
            pods = tuple(
                PodSample(
                    pod=target.pod,
                    name=target.name,
                    revision=target.revision,
                    metrics=metrics.get(versions.get(target.revision, "")),
                    missing="cannot be reached",
                )
                for target in each.targets
            )
            history = (*(known.history if known else ()), Scrape(at=self.now, pods=pods))
            remembered = drain.kept(history, each.remembers) if each.remembers else history[-2:]
            kept[each.topic] = Evidence(history=remembered, **found)
        self.evidence = kept

    # What people see

    def condition(self, kind: str) -> Manifest:
        found: Manifest = next(c for c in self.status["conditions"] if c["type"] == kind)
        return found

    def revision_named(self, version: str) -> str:
        found = (r["revision"] for r in self.status["revisions"] if r["version"] == version)
        return f"churn-{next(found)}"

    def selected(self) -> str:
        """The revision that the root Service selects; "" while it spans several."""
        found: str = self.objects["Service", "churn"]["spec"]["selector"].get(REVISION, "")
        return found

    # Short cuts for stories

    def starts(self, version: str) -> None:
        """A new version is asked for, and its source resolved: its pods are to come."""
        self.edit(version=version)
        self.settle()
        self.resolve_job_ends()
        self.settle()

    def rolls_on(self, limit: int = 40) -> None:
        """All pods get ready, round after round, until nothing moves any more."""
        for _ in range(limit):
            for name in self.deployments():
                self.kubelet(name)
            self.settle()
            if "rollout" not in self.status or self.status["rollout"]["phase"] == "Soaking":
                return
        raise AssertionError(f"still rolling: {self.status}")

    def becomes_ready(self) -> None:
        """From nothing to a first version that serves."""
        self.settle()
        self.resolve_job_ends()
        self.settle()
        for name in self.deployments():
            self.kubelet(name)
        self.settle()


def simulator(**spec: Any) -> Simulator:
    """A ModelDeployment `churn` of version 3."""
    least = {"model": {"version": "3", "source": {"uri": "s3://models/churn/3"}}}
    return Simulator(spec={**least, **spec})
