"""A toy cluster that keeps the API server's promises (preconditions), nobody else's, and watches every pass.

What must hold after each pass, whatever happened before, is said here; test_machine_properties.py makes things happen.
"""

import copy
from dataclasses import dataclass, field

from slipway.api.v1alpha1 import ModelDeploymentSpec, ModelDeploymentStatus
from slipway.core.decide import decide
from slipway.core.facts import Foreign, Observed
from slipway.core.identity import ask, canonical
from slipway.core.names import REVISION, Manifest, of_revision
from slipway.core.plan import Action, Apply, Delete, Plan, Scale
from tests.core.gen import owner, platform
from tests.core.toy import Toy

LONGEST_SETTLING = 10


class ConflictError(Exception):
    """A precondition does not hold: what was decided from is not what is there."""


@dataclass
class Disturbed(Toy):
    """One ModelDeployment in a cluster where anything may happen between two writes."""

    taken: set[tuple[str, str]] = field(default_factory=set)
    """Names that somebody else's objects have."""
    templates: dict[str, bytes] = field(default_factory=dict)
    """Pod template of each revision, as it was first applied."""
    highest: int = 0

    # Passes

    def decided(self, observed: Observed) -> Plan:
        """One decision, made twice: it is the same both times."""
        plans = [
            decide(
                owner=owner(generation=self.generation),
                spec=copy.deepcopy(self.spec),
                status=copy.deepcopy(self.status),
                observed=observed,
                platform=platform(version=self.platform_version),
                now=self.now,
            )
            for _ in range(2)
        ]
        assert plans[0] == plans[1]
        return plans[0]

    def one_pass(self, observed: Observed | None = None, writes: int = 1_000) -> Plan:
        """Decide and carry out, as the controller does; a write that meets a conflict ends the pass."""
        seen = observed or self.observed()
        before, plan = self.status, self.decided(seen)
        self.status_holds(plan)
        if not plan.actions and plan.status.to_dict() == before:
            assert plan.wake_at is None or plan.wake_at > self.now, "a pass that does nothing asks for another at once"
        if writes:
            self.status = plan.status.to_dict()
        done = self.carried_out(plan, max(writes - 1, 0), seen, before)
        if done and writes > len(plan.actions) and observed is None and seen.foreign == self.foreign:
            self.cluster_holds(plan)
        return plan

    def carried_out(self, plan: Plan, writes: int, seen: Observed, before: Manifest) -> bool:
        for action in plan.actions[:writes]:
            self.action_holds(action, plan, seen, before)
            try:
                self.carry_out(action)
            except ConflictError:
                return False
            finally:
                self.collect_garbage()
        return True

    def carry_out(self, action: Action) -> None:
        """As the toy does, with the preconditions that the real writes carry."""
        kind, name = _place(action)
        there = self.objects.get((kind, name))
        if isinstance(action, Apply) and (kind, name) in self.taken:
            if any((known.kind, known.name) == (kind, name) for known in self.foreign):
                return  # known and said already, as the controller has it
            self.foreign = (*self.foreign, Foreign(kind=kind, name=name, owned_by="nobody"))
            raise ConflictError
        match action:
            case Apply(resource_version=str(version)) | Scale(resource_version=version):
                if there is None or there["metadata"]["resourceVersion"] != version:
                    raise ConflictError
            case Delete(uid=uid):
                if there is None or there["metadata"]["uid"] != uid:
                    raise ConflictError
        super().carry_out(action)
        if isinstance(action, Scale):
            self.touch(self.objects[kind, name])

    def settle(self, limit: int = LONGEST_SETTLING) -> Plan:
        """Passes until one plans nothing new; each but the last was asked for by a write that brings an event."""
        for _ in range(limit):
            before, known = self.status, {(name.kind, name.name) for name in self.foreign}
            plan = self.one_pass()
            if before == self.status and all(_place(action) in known for action in plan.actions):
                return plan
        raise AssertionError(f"still planning after {limit} passes: {plan.actions} {self.status}")

    # What Kubernetes does

    def touch(self, manifest: Manifest) -> None:
        self.serial += 1
        manifest["metadata"]["resourceVersion"] = str(self.serial)

    def collect_garbage(self) -> None:
        """Pods go with their Deployment or Job, and with its count; no more are available than are there."""
        counts = {name: m["spec"]["replicas"] for name, m in self.deployments().items()}
        jobs = {name for kind, name in self.objects if kind == "Job"}
        self.pods = {
            name: pod
            for name, pod in self.pods.items()
            if _number(name) < counts.get(_owner(name), 0) or _owner(name) in jobs
        }
        for name, deployment in self.deployments().items():
            status = deployment["status"]
            if status.get("availableReplicas", 0) > counts[name]:
                deployment["status"] = {"availableReplicas": counts[name], "replicas": counts[name]}

    def vanish(self, name: str) -> None:
        """All pods of a Deployment are gone."""
        self.pods = {pod: m for pod, m in self.pods.items() if _owner(pod) != name}
        self.objects["Deployment", name]["status"] = {}

    # What must hold

    @property
    def asked(self) -> str:
        return ask(ModelDeploymentSpec.model_validate(self.spec))

    @property
    def asleep(self) -> bool:
        return bool(self.spec.get("suspend")) or (self.spec.get("replicas") == 0 and "autoscaling" not in self.spec)

    def status_holds(self, plan: Plan) -> None:
        status, raw = plan.status, plan.status.to_dict()
        assert ModelDeploymentStatus.model_validate(raw) == status
        assert status.observed_generation == self.generation
        names = [revision.revision for revision in status.revisions]
        assert len(names) == len(set(names)), "the API server refuses a list map that has a key twice"
        conditions = {c.type: c for c in status.conditions}
        true = {kind for kind, c in conditions.items() if c.status == "True"}
        assert not {"Reconciling", "Stalled"} <= true
        assert all(c.message or c.status == "False" for c in status.conditions)
        assert max(len(c.message) for c in status.conditions) <= 8192
        if "Ready" in true:
            assert status.stable
            assert status.stable.ask == self.asked
            assert not self.asleep
        assert status.last_number >= self.highest
        self.highest = status.last_number
        for ref in (status.stable, status.candidate):
            assert ref is None or (ref.number or 0) <= status.last_number

    def action_holds(self, action: Action, plan: Plan, seen: Observed, before: Manifest) -> None:
        stable = (before.get("stable") or {}).get("revision")
        selected = self.selects()
        match action:
            case Apply(manifest={"kind": "Deployment"} as manifest):
                template = canonical(manifest["spec"]["template"])
                assert self.templates.setdefault(manifest["metadata"]["name"], template) == template
            case Apply(manifest={"kind": "Service", "metadata": {"name": "churn"}} as manifest):
                self.selection_holds(manifest["spec"]["selector"][REVISION], plan, seen, stable)
            case Scale(name=name, replicas=replicas) if stable == selected and name == of_revision(
                "churn", selected or ""
            ):
                assert replicas >= self.least()
            case Delete(kind="Deployment", name=name) if stable is not None:
                assert name != of_revision("churn", selected or ""), "what has the traffic is deleted"

    def selection_holds(self, revision: str, plan: Plan, seen: Observed, stable: str | None) -> None:
        """Traffic goes only to what was whole when it was given it; to stable; or to a first candidate."""
        if stable is None or revision == stable:
            return
        if plan.status.stable and plan.status.stable.revision == revision:
            return
        deployment = seen.child("Deployment", of_revision("churn", revision))
        assert deployment is not None
        available = deployment.body["status"].get("availableReplicas", 0)
        assert available >= deployment.body["spec"]["replicas"] >= self.least() > 0

    def least(self) -> int:
        if self.asleep:
            return 0
        scaling = self.spec.get("autoscaling")
        return int(scaling["minReplicas"] if scaling else self.spec.get("replicas", 1))

    def cluster_holds(self, plan: Plan) -> None:
        """After a pass that saw what there was and could write all that it wanted."""
        live = {of_revision("churn", revision.revision) for revision in plan.status.revisions}
        assert set(self.deployments()) <= live
        stable = plan.status.stable
        if stable and ("Service", "churn") not in self.taken:
            assert self.selects() == stable.revision or plan.status.rollout

    def selects(self) -> str | None:
        root = self.objects.get(("Service", "churn"))
        return (root["spec"].get("selector") or {}).get(REVISION) if root else None


def _place(action: Action) -> tuple[str, str]:
    match action:
        case Apply(manifest=manifest):
            return manifest["kind"], manifest["metadata"]["name"]
        case Scale(name=name):
            return "Deployment", name
        case Delete(kind=kind, name=name):
            return kind, name


def _owner(pod: str) -> str:
    return pod.rpartition("-")[0]


def _number(pod: str) -> int:
    last = pod.rpartition("-")[2]
    return int(last) if last.isdigit() else 0
