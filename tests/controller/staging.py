"""What tests of one pass stand on: a real API server, and decisions made up for the occasion."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from slipway.api.v1alpha1 import API_VERSION, KIND
from slipway.api.v1alpha1.status import ModelDeploymentStatus, Phase
from slipway.controller.kinds import MODEL_DEPLOYMENT, Key
from slipway.controller.kube import ApiKube
from slipway.controller.reconcile import Reconciler
from slipway.controller.resolve_slots import ResolveSlots
from slipway.controller.sampling import Sampling
from slipway.controller.store import Store
from slipway.controller.telemetry import Telemetry
from slipway.core.children.manifest import finished
from slipway.core.drift import as_asked
from slipway.core.names import labels
from slipway.core.observed.objects import Observed
from slipway.core.owner import Owner
from slipway.core.plan import Action, Apply, Plan
from slipway.core.platform import Platform
from tests.controller.conftest import a_model_deployment

PLATFORM = Platform(version="1", fetcher_image="f:1", server_image="s:1")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DONE = ModelDeploymentStatus(observed_generation=1, phase=Phase.READY)

Rule = Callable[[Owner, Observed], Plan]


@dataclass
class Pass:
    """What a decision was made from, and how often one was made."""

    rule: Rule
    observations: list[Observed] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    """Happens while the decision is made, that is, after it was gathered for."""

    def __call__(self, *, owner: Owner, observed: Observed, **_: Any) -> Plan:
        self.observations.append(replace(observed, children=dict(observed.children)))
        plan = self.rule(owner, observed)
        self.before()
        return plan


@dataclass
class Stage:
    """A store that knows one ModelDeployment of a real API server, and a reconciler on it."""

    kube: ApiKube
    key: Key
    sampling: Sampling
    store: Store = field(default_factory=Store)
    telemetry: Telemetry = field(default_factory=Telemetry)
    now: datetime = NOW
    resolve_jobs: int = 32

    async def with_model_deployment(self) -> "Stage":
        self.store.put(MODEL_DEPLOYMENT, await self.kube.create(MODEL_DEPLOYMENT, a_model_deployment(*self.key)))
        return self

    def reconciler(self, decide: Any) -> Reconciler:
        return Reconciler(
            kube=self.kube,
            store=self.store,
            decide=decide,
            platform=PLATFORM,
            telemetry=self.telemetry,
            sampling=self.sampling,
            resolve_slots=ResolveSlots(self.resolve_jobs, running=self.store.resolving),
            now=lambda: self.now,
        )

    async def run(self, rule: Rule) -> datetime | None:
        return await self.reconciler(Pass(rule)).reconcile(self.key)


def a_config(owner: Owner, name: str = "churn-1", **data: str) -> dict[str, Any]:
    meta = {"name": name, "labels": labels(owner.name, component="server")}
    bare = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
    return finished(bare, owner=owner, api_version=API_VERSION, kind=KIND)


def wants_a_config(owner: Owner, observed: Observed) -> Plan:
    """The smallest core: one ConfigMap."""
    missing = observed.child("ConfigMap", "churn-1") is None
    return Plan(status=DONE, actions=(Apply(manifest=a_config(owner), first=True),) if missing else ())


def wants(*made: Any, status: ModelDeploymentStatus = DONE) -> Any:
    """A core that wants these, and writes what is missing or not as wanted, as diff does."""

    def rule(owner: Owner, observed: Observed) -> Plan:
        actions: list[Action] = []
        for manifest in (make(owner) for make in made):
            there = observed.child(manifest["kind"], manifest["metadata"]["name"])
            if there is None:
                actions.append(Apply(manifest=manifest, first=True))
                continue
            spec = manifest.get("spec", {})
            kept = {"replicas": there.body["spec"]["replicas"]} if there.kind == "Deployment" else {}
            again = {**manifest, "spec": {**spec, **kept}} if spec else manifest
            if there.kind != "Job" and not as_asked(there.body, again):
                actions.append(Apply(manifest=again, uid=there.uid))
        return Plan(status=status, actions=tuple(actions))

    return rule
